"""Suites whose tests are real calls: the example that users copy, and what becomes of calls when a session ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.lab.calls.placing import needs_stack
from tests.lab.calls.sipp_peer import needs_sipp, sipp

EXAMPLE = Path(__file__).parents[2] / "example_suite"
WITHOUT_WHEEL = "import sys\nsys.modules['baresip'] = None\n"
AT_ONCE = "-n4"  # a run is mostly waiting


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials and no settings of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("SIPFRONT_", "SF_", "PYTEST_")):
            monkeypatch.delenv(name)


@pytest.fixture
def example(pytester: pytest.Pytester) -> Path:
    """A copy of the example suite, which is the current directory."""
    shutil.copytree(EXAMPLE, pytester.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return pytester.path


def properties(junit: Path) -> list[dict[str, str]]:
    """The properties of every test case that had a run."""
    cases = ET.parse(junit).iter("testcase")
    found = [{p.attrib["name"]: p.attrib["value"] for p in case.iter("property")} for case in cases]
    return [one for one in found if "sipfront.test" in one]


@needs_stack
@pytest.mark.usefixtures("example")
def test_the_example_suite_passes_with_real_calls(pytester: pytest.Pytester) -> None:
    """It is green as it is shipped, says that its calls are real, and marks the one as scripted that is none."""
    result = pytester.runpytest_subprocess(AT_ONCE, "--junitxml=junit.xml", timeout=200)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    result.stdout.fnmatch_lines(["sipfront: 9 of 10 tests place real calls on this machine (SIP, RTP, DTMF)"])
    result.stdout.fnmatch_lines(["1 of 22 verdicts scripted by the lab file, without a call"])
    pools = [(one["sipfront.agentpool"], one["sipfront.test"]) for one in properties(pytester.path / "junit.xml")]
    assert [test for pool, test in pools if pool != "lab"] == ["Call the bot"]


def test_without_the_wheel_every_report_says_that_verdicts_are_scripted(
    pytester: pytest.Pytester, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the header, one sentence with what is missing; in the closing section and for each run in JUnit, a mark."""
    (example / "without").mkdir()
    (example / "without" / "sitecustomize.py").write_text(WITHOUT_WHEEL)
    monkeypatch.setenv("PYTHONPATH", str(example / "without"), prepend=os.pathsep)
    result = pytester.runpytest_subprocess(AT_ONCE, "--junitxml=junit.xml", timeout=200)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "sipfront: verdicts are scripted, this machine cannot place calls: it needs baresip-python*",
            "* verdicts scripted by the lab file, without a call",
        ]
    )
    runs = properties(example / "junit.xml")
    assert runs
    assert all(one["sipfront.agentpool"].endswith("(scripted verdict)") for one in runs)


SWITCHBOARD, VIENNA = 'number: "43123100"', 'number: "43123101"'
GREETING = "test_ivr.py::test_the_greeting_is_played"
MENUS = {f"test_ivr.py::test_the_menu_leads_to[{department}]" for department in ("sales", "support")}
NIGHTLY = "test_projects.py::test_nightly"
TO_VIENNA = {
    "test_basic_call.py::test_basic_call",
    "test_destinations.py::test_destination_is_reachable[Vienna]",
    "test_imperative.py::test_two_calls_at_the_same_time",
    "test_imperative.py::test_what_was_measured",
    "test_parallel_calls.py::test_ten_parallel_calls",
    NIGHTLY,
}
GREETED = "test_sift.py::test_greetings[+43123100-welcome,"
PIN = "test_ivr.py::test_every_digit_arrives"
BREAKAGES = {
    "silence": (SWITCHBOARD, "silent: true", {GREETING, GREETED, *MENUS, NIGHTLY}),
    "wrong prompt": (SWITCHBOARD, "wrong_prompt: {welcome: closed}", {GREETING, GREETED, NIGHTLY}),
    "lost digit": (SWITCHBOARD, "lose_digit: 1", MENUS),
    "486": (SWITCHBOARD, "reject: 486", {GREETING, GREETED, *MENUS, NIGHTLY}),
    "one-way audio": (VIENNA, "one_way: receives", {*TO_VIENNA, PIN}),
    "last digit lost": (VIENNA, "lose_digit: 5", {PIN}),
    "late answer": (VIENNA, "answer_after: 2.3", TO_VIENNA),
}


@pytest.mark.slow
@needs_stack
@pytest.mark.parametrize(("phone", "fault", "red"), BREAKAGES.values(), ids=BREAKAGES)
def test_breaking_a_phone_of_the_example_turns_exactly_its_tests_red(
    pytester: pytest.Pytester, example: Path, phone: str, fault: str, red: set[str]
) -> None:
    """Seen by whoever reads pytest's output: what the fault concerns is red, everything else is green."""
    sound = (example / "lab.yaml").read_text()
    lines = [f"{line}, {fault}" if "{" in line else line for line in sound.splitlines()]
    broken = [new if phone in old else old for old, new in zip(sound.splitlines(), lines, strict=True)]
    text = "\n".join(broken).replace(f"{phone}\n", f"{phone}\n    {fault}\n")
    (example / "lab.yaml").write_text(text.replace(f"}}, {fault}", f", {fault}}}"))
    result = pytester.runpytest_subprocess(AT_ONCE, "-rfE", timeout=200)
    told = (re.fullmatch(r"(?:FAILED|ERROR) (\S+).*", line) for line in result.outlines)
    assert {match[1] for match in told if match} == red


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


@needs_stack
@needs_sipp
@pytest.mark.parametrize(("test", "end"), ENDS.values(), ids=ENDS)
def test_no_call_outlives_its_session(pytester: pytest.Pytester, test: str, end: signal.Signals | None) -> None:
    """However a session ends, the other side of its call hears BYE: SIPp's scenario insists on it."""
    pytester.makepyfile(test)
    with sipp("answers") as peer:
        pytester.makefile(".yaml", lab=STAYING.format(port=peer.port))
        # a session in the background would ignore SIGINT
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
                session.wait(30)
            finally:
                session.kill()
        assert peer.exit_code() == 0


@needs_stack
def test_a_suite_can_examine_its_machine(pytester: pytest.Pytester) -> None:
    """The self-check as a fixture: sound or not, and each check in words."""
    pytester.makepyfile(
        "def test_machine(sipfront_doctor):\n"
        "    assert sipfront_doctor.sound, sipfront_doctor\n"
        "    assert 'audio both ways' in str(sipfront_doctor)\n"
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
