"""Ctrl-C and SIGTERM: reports and ledger are written, runs in flight are named, and all of that at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.end_to_end.suite import Suite

LAB = "tests:\n  Slow: {takes: 60}\n  Quick: {takes: 0.02}\n"
SLOW = "@pytest.mark.parametrize('n', range(3))\n@marked(test='Slow')\ndef test_slow(n): pass\n"
GUARD = 30
"""Seconds after which a session is taken to hang; its runs would take twice that."""
HANDLER = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: (print("own handler", flush=True), os._exit(7)))
"""


def session(suite: Suite, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", f"--sipfront-base-url={suite.lab.url}", f"--junitxml={suite.junit}"]
    return subprocess.Popen(
        [*command, "--sipfront-ledger=ledger.jsonl", *options],
        cwd=suite.pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def events(suite: Suite) -> list[str]:
    """What is written down so far."""
    path = suite.pytester.path / "ledger.jsonl"
    return [json.loads(line)["event"] for line in path.read_text().splitlines()] if path.exists() else []


def interrupt(running: subprocess.Popen[str], suite: Suite, number: int, launched: int, *, all_of: bool = False) -> str:
    """Send a signal once so many runs are launched, and return what was printed by a session that ends."""
    while events(suite).count("launched") < launched:
        assert running.poll() is None
    try:
        (os.killpg if all_of else os.kill)(running.pid, number)
        output, _ = running.communicate(timeout=GUARD)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
    return output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_session_writes_its_reports_and_names_its_runs(suite: Suite, number: int) -> None:
    """Long before they are over: exit code 2, a JUnit file, a ledger without an end, and each run by its report."""
    suite.configure(LAB)
    suite.write(SLOW)
    running = session(suite, "--sipfront-concurrency=2")
    output = interrupt(running, suite, number, launched=2)
    assert running.returncode == 2
    ET.parse(suite.junit)
    assert "2 still running (the API cannot stop runs):" in output
    for n in (0, 1):
        assert f"  test_it.py::test_slow[{n}] - Slow - " in output
    assert output.count(f"{suite.lab.url}/run/details/") >= 2
    assert events(suite).count("launched") == 2
    assert "end" not in events(suite)


@pytest.mark.parametrize("all_of", [False, True], ids=["the controller", "all processes"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_session_with_workers_ends_as_well(suite: Suite, number: int, all_of: bool) -> None:
    """Its workers stop waiting, no process is left behind, and what was launched is named."""
    suite.configure(LAB)
    suite.write(SLOW)
    running = session(suite, "-n2")
    output = interrupt(running, suite, number, launched=2, all_of=all_of)
    assert running.returncode == 2
    ET.parse(suite.junit)
    assert "2 still running" in output
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


def test_an_interrupted_session_can_be_taken_up(suite: Suite) -> None:
    """Nothing is placed twice after an aborted build."""
    suite.configure("tests:\n  Slow: {takes: 3}\n")
    suite.write(SLOW)
    running = session(suite, "--sipfront-concurrency=3")
    interrupt(running, suite, signal.SIGTERM, launched=3)
    suite.run("--sipfront-ledger=ledger.jsonl", "--sipfront-resume").assert_outcomes(passed=3)
    assert suite.lab.launches == 3


def test_sigterm_is_left_alone_if_somebody_handles_it(suite: Suite) -> None:
    """Whoever set a handler means it."""
    suite.configure(LAB)
    suite.write(SLOW)
    suite.pytester.makeconftest(HANDLER)
    running = session(suite, "-s")
    output = interrupt(running, suite, signal.SIGTERM, launched=1)
    assert running.returncode == 7
    assert "own handler" in output


def test_sigterm_is_mapped_only_while_a_run_is_live(suite: Suite) -> None:
    """Before the first launch and after the last verdict it is what it was."""
    suite.configure(LAB)
    suite.write(
        "import signal\ndef now(): return signal.getsignal(signal.SIGTERM)\n"
        "def test_before(): assert now() is signal.SIG_DFL\n"
        "@pytest.fixture\ndef during(sipfront_run): return now()\n"
        "def test_launching(sipfront):\n"
        "    run = sipfront.launch(test='Quick')\n    assert now() is signal.default_int_handler\n    run.wait()\n"
        "@marked(test='Quick')\ndef test_it(): pass\n"
        "def test_after(): assert now() is signal.SIG_DFL\n"
    )
    suite.run_in_subprocess().assert_outcomes(passed=4)
