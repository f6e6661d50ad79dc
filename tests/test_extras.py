"""The base install has no server and no speech scoring. A feature that needs them names its extra."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_sipfront.extras import MODULES, missing_extra
from pytest_sipfront.lab.process import LabError, examine, start_lab

LAB_MESSAGE = 'the lab requires pip install "pytest-sipfront[lab]" (not installed: uvicorn)'
SIFT_MESSAGE = 'a call with Sift requires pip install "pytest-sipfront[sift]" (not installed: uvicorn)'


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter as it is after a base install: the web server cannot be imported."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in ("SIPFRONT_LAB", "SIFT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("extra", MODULES)
def test_an_installed_extra_is_not_reported(extra: str) -> None:
    """The test environment has every extra."""
    assert missing_extra(extra, "the feature") == ""


def test_all_missing_packages_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, however many packages are missing."""
    for module in MODULES["sift"]:
        monkeypatch.setitem(sys.modules, module, None)
    assert missing_extra("sift", "it").endswith("(not installed: starlette, uvicorn, python_multipart, jiwer)")


@pytest.mark.usefixtures("no_server")
def test_the_lab_option_names_the_extra_before_the_first_test(pytester: pytest.Pytester) -> None:
    """One line and exit code 4, as for any other setting that cannot work."""
    pytester.makepyfile("import pytest\n@pytest.mark.sipfront(test='Basic call')\ndef test_call(): ...")
    result = pytester.runpytest_inprocess("--sipfront-lab")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.lines == [f"ERROR: {LAB_MESSAGE}", ""]


@pytest.mark.usefixtures("no_server")
def test_the_lab_fixture_names_the_extra(pytester: pytest.Pytester) -> None:
    """The message reaches the report of the test that requests the fixture."""
    pytester.makepyfile("def test_lab(sipfront_lab): ...")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E *LabError: {LAB_MESSAGE.replace('[', '[[]')}"])


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize("function", [start_lab, examine])
def test_starting_a_lab_from_python_names_the_extra(function: object) -> None:
    """No process is started."""
    assert callable(function)
    with pytest.raises(LabError) as raised:
        function()
    assert str(raised.value) == LAB_MESSAGE


def test_the_lab_command_names_the_extra() -> None:
    """`python -m pytest_sipfront.lab` prints one line and ends with 2."""
    code = (
        "import runpy, sys; sys.modules['uvicorn'] = None; "
        "runpy.run_module('pytest_sipfront.lab', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"lab: {LAB_MESSAGE}\n")


@pytest.mark.usefixtures("no_server")
def test_a_sift_call_names_the_extra(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call is an ERROR. Nothing is sent."""
    monkeypatch.setenv("SIFT_BEARER_TOKEN", "a-token-of-this-test")
    pytester.makepyfile("def test_call(sift_call): sift_call('+15550100200')")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E *ConfigurationError: {SIFT_MESSAGE.replace('[', '[[]')}"])


@pytest.mark.usefixtures("no_server")
def test_the_base_install_runs_tests_without_calls(pytester: pytest.Pytester) -> None:
    """A missing extra matters only to the feature that needs it."""
    pytester.makepyfile("def test_nothing(): ...")
    pytester.runpytest_inprocess("--strict-markers").assert_outcomes(passed=1)


def test_a_suite_file_names_the_extra(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a collection error, since its tests are not run."""
    monkeypatch.setitem(sys.modules, "pydantic", None)
    (pytester.path / "a.sipfront.yaml").write_text("tests: [{name: a, test: A}]")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    message = 'a suite file requires pip install "pytest-sipfront[[]suites]" (not installed: pydantic)'
    result.stdout.fnmatch_lines([message])


def test_a_session_without_suites_imports_no_yaml_and_no_validation(pytester: pytest.Pytester) -> None:
    """Not even if it has marked tests."""
    pytester.makepyfile("import pytest\n@pytest.mark.sipfront(test='Basic call')\ndef test_call(): ...")
    pytester.makeconftest(
        "import sys\ndef pytest_unconfigure():\n    print('LOADED', {'yaml', 'pydantic'} & sys.modules.keys())"
    )
    result = pytester.runpytest_subprocess("--collect-only")
    result.stdout.fnmatch_lines(["LOADED set()"])
