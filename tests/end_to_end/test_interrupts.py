"""SIGINT and SIGTERM end a session at once: it writes reports and journal, and names the runs in flight."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.end_to_end.suite import Suite, wait_until
from tests.support import TIMEOUT

LAB = "tests:\n  Slow: {takes: 600}\n  Quick: {takes: 0.02}\n"
THREE_SLOW_CALLS = "@pytest.mark.parametrize('n', range(3))\n@marked(test='Slow')\ndef test_slow(n): pass\n"
HANDLER = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: (print("handler of the user", flush=True), os._exit(7)))
"""


def start_session(suite: Suite, *options: str) -> subprocess.Popen[str]:
    """Start the suite in a process group."""
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
    """Return the events in the journal."""
    path = suite.pytester.path / "ledger.jsonl"
    return [json.loads(line)["event"] for line in path.read_text().splitlines()] if path.exists() else []


def interrupt(
    session: subprocess.Popen[str], suite: Suite, signal_number: int, launched: int, *, group: bool = False
) -> str:
    """Send a signal once that many runs are launched.

    Returns:
        The output of the session, which must end long before its runs do.
    """
    try:
        wait_until(lambda: events(suite).count("launched") >= launched, session)
        (os.killpg if group else os.kill)(session.pid, signal_number)
        output, _ = session.communicate(timeout=TIMEOUT)
    finally:
        if session.poll() is None:
            os.killpg(session.pid, signal.SIGKILL)
            session.communicate()
    return output


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_session_writes_its_reports_and_names_its_runs(suite: Suite, signal_number: int) -> None:
    """The exit code is 2, JUnit file and journal are complete, and the output has the report of each run."""
    suite.configure(LAB)
    suite.write(THREE_SLOW_CALLS)
    session = start_session(suite, "--sipfront-concurrency=2")
    output = interrupt(session, suite, signal_number, launched=2)
    assert session.returncode == 2
    ET.parse(suite.junit)
    assert "2 runs: 0 passed, 0 failed, 0 without verdict, 2 still running" in output
    assert "2 still running (the API cannot stop runs):" in output
    for n in (0, 1):
        assert f"  test_it.py::test_slow[{n}] - Slow - " in output
    assert output.count(f"{suite.lab.url}/run/details/") >= 2
    assert events(suite).count("launched") == 2
    assert "end" not in events(suite)


@pytest.mark.slow
@pytest.mark.parametrize("group", [False, True], ids=["controller", "group"])
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_session_with_workers_ends(suite: Suite, signal_number: int, group: bool) -> None:
    """Whether the controller or every process gets the signal, no process remains."""
    suite.configure(LAB)
    suite.write(THREE_SLOW_CALLS)
    session = start_session(suite, "-n2")
    output = interrupt(session, suite, signal_number, launched=2, group=group)
    assert session.returncode == 2
    ET.parse(suite.junit)
    assert "2 still running" in output
    with pytest.raises(ProcessLookupError):
        os.killpg(session.pid, 0)


def test_an_interrupted_session_can_be_resumed(suite: Suite) -> None:
    """No run is launched twice after an aborted build."""
    suite.configure("tests:\n  Slow: {takes: 3}\n")
    suite.write(THREE_SLOW_CALLS)
    session = start_session(suite, "--sipfront-concurrency=3")
    interrupt(session, suite, signal.SIGTERM, launched=3)
    suite.run("--sipfront-ledger=ledger.jsonl", "--sipfront-resume").assert_outcomes(passed=3)
    assert suite.lab.launches == 3


def test_a_handler_of_the_user_for_sigterm_stays(suite: Suite) -> None:
    """The plugin replaces only the default handler."""
    suite.configure(LAB)
    suite.write(THREE_SLOW_CALLS)
    suite.pytester.makeconftest(HANDLER)
    session = start_session(suite, "-s")
    output = interrupt(session, suite, signal.SIGTERM, launched=1)
    assert session.returncode == 7
    assert "handler of the user" in output


def test_sigterm_is_handled_only_while_a_run_is_in_flight(suite: Suite) -> None:
    """Before the first launch and after the last verdict it has the default handler."""
    suite.configure(LAB)
    suite.write(
        "import signal\ndef handler(): return signal.getsignal(signal.SIGTERM)\n"
        "def test_before(): assert handler() is signal.SIG_DFL\n"
        "def test_launching(sipfront):\n"
        "    run = sipfront.launch(test='Quick')\n"
        "    assert handler() is signal.default_int_handler\n"
        "    run.wait()\n"
        "@marked(test='Quick')\ndef test_it(): pass\n"
        "def test_after(): assert handler() is signal.SIG_DFL\n"
    )
    suite.run_in_subprocess().assert_outcomes(passed=4)


def test_the_json_report_of_an_interrupted_session_names_the_runs_in_flight(suite: Suite) -> None:
    """A reader sees what still runs and costs money."""
    suite.configure(LAB)
    suite.write(THREE_SLOW_CALLS)
    report = suite.pytester.path / "session.json"
    session = start_session(suite, "--sipfront-concurrency=2", f"--sipfront-json={report}")
    interrupt(session, suite, signal.SIGINT, launched=2)
    content = json.loads(report.read_text())
    assert content["interrupted"] is True
    assert {run["nodeid"] for run in content["in_flight"]} == {f"test_it.py::test_slow[{n}]" for n in (0, 1)}
    assert all(run["report_url"].startswith(suite.lab.url) for run in content["in_flight"])
    (test,) = content["tests"]
    assert (test["outcome"], test["kind"]) == ("error", "no-verdict")
