"""Sessions that are killed at random moments and resumed launch every run once and report every verdict."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

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
CASES, KILLS = 13, 2
JOURNAL = "ledger.jsonl"
REQUESTS = 45
"""The approximate number of requests of a complete session, over which the moments of the kills are spread."""
UNKNOWN = "the run may have been started: an earlier session ended while sending the launch at"


def start_session(suite: Suite, *options: str) -> subprocess.Popen[bytes]:
    """Start the suite in a process."""
    command = [
        *(sys.executable, "-m", "pytest", "-pno:randomly", f"--sipfront-base-url={suite.lab.url}"),
        *("--sipfront-poll-interval=0.05", f"--junitxml={suite.junit}", f"--sipfront-ledger={JOURNAL}", *options),
    ]
    return subprocess.Popen(command, cwd=suite.pytester.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def outcomes(junit: Path) -> dict[str, str]:
    """Return "passed" or the message for each test case."""
    reports = {case.attrib["name"]: case_report(case) for case in ET.parse(junit).iter("testcase")}
    return {name: report.message or report.outcome for name, report in reports.items()}


def kill_after(session: subprocess.Popen[bytes], suite: Suite, requests: int, seconds: float) -> bool:
    """Kill a session some seconds after the platform received that many more requests.

    Returns:
        Whether the session was killed before its end.
    """
    target = suite.lab.counts["requests"] + requests
    wait_until(lambda: session.poll() is not None or suite.lab.counts["requests"] >= target, interval=0.003)
    time.sleep(seconds)  # the moment of the kill is the subject of the test
    session.send_signal(signal.SIGKILL)
    session.wait(TIMEOUT)
    journal = suite.pytester.path / JOURNAL
    return not journal.exists() or '"event": "end"' not in journal.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("case", range(CASES))
@pytest.mark.parametrize("mode", list(MODES))
def test_a_killed_and_resumed_session_launches_no_run_twice(suite: Suite, mode: str, case: int) -> None:
    """The session is killed twice. A launch whose outcome is unknown is an error and is not sent again."""
    moment = random.Random(f"{mode} {case}")
    suite.configure(LAB)
    suite.write(SUITE)
    killed = True
    for attempt in range(KILLS):
        session = start_session(suite, *MODES[mode], *(("--sipfront-resume",) if attempt else ()))
        killed = kill_after(session, suite, moment.randrange(REQUESTS // (attempt + 1)), moment.uniform(0, 0.03))
        if not killed:
            break
    if killed:
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
            assert launches[str(n)] <= 1
