"""`--sipfront-lab` starts one lab for the session, and no account is needed."""

from __future__ import annotations

import os
import select
import signal
import sys

import pytest

from tests.support import TIMEOUT

LAB = "tests:\n  Only here: {takes: 0.02}\n"
TEST = "import pytest\n@pytest.mark.sipfront(test='Only here')\ndef test_call(): pass\n"


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, and a proxy that is unreachable."""
    for name in list(os.environ):
        if name.startswith(("SIPFRONT_", "SF_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")


def test_without_a_value_the_option_uses_lab_yaml_in_the_root_directory(pytester: pytest.Pytester) -> None:
    """Requests to the lab need no credentials and use no proxy."""
    pytester.makefile(".yaml", lab=LAB)
    pytester.makepyfile(TEST)
    result = pytester.runpytest_inprocess("--sipfront-lab")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["sipfront: lab on this machine (*lab.yaml), concurrency 1", "ran against the lab, a simulation *"]
    )


@pytest.mark.slow
def test_without_a_file_the_lab_has_its_built_in_tests(pytester: pytest.Pytester) -> None:
    """This is enough for a first try."""
    pytester.makepyfile("import pytest\n@pytest.mark.sipfront(test='Basic call')\ndef test_call(): pass\n")
    pytester.runpytest_inprocess("--sipfront-lab").assert_outcomes(passed=1)


@pytest.mark.parametrize("how", ["option", "environment", "ini"])
def test_a_lab_file_can_be_named(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """On the command line, in the environment, or in the ini file. In the ini file it is relative to that file."""
    pytester.mkdir("labs").joinpath("mine.yaml").write_text(LAB)
    pytester.makepyfile(TEST)
    if how == "environment":
        monkeypatch.setenv("SIPFRONT_LAB", "labs/mine.yaml")
    if how == "ini":
        pytester.makeini("[pytest]\nsipfront_lab = labs/mine.yaml\n")
    arguments = ["--sipfront-lab=labs/mine.yaml"] if how == "option" else []
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1)


def test_the_environment_can_disable_the_lab_of_the_ini_file(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With SIPFRONT_LAB=0 the same suite uses the platform, which needs credentials."""
    monkeypatch.setenv("SIPFRONT_LAB", "0")
    pytester.makeini("[pytest]\nsipfront_lab = true\n")
    pytester.makepyfile(TEST)
    pytester.runpytest_inprocess().assert_outcomes(errors=1)


@pytest.mark.slow
def test_all_workers_share_one_lab(pytester: pytest.Pytester) -> None:
    """The session has one lab process."""
    pytester.makefile(".yaml", lab=LAB)
    pytester.makepyfile(
        "import pytest\n"
        "@pytest.mark.sipfront(test='Only here')\n@pytest.mark.parametrize('n', range(4))\n"
        "def test_call(n, sipfront_lab): open(f'{n}.url', 'w').write(sipfront_lab.url)\n"
    )
    pytester.runpytest_subprocess("--sipfront-lab", "-n2", timeout=TIMEOUT).assert_outcomes(passed=4)
    assert len({path.read_text() for path in pytester.path.glob("*.url")}) == 1


def ends(pid: int) -> bool:
    """Wait for the end of a process that is not a child. Its pidfd becomes readable then."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], TIMEOUT)[0])
    finally:
        os.close(handle)


WITH_PID = (
    "import os, pytest\n"
    "@pytest.mark.sipfront(test='Only here')\n"
    "def test_call(sipfront_lab):\n"
    "    children = open(f'/proc/{os.getpid()}/task/{os.getpid()}/children').read()\n"
    "    open('children', 'w').write(children)\n"
    "    if os.environ.get('KILL'):\n"
    "        os.kill(os.getpid(), 9)\n"
)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("kill", ["", "1"], ids=["ended", "killed"])
def test_lab_and_engine_end_with_the_session(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, kill: str
) -> None:
    """After kill -9, too: both notice that the other end of their pipe or socket was closed."""
    monkeypatch.setenv("KILL", kill)
    pytester.makefile(".yaml", lab=LAB)
    pytester.makepyfile(WITH_PID)
    result = pytester.runpytest_subprocess("--sipfront-lab", timeout=TIMEOUT)
    assert result.ret == (-signal.SIGKILL if kill else 0)
    pids = [int(pid) for pid in (pytester.path / "children").read_text().split()]
    assert len(pids) == 2
    assert all(ends(pid) for pid in pids)


MISTAKES = {
    "several": (
        "tests:\n  A:\n    verdct: passed\n  B:\n    strict: maybe\n    takes: [3, 1]\n",
        [
            "lab.yaml:3: tests.A.verdct: unknown key 'verdct'; did you mean 'verdict'?",
            "lab.yaml:5: tests.B.strict must be true or false, got 'maybe'",
            "lab.yaml:6: tests.B.takes: the smaller number must come first, got [3, 1]",
        ],
    ),
    "date": ("tests:\n  A:\n    project: 2024-02-30\n", ["lab.yaml:3: tests.A.project must be text, got 2024-02-30"]),
    "digits": (f"tests:\n  A: {{id: {'7' * 400}}}\n", ["lab.yaml:2: tests.A.id must be an integer >= 1"]),
    "no YAML": ("tests: [\n", ["lab.yaml:1: not valid YAML"]),
}


@pytest.mark.parametrize(("text", "messages"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_in_the_lab_file_are_usage_errors(pytester: pytest.Pytester, text: str, messages: list[str]) -> None:
    """All mistakes are listed with file, line and key path, and no test runs."""
    pytester.makefile(".yaml", lab=text)
    pytester.makepyfile(TEST)
    result = pytester.runpytest_inprocess("--sipfront-lab")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    error = result.stderr.str()
    assert [message for message in messages if message not in error] == []
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sipfront-lab", "test_it.py"], "put --sipfront-lab without a value after the test paths"),
        (["--sipfront-lab=nothing.yaml"], "no such file"),
        (["--sipfront-lab", "--sipfront-base-url=https://x.example"], "are mutually exclusive"),
    ],
)
def test_an_invalid_lab_option_is_a_usage_error(pytester: pytest.Pytester, arguments: list[str], message: str) -> None:
    """The value of the option is optional, so pytest takes a test path after it for the lab file."""
    pytester.makepyfile(test_it=TEST)
    result = pytester.runpytest_inprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()
