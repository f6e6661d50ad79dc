"""Sessions that are killed at random moments and taken up: every run launched exactly once, every verdict reported."""

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

from tests.end_to_end.suite import Suite

TESTS = 8
LAB = "seed: 1\ntests:\n  Basic call: {takes: [0.05, 0.6]}\n"
SUITE = f"""
@pytest.mark.parametrize("n", range({TESTS}))
@marked(test="Basic call", step_1_0_dial_destination="{{n}}")
def test_call(n): pass
"""
MODES = {"alone": ("--sipfront-concurrency=4",), "workers": ("-n2",)}
CASES, KILLS = 13, 2
LEDGER = "ledger.jsonl"
REQUESTS = 45
"""About as many as a session of its own sends: the moments spread over all of it."""


def start(suite: Suite, *options: str) -> subprocess.Popen[bytes]:
    """Begin a session in a group of its own."""
    command = [
        *(sys.executable, "-m", "pytest", "-pno:randomly", f"--sipfront-base-url={suite.lab.url}"),
        *("--sipfront-poll-interval=0.05", f"--junitxml={suite.junit}", f"--sipfront-ledger={LEDGER}", *options),
    ]
    return subprocess.Popen(command, cwd=suite.pytester.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def reported(junit: Path) -> dict[str, str]:
    """What each test case says: passed, or its error."""
    found = {}
    for case in ET.parse(junit).iter("testcase"):
        problems = [child for child in case if child.tag in {"error", "failure"}]
        found[case.attrib["name"]] = problems[0].attrib["message"] if problems else "passed"
    return found


def kill_after(session: subprocess.Popen[bytes], suite: Suite, requests: int, seconds: float) -> bool:
    """Kill a session once the platform has had so many more requests; return whether that was before its own end."""
    wanted = suite.lab.counts["requests"] + requests
    while session.poll() is None and suite.lab.counts["requests"] < wanted:
        time.sleep(0.003)  # between looks; what is tested is the moment of the kill
    time.sleep(seconds)
    session.send_signal(signal.SIGKILL)
    session.wait(10)
    lines = (suite.pytester.path / LEDGER).read_text().splitlines() if (suite.pytester.path / LEDGER).exists() else []
    return not any('"event": "end"' in line for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("case", range(CASES))
@pytest.mark.parametrize("mode", list(MODES))
def test_a_killed_session_that_is_taken_up_launches_nothing_twice(suite: Suite, mode: str, case: int) -> None:
    """Killed twice, at seeded moments. What nobody can know is an error that says so, never a second call."""
    chance = random.Random(f"{mode} {case}")
    suite.configure(LAB)
    suite.write(SUITE)
    killed = True
    for attempt in range(KILLS):
        session = start(suite, *MODES[mode], *(("--sipfront-resume",) if attempt else ()))
        killed = kill_after(session, suite, chance.randrange(REQUESTS // (attempt + 1)), chance.uniform(0, 0.03))
        if not killed:
            break
    if killed:
        assert start(suite, *MODES[mode], "--sipfront-resume").wait(90) in {0, 1}
    launched = Counter(run["overrides"]["step.1.0.dial_destination"] for run in suite.lab.runs)
    outcomes = reported(suite.junit)
    assert len(outcomes) == TESTS
    for n in range(TESTS):
        said = outcomes[f"test_call[{n}]"]
        if said == "passed":
            assert launched[str(n)] == 1, f"{n} was launched {launched[str(n)]} times"
        else:
            assert "the run may have been started: an earlier session ended while sending the launch at" in said
            assert launched[str(n)] <= 1
