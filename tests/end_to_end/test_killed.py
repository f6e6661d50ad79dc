"""Sessions that are killed at random moments and resumed launch every run once and report every verdict."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.engine.journal import is_running
from tests.end_to_end.suite import Suite, case_report, wait_until
from tests.support import TIMEOUT

TESTS = 8
LAB = "seed: 1\ntests:\n  Basic call: {takes: [0.05, 0.6]}\n"
SUITE = f"""
@pytest.mark.parametrize("n", range({TESTS}))
@marked(test="Basic call", step_1_0_dial_destination="{{n}}")
def test_call(n): pass
"""
MODES = {"one process": ("--sipfront-concurrency=4",), "workers": ("-n2",)}
CASES, KILLS = 5, 2
JOURNAL = "ledger.jsonl"
REQUESTS = 45
"""The approximate number of requests of a complete session, over which the moments of the kills are spread."""
UNKNOWN = "the run may have been started: an earlier session ended while sending the launch at"


def start_session(suite: Suite, *options: str) -> subprocess.Popen[str]:
    """Start the suite in a process, with its output in a file."""
    command = [
        *(sys.executable, "-m", "pytest", "-pno:randomly", f"--sipfront-base-url={suite.lab.url}"),
        *("--sipfront-poll-interval=0.05", f"--junitxml={suite.junit}", f"--sipfront-ledger={JOURNAL}", *options),
    ]
    with output_file(suite).open("w") as output:
        return subprocess.Popen(
            command, cwd=suite.pytester.path, stdout=output, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )


def output_file(suite: Suite) -> Path:
    """Return the file with the output of the last session."""
    return suite.pytester.path / "output.txt"


def events(suite: Suite, kind: str) -> list[dict[str, Any]]:
    """Return the complete events of one kind in the journal."""
    path = suite.pytester.path / JOURNAL
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def outcomes(junit: Path) -> dict[str, str]:
    """Return "passed" or the message for each test case."""
    reports = {case.attrib["name"]: case_report(case) for case in ET.parse(junit).iter("testcase")}
    return {name: report.message or report.outcome for name, report in reports.items()}


def kill(session: subprocess.Popen[str], engines: list[int], victim: str) -> None:
    """Kill pytest, its engine, or both; and wait until pytest has ended."""
    if victim != "pytest":
        for engine in engines:
            with contextlib.suppress(ProcessLookupError):
                os.kill(engine, signal.SIGKILL)
    if victim != "engine":
        session.kill()
    session.wait(TIMEOUT)


def kill_after(session: subprocess.Popen[str], suite: Suite, victim: str, requests: int, seconds: float) -> None:
    """Kill `victim` some seconds after the platform received that many more requests, if the session still runs."""
    target, sessions = suite.lab.counts["requests"] + requests, len(events(suite, "session"))
    wait_until(lambda: session.poll() is not None or suite.lab.counts["requests"] >= target, interval=0.003)
    if victim != "pytest":
        wait_until(lambda: session.poll() is not None or len(events(suite, "session")) > sessions)
    time.sleep(seconds)  # the moment of the kill is the subject of the test
    kill(session, [event["pid"] for event in events(suite, "session")[sessions:]], victim)


@pytest.mark.slow
@pytest.mark.parametrize("case", range(CASES))
@pytest.mark.parametrize("victim", ["pytest", "engine", "both"])
@pytest.mark.parametrize("mode", list(MODES))
def test_a_killed_and_resumed_session_launches_no_run_twice(suite: Suite, mode: str, victim: str, case: int) -> None:
    """Two kills in each case. A launch whose outcome is unknown is an error and is not sent again.

    The engine survives pytest until the answers to its launches are recorded. Therefore no outcome is unknown if only
    pytest was killed.
    """
    moment = random.Random(f"{mode} {victim} {case}")
    suite.configure(LAB)
    suite.write(SUITE)
    for attempt in range(KILLS):
        session = start_session(suite, *MODES[mode], "--sipfront-resume")
        kill_after(session, suite, victim, moment.randrange(REQUESTS // (attempt + 1)), moment.uniform(0, 0.03))
        if events(suite, "end"):
            break
    else:
        assert start_session(suite, *MODES[mode], "--sipfront-resume").wait(TIMEOUT) in {0, 1}
    launches = Counter(run["overrides"]["step.1.0.dial_destination"] for run in suite.lab.runs)
    messages = outcomes(suite.junit)
    assert len(messages) == TESTS
    for n in range(TESTS):
        message = messages[f"test_call[{n}]"]
        if message == "passed":
            assert launches[str(n)] == 1, f"{n} was launched {launches[str(n)]} times"
        else:
            assert UNKNOWN in message
            assert victim != "pytest", "the engine left a launch in doubt"
            assert launches[str(n)] <= 1


@pytest.mark.parametrize("mode", list(MODES))
def test_after_the_end_of_the_engine_each_test_is_an_error(suite: Suite, mode: str) -> None:
    """The session ends with reports, without an internal error, and without a traceback of the plugin."""
    suite.configure("tests:\n  Slow: {takes: 600}\n")
    suite.write("@pytest.mark.parametrize('n', range(6))\n@marked(test='Slow')\ndef test_slow(n): pass\n")
    session = start_session(suite, *MODES[mode])
    wait_until(lambda: len(events(suite, "launched")) >= 2, session)
    kill(session, [events(suite, "session")[0]["pid"]], "engine")
    reports = [case_report(case) for case in ET.parse(suite.junit).iter("testcase")]
    assert [report.outcome for report in reports] == ["error"] * 6
    assert all("the engine process, which launches and polls runs" in report.message for report in reports)
    output = output_file(suite).read_text()
    assert session.returncode == 1
    assert "INTERNALERROR" not in output
    assert "pytest_sipfront/" not in output
    assert len(suite.lab.runs) <= len(events(suite, "intent")) == len({e["test"] for e in events(suite, "intent")})


def test_a_launch_in_doubt_is_named_by_its_test(suite: Suite) -> None:
    """The engine ended between sending a launch and its answer: the details name the launch and its time."""
    suite.configure("tests:\n  Slow: {takes: 600}\nfaults: [{on: launch, latency: 600}]\n")
    suite.write("@marked(test='Slow')\ndef test_slow(): pass\n")
    session = start_session(suite)
    wait_until(lambda: bool(events(suite, "intent")), session)
    kill(session, [events(suite, "session")[0]["pid"]], "engine")
    report = suite.report("test_slow")
    assert report.outcome == "error"
    assert "launch in doubt" in report.details
    assert f"Slow, sent at {events(suite, 'intent')[0]['at'][:10]}" in report.details


@pytest.mark.slow
def test_workers_that_outlive_the_controller_launch_nothing(suite: Suite) -> None:
    """The engine ends with the controller: a resumed session finds all runs, although the workers still wait."""
    suite.configure("tests:\n  Slow: {takes: 3}\n")
    suite.write("@pytest.mark.parametrize('n', range(4))\n@marked(test='Slow')\ndef test_slow(n): pass\n")
    session = start_session(suite, "-n2")
    wait_until(lambda: len(events(suite, "launched")) >= 2, session)
    kill(session, [], "pytest")
    first = events(suite, "session")[0]["session"]
    wait_until(lambda: not is_running(suite.pytester.path / JOURNAL, first))
    assert start_session(suite, "-n2", "--sipfront-resume").wait(TIMEOUT) == 0
    assert suite.lab.launches == 4


IN_SETUP = "@pytest.mark.parametrize('n', range(2))\n@marked(test='Slow')\ndef test_slow(n): pass\n"
IN_BODY = "@pytest.mark.parametrize('n', range(2))\ndef test_slow(n, sipfront): sipfront.run(test='Slow')\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "options", "waiting"),
    [
        (IN_SETUP, ("--sipfront-concurrency=2",), 1),
        (IN_BODY, (), 1),
        (IN_SETUP, ("-n2",), 2),
        (IN_BODY, ("-n2",), 2),
    ],
    ids=["setup", "body", "setup, workers", "body, workers"],
)
@pytest.mark.parametrize("with_engine", [True, False], ids=["all", "group"])
def test_sigterm_writes_reports_of_the_waiting_tests(
    suite: Suite, code: str, options: tuple[str, ...], waiting: int, with_engine: bool
) -> None:
    """An aborted build: JUnit has each test whose run was being waited for, with the properties of the run."""
    suite.configure("tests:\n  Slow: {takes: 600}\n")
    suite.write(code)
    session = start_session(suite, "-v", *options)
    wait_until(lambda: len(events(suite, "launched")) >= waiting, session)
    # A busy controller may learn of a test after its launch. It handles SIGTERM before it prints the test.
    wait_until(lambda: output_file(suite).read_text().count("::test_") >= waiting, session)
    if with_engine:
        os.kill(events(suite, "session")[0]["pid"], signal.SIGTERM)
    os.killpg(session.pid, signal.SIGTERM)
    session.wait(TIMEOUT)
    output = output_file(suite).read_text()
    assert session.returncode == 2, output
    assert "INTERNALERROR" not in output
    cases = [case_report(case) for case in ET.parse(suite.junit).iter("testcase")]
    assert [case.outcome for case in cases] == ["error"] * waiting, output
    for case in cases:
        assert "interrupted while waiting for Slow" in case.message + case.details
        assert case.properties["sipfront.test"] == "Slow"
        assert "/run/details/" in case.properties["sipfront.report_url"]


@pytest.mark.slow
def test_sigterm_to_the_engine_ends_the_waiting_test(suite: Suite) -> None:
    """The engine ends in good order, and the test is an error instead of waiting for ever."""
    suite.configure("tests:\n  Slow: {takes: 600}\n")
    suite.write("@marked(test='Slow')\ndef test_slow(): pass\n")
    session = start_session(suite)
    wait_until(lambda: bool(events(suite, "launched")), session)
    os.kill(events(suite, "session")[0]["pid"], signal.SIGTERM)
    assert session.wait(TIMEOUT) == 1
    assert suite.report("test_slow").outcome == "error"
    assert "the engine process, which launches and polls runs, ended unexpectedly" in suite.report("test_slow").message
