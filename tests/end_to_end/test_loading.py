"""Every way to load the plugin gives a session that launches the runs of marked tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_sipfront
from tests.end_to_end.suite import Suite

PACKAGE, MODULE = "-ppytest_sipfront", "-ppytest_sipfront.plugin"
LOADED = {
    "entry point": (),
    "package": (PACKAGE,),
    "module": (MODULE,),
    "name of the entry point": ("-psipfront",),
    "package twice": (PACKAGE, PACKAGE),
    "package and module": (PACKAGE, MODULE),
    "module and package": (MODULE, PACKAGE),
    "entry point and module": ("-psipfront", MODULE),
    "module and entry point": (MODULE, "-psipfront"),
}
EXPLICITLY_LOADED = {name: arguments for name, arguments in LOADED.items() if arguments}


@pytest.fixture
def marked_test(suite: Suite) -> Suite:
    """A suite with one marked test, whose run fails."""
    suite.configure("tests: {Basic call: {takes: 0.02, verdict: failed, description: 486 Busy Here}}\n")
    suite.write("@marked(test='Basic call')\ndef test_call(): pass\n")
    return suite


@pytest.mark.parametrize("arguments", LOADED.values(), ids=LOADED)
def test_an_installed_plugin_is_loaded_once(marked_test: Suite, arguments: tuple[str, ...]) -> None:
    """Each name may be given, alone or with others."""
    marked_test.run(*arguments).assert_outcomes(failed=1)
    assert marked_test.lab.launches == 1


@pytest.mark.parametrize("arguments", EXPLICITLY_LOADED.values(), ids=EXPLICITLY_LOADED)
def test_the_plugin_is_loaded_without_autoload(
    marked_test: Suite, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """With PYTEST_DISABLE_PLUGIN_AUTOLOAD, pytest ignores entry points that are not named."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    marked_test.run(*arguments).assert_outcomes(failed=1)
    assert marked_test.lab.launches == 1


@pytest.mark.parametrize("autoload", [True, False], ids=["autoload", "no autoload"])
@pytest.mark.parametrize("arguments", [(PACKAGE,), (PACKAGE, MODULE)], ids=["package", "package and module"])
def test_workers_load_the_plugin(
    marked_test: Suite, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], autoload: bool
) -> None:
    """Workers parse the command line themselves."""
    if not autoload:
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        arguments = ("-pxdist", *arguments)
    marked_test.run_in_subprocess(*arguments, "-n2").assert_outcomes(failed=1)
    assert marked_test.lab.launches == 1


@pytest.mark.parametrize("name", ["pytest_sipfront", "pytest_sipfront.plugin"])
@pytest.mark.parametrize("autoload", [True, False], ids=["autoload", "no autoload"])
def test_a_conftest_loads_the_plugin(
    marked_test: Suite, monkeypatch: pytest.MonkeyPatch, name: str, autoload: bool
) -> None:
    """`pytest_plugins` takes the same names."""
    marked_test.pytester.makeconftest(f"pytest_plugins = [{name!r}]")
    if not autoload:
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    marked_test.run().assert_outcomes(failed=1)


@pytest.mark.parametrize("name", ["pytest_sipfront", "pytest_sipfront.plugin"])
def test_the_environment_loads_the_plugin(marked_test: Suite, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """PYTEST_PLUGINS takes the same names."""
    monkeypatch.setenv("PYTEST_PLUGINS", name)
    marked_test.run().assert_outcomes(failed=1)


@pytest.mark.parametrize("arguments", [(), (PACKAGE,)], ids=["alone", "with the package"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_blocked_plugin_is_not_loaded(suite: Suite, arguments: tuple[str, ...], order: int) -> None:
    """`-p no:sipfront` wins over `-p pytest_sipfront`, in any order."""
    suite.pytester.makepyfile(
        "def test_call(pytestconfig): assert not hasattr(pytestconfig.option, 'sipfront_timeout')"
    )
    blocked = ("-pno:sipfront", *arguments)[::order]
    suite.pytester.runpytest_inprocess(*blocked).assert_outcomes(passed=1)


@pytest.mark.parametrize("autoload", [True, False], ids=["autoload", "no autoload"])
def test_the_package_satisfies_required_plugins(
    marked_test: Suite, monkeypatch: pytest.MonkeyPatch, autoload: bool
) -> None:
    """pytest compares `required_plugins` with the distributions of loaded entry points."""
    marked_test.pytester.makeini("[pytest]\nrequired_plugins = pytest-sipfront\n")
    if not autoload:
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    marked_test.run(PACKAGE).assert_outcomes(failed=1)


@pytest.mark.parametrize(
    "arguments",
    [
        (PACKAGE,),
        pytest.param((MODULE,), marks=pytest.mark.slow),
        pytest.param((PACKAGE, MODULE), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_a_checkout_without_entry_point_is_loaded_by_name(marked_test: Suite, arguments: tuple[str, ...]) -> None:
    """A copy of the package on the path has no metadata, and `--sipfront-...` options work all the same."""
    copy = marked_test.pytester.path / "checkout"
    shutil.copytree(Path(pytest_sipfront.__file__).parent, copy / "pytest_sipfront")
    site = [path for path in sys.path if Path(path, "pytest").is_dir()]
    code = (
        "import sys, importlib.metadata as metadata, pytest\n"
        f"sys.path[:0] = [{str(copy)!r}, *{site!r}]\n"
        "distributions = metadata.distributions\n"
        "metadata.distributions = lambda: (d for d in distributions() if d.name != 'pytest-sipfront')\n"
        "sys.exit(pytest.main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, *arguments, "-pno:randomly", "test_it.py"]
    command.append(f"--sipfront-base-url={marked_test.lab.url}")
    session = subprocess.run(
        command, cwd=marked_test.pytester.path, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert "1 failed" in session.stdout
    assert "486 Busy Here" in session.stdout
    assert "sipfront-0" not in session.stdout
