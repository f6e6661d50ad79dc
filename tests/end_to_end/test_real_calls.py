"""Suites with real calls: the example suite, and the end of calls when their session ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.end_to_end.suite import case_report
from tests.lab.calls.placing import needs_stack
from tests.lab.calls.sipp_peer import needs_sipp, sipp
from tests.support import TIMEOUT

EXAMPLE = Path(__file__).parents[2] / "example_suite"
WITHOUT_WHEEL = "import sys\nsys.modules['baresip'] = None\n"


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove credentials and settings of the developer."""
    for name in list(os.environ):
        if name.startswith(("SIPFRONT_", "SF_", "PYTEST_")):
            monkeypatch.delenv(name)


@pytest.fixture
def example(pytester: pytest.Pytester) -> Path:
    """A copy of the example suite in the current directory."""
    shutil.copytree(EXAMPLE, pytester.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return pytester.path


def properties(junit: Path) -> list[Mapping[str, str]]:
    """Return the properties of every test case that had a run."""
    reports = [case_report(case) for case in ET.parse(junit).iter("testcase")]
    return [report.properties for report in reports if "sipfront.test" in report.properties]


@pytest.mark.slow
@needs_stack
@pytest.mark.usefixtures("example")
def test_the_example_suite_passes_with_real_calls(pytester: pytest.Pytester) -> None:
    """The header counts the real calls, and the reports mark the only scripted verdict."""
    result = pytester.runpytest_subprocess("--junitxml=junit.xml", timeout=TIMEOUT)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    result.stdout.fnmatch_lines(["sipfront: 9 of 10 tests place real calls on this machine (SIP, RTP, DTMF)"])
    result.stdout.fnmatch_lines(["1 of 30 verdicts scripted by the lab file, without a call"])
    runs = properties(pytester.path / "junit.xml")
    assert [run["sipfront.test"] for run in runs if run["sipfront.agentpool"] != "lab"] == ["Call the bot"]


@pytest.mark.slow
def test_without_the_sip_stack_every_report_marks_scripted_verdicts(
    pytester: pytest.Pytester, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header names the missing package. The closing section and JUnit mark the verdicts."""
    without_wheel(example, monkeypatch)
    result = pytester.runpytest_subprocess("--junitxml=junit.xml", "--sipfront-lab-calls=scripted", timeout=TIMEOUT)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "sipfront: verdicts are scripted, as `calls: scripted` or an option requests",
            "* verdicts scripted by the lab file, without a call",
        ]
    )
    runs = properties(example / "junit.xml")
    assert runs
    assert all(run["sipfront.agentpool"].endswith("(scripted verdict)") for run in runs)


def without_wheel(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the SIP stack from the processes that the test starts."""
    (directory / "without").mkdir()
    (directory / "without" / "sitecustomize.py").write_text(WITHOUT_WHEEL)
    monkeypatch.setenv("PYTHONPATH", str(directory / "without"), prepend=os.pathsep)


BUSY = """
{calls}
phones: {{engaged: {{number: "486", reject: 486}}, desk: {{number: "100"}}}}
tests:
  To a busy phone:
    steps: [[{{action: wait}}], [{{action: call, dial_destination: "486"}}]]
  To a desk:
    steps: [[{{action: wait}}], [{{action: call, dial_destination: "100"}}]]
"""
BUSY_TESTS = """
import pytest

@pytest.mark.sipfront(test="To a busy phone")
def test_busy(): pass

@pytest.mark.sipfront(test="To a desk")
def test_desk(): pass
"""


@pytest.mark.parametrize(
    ("calls", "options"), [("", ()), ("calls: scripted", ("--sipfront-lab-calls=required",)), ("calls: required", ())]
)
def test_without_the_sip_stack_a_lab_file_with_steps_is_an_error(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, calls: str, options: tuple[str, ...]
) -> None:
    """Linux and macOS have the stack. Its absence is a mistake of the installation unless the file says otherwise."""
    without_wheel(pytester.path, monkeypatch)
    pytester.makefile(".yaml", lab=BUSY.format(calls=calls))
    pytester.makepyfile(BUSY_TESTS)
    result = pytester.runpytest_subprocess("--sipfront-lab", *options, timeout=TIMEOUT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    error = result.stderr.str()
    assert "tests.To a busy phone.steps: places calls, and this machine cannot: it needs baresip-python" in error
    assert "write 'calls: scripted' in this file, or set --sipfront-lab-calls=scripted (pytest)" in error


@pytest.mark.slow
@pytest.mark.parametrize(("calls", "options"), [("calls: scripted", ()), ("", ("--sipfront-lab-calls=scripted",))])
def test_a_scripted_verdict_that_contradicts_a_phone_is_no_verdict(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, calls: str, options: tuple[str, ...]
) -> None:
    """A call to a busy phone does not pass without a call."""
    without_wheel(pytester.path, monkeypatch)
    pytester.makefile(".yaml", lab=BUSY.format(calls=calls))
    pytester.makepyfile(BUSY_TESTS)
    result = pytester.runpytest_subprocess("--sipfront-lab", *options, timeout=TIMEOUT)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["E * errored - scripted verdict 'passed', but phone 'engaged' has a fault (reject); name * in `when`"]
    )


@pytest.mark.slow
@needs_stack
@pytest.mark.usefixtures("example")
def test_the_example_suite_is_proven(pytester: pytest.Pytester) -> None:
    """Each of its tests detects every fault of its phones, apart from those that `tolerates` explains."""
    result = pytester.runpytest_subprocess("--sipfront-prove", timeout=TIMEOUT)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    result.stdout.re_match_lines([r"1\d\d faults detected, 0 not detected, 0 without verdict"])


SWITCHBOARD, VIENNA = 'number: "43123100"', 'number: "43123101"'
GREETING = "test_ivr.py::test_the_greeting_is_played"
MENUS = {f"test_ivr.py::test_the_menu_leads_to[{department}]" for department in ("sales", "support")}
NIGHTLY = "test_projects.py::test_nightly"
TO_VIENNA = {
    "regression.sipfront.yaml::destination[Vienna-1]",
    "regression.sipfront.yaml::destination[Vienna-2]",
    "test_basic_call.py::test_basic_call",
    "test_destinations.py::test_destination_is_reachable[Vienna]",
    "test_imperative.py::test_two_calls_at_the_same_time",
    "test_imperative.py::test_measurements",
    "test_parallel_calls.py::test_ten_parallel_calls",
    NIGHTLY,
}
GREETED = "test_sift.py::test_greetings[+43123100-welcome,"
PIN = "test_ivr.py::test_every_digit_arrives"
FAULTS = {
    "silence": (SWITCHBOARD, "silent: true", {GREETING, GREETED, *MENUS, NIGHTLY}),
    "wrong prompt": (SWITCHBOARD, "wrong_prompt: {welcome: closed}", {GREETING, GREETED, NIGHTLY}),
    "lost digit": (SWITCHBOARD, "lose_digit: 1", MENUS),
    "486": (SWITCHBOARD, "reject: 486", {GREETING, GREETED, *MENUS, NIGHTLY}),
    "one-way audio": (VIENNA, "one_way: receives", {*TO_VIENNA, PIN}),
    "last digit lost": (VIENNA, "lose_digit: 5", {PIN}),
    "late answer": (VIENNA, "answer_after: 2.3", {*TO_VIENNA, PIN}),
}


@pytest.mark.slow
@needs_stack
@pytest.mark.parametrize(("phone", "fault", "failed"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_phone_of_the_example_suite_fails_exactly_its_tests(
    pytester: pytest.Pytester, example: Path, phone: str, fault: str, failed: set[str]
) -> None:
    """All other tests pass."""
    lab_yaml = example / "lab.yaml"
    lines = []
    for line in lab_yaml.read_text().splitlines():
        if phone in line and "{" in line:
            lines.append(f"{line.removesuffix('}')}, {fault}}}")
        else:
            lines += [line, f"    {fault}"] if phone in line else [line]
    lab_yaml.write_text("\n".join(lines))
    result = pytester.runpytest_subprocess("-rfE", timeout=TIMEOUT)
    matches = (re.fullmatch(r"(?:FAILED|ERROR) (\S+).*", line) for line in result.outlines)
    assert {match[1] for match in matches if match} == failed


STAYING = """
target: sip:127.0.0.1:{port}
tests:
  stay:
    steps:
      - []
      - [{{action: call, dial_destination: "100"}}, {{action: hold, seconds: 50}}]
"""
WAITS = "def test_call(sipfront):\n    sipfront.run(test='stay')\n"
LEAVES = (
    "import os, time\n"
    "def test_call(sipfront):\n"
    "    sipfront.launch(test='stay')\n"
    "    while not os.path.exists(os.environ['UP']): time.sleep(0.01)\n"
)
ENDS = {
    "interrupted": (WAITS, signal.SIGINT),
    "terminated": (WAITS, signal.SIGTERM),
    "killed": (WAITS, signal.SIGKILL),
    "left": (LEAVES, None),
    "failed": (LEAVES + "    assert False\n", None),
    "crashed": (LEAVES + "    os.abort()\n", None),
}


@pytest.mark.slow
@needs_stack
@needs_sipp
@pytest.mark.parametrize(("test", "end"), ENDS.values(), ids=ENDS)
def test_no_call_outlives_its_session(pytester: pytest.Pytester, test: str, end: signal.Signals | None) -> None:
    """The scenario of SIPp fails unless it receives BYE."""
    pytester.makepyfile(test)
    with sipp("answers") as peer:
        pytester.makefile(".yaml", lab=STAYING.format(port=peer.port))
        # a background process ignores SIGINT by default
        code = "import signal, sys, pytest\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        command = [sys.executable, "-c", f"{code}sys.exit(pytest.main(['--sipfront-lab']))"]
        environment = {**os.environ, "UP": str(peer.directory / "up")}
        with subprocess.Popen(
            command, cwd=pytester.path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as session:
            try:
                if end is not None:
                    peer.await_call()
                    session.send_signal(end)
                session.wait(TIMEOUT)
            finally:
                session.kill()
        assert peer.exit_code() == 0


@pytest.mark.slow
@needs_stack
def test_a_suite_can_run_the_self_check(pytester: pytest.Pytester) -> None:
    """The fixture sipfront_doctor has the result of each check."""
    pytester.makepyfile(
        "def test_machine(sipfront_doctor):\n"
        "    assert sipfront_doctor.sound, sipfront_doctor\n"
        "    assert 'audio both ways' in str(sipfront_doctor)\n"
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
