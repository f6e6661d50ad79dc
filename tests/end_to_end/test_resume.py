"""The journal, and resuming sessions that were interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.engine.journal import read_journal
from tests.end_to_end.suite import Suite, wait_until

LAB = "tests:\n  Quick: {takes: 0.02}\n  Slow: {takes: 1.5}\n"
TWO_CALLS = "@marked(test='Quick')\ndef test_quick(): pass\n@marked(test='Slow')\ndef test_slow(): pass\n"
JOURNAL = "--sipfront-ledger=ledger.jsonl"


def events(suite: Suite) -> list[dict[str, Any]]:
    """Return the events in the journal."""
    path = suite.pytester.path / "ledger.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def kinds(suite: Suite) -> list[str]:
    """Return the kinds of the events in the journal."""
    return [event["event"] for event in events(suite)]


def run_and_kill(suite: Suite, after: str, *options: str) -> None:
    """Run the suite and kill pytest and its engine once an event of the slow test is in the journal."""
    command = [sys.executable, "-m", "pytest", f"--sipfront-base-url={suite.lab.url}", "--sipfront-poll-interval=0.02"]
    session = subprocess.Popen([*command, JOURNAL, *options], cwd=suite.pytester.path, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _is_written(suite, after), session)
    finally:
        session.kill()
        session.wait()
        with contextlib.suppress(ProcessLookupError):
            os.kill([event["pid"] for event in events(suite) if event["event"] == "session"][-1], signal.SIGKILL)


def _is_written(suite: Suite, kind: str) -> bool:
    """Return whether the journal has this event of the slow test."""
    slow = [event["launch"] for event in events(suite) if event.get("target") == "Slow"]
    return any(event["event"] == kind and event["launch"] in slow for event in events(suite))


def test_the_journal_has_every_launch_and_verdict(suite: Suite) -> None:
    """The intent is written before the launch. The journal has no key and no override."""
    suite.configure(LAB)
    suite.write("@marked(test='Quick', step_1_0_dial_destination='43123')\ndef test_quick(): pass\n")
    suite.run(JOURNAL).assert_outcomes(passed=1)
    assert kinds(suite) == ["session", "intent", "launched", "verdict", "end"]
    assert all(event["session"] == events(suite)[0]["session"] for event in events(suite))
    text = (suite.pytester.path / "ledger.jsonl").read_text()
    assert "sentinel-7f3a9c-secret" not in text
    assert "43123" not in text


def test_the_journal_is_in_the_cache_of_pytest_by_default(suite: Suite) -> None:
    """The next session finds it there."""
    suite.configure(LAB)
    suite.write(TWO_CALLS)
    suite.run("-k", "quick").assert_outcomes(passed=1, deselected=1)
    assert (suite.pytester.path / ".pytest_cache/d/sipfront/ledger.jsonl").exists()


def test_without_a_cache_the_journal_is_in_the_root_directory(suite: Suite) -> None:
    """Every launch needs a journal."""
    suite.configure(LAB)
    suite.write(TWO_CALLS)
    suite.run("-p", "no:cacheprovider", "-k", "quick").assert_outcomes(passed=1, deselected=1)
    assert (suite.pytester.path / ".sipfront-ledger.jsonl").exists()


def test_no_run_is_launched_without_a_writable_journal(suite: Suite) -> None:
    """A launch that is not in the journal could be lost. The error names the option."""
    suite.configure(LAB)
    suite.write("@marked(test='Quick')\ndef test_quick(): pass\n")
    (suite.pytester.path / "blocked").write_text("a file, not a directory")
    for path in ("blocked/ledger.jsonl", "/proc/self/ledger.jsonl"):  # in the latter, no file can be created
        result = suite.run(f"--sipfront-ledger={path}")
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(
            [f"*cannot write the journal *{path} (--sipfront-ledger): *", "*--sipfront-ledger*"]
        )
    assert suite.lab.counts["launch_requests"] == 0


def test_a_session_without_a_run_writes_no_journal(suite: Suite) -> None:
    """Such a session has nothing to resume."""
    suite.write("def test_plain(): pass\n")
    suite.run(JOURNAL).assert_outcomes(passed=1)
    assert events(suite) == []


def test_a_resumed_session_follows_its_runs_and_keeps_their_verdicts(suite: Suite) -> None:
    """A finished run is not polled again. Reports mark resumed runs with the time of their launch."""
    suite.configure(LAB)
    suite.write(TWO_CALLS)
    run_and_kill(suite, "launched")
    before = events(suite)
    result = suite.run(JOURNAL, "--sipfront-resume")
    result.assert_outcomes(passed=2)
    assert suite.lab.launches == 2
    result.stdout.fnmatch_lines(
        [
            "2 runs: 2 passed, 0 failed, 0 without verdict; 2 resumed from the session of *",
            "REUSED test_it.py::test_quick - passed, launched at * - http*",
        ]
    )
    result.stdout.no_fnmatch_line("REUSED *test_slow*")
    launched = {event["target"]: event["at"] for event in before if event["event"] == "intent"}
    resumed = datetime.fromisoformat(suite.report("test_slow").properties["sipfront.resumed"])
    assert resumed == datetime.fromisoformat(launched["Slow"])
    assert suite.report("test_quick").properties["sipfront.session_id"]


def test_a_launch_without_a_response_in_the_journal_is_an_error(suite: Suite) -> None:
    """The run may have been started, so it is not launched again."""
    suite.configure("tests:\n  Quick: {takes: 0.02}\n  Slow: {takes: 1.5, faults: [{on: launch, latency: 60}]}\n")
    suite.write(TWO_CALLS)
    run_and_kill(suite, "intent")
    suite.configure(LAB)
    result = suite.run(JOURNAL, "--sipfront-resume")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*LaunchOutcomeUnknown: *may have been started*"])
    assert suite.lab.counts["launch_requests"] == 0


@pytest.mark.slow
def test_a_session_without_the_option_names_the_runs_of_an_interrupted_session(suite: Suite) -> None:
    """It launches all runs again."""
    suite.configure(LAB)
    suite.write(TWO_CALLS)
    run_and_kill(suite, "launched")
    result = suite.run(JOURNAL)
    result.assert_outcomes(passed=2)
    assert suite.lab.launches == 4
    result.stdout.fnmatch_lines(
        [
            "1 left by an interrupted session (--sipfront-resume resumes such runs):",
            "  test_it.py::test_slow - Slow - * UTC - http*",
        ]
    )


def test_a_complete_session_is_not_resumed(suite: Suite) -> None:
    """A nightly job that always has the option needs the verdicts of tonight."""
    suite.configure(LAB)
    suite.write(TWO_CALLS)
    for launches in (2, 4):
        suite.run(JOURNAL, "--sipfront-resume").assert_outcomes(passed=2)
        assert suite.lab.launches == launches


@pytest.mark.slow
def test_a_run_with_other_overrides_is_launched(suite: Suite) -> None:
    """A verdict applies to the same run spec only."""
    suite.configure(LAB)
    suite.write(TWO_CALLS)
    run_and_kill(suite, "launched")
    suite.write(TWO_CALLS.replace("'Slow'", "'Slow', step_1_0_dial_destination='7'"))
    suite.run(JOURNAL, "--sipfront-resume").assert_outcomes(passed=2)
    assert suite.lab.launches == 3


@pytest.mark.slow
def test_a_session_that_still_runs_is_not_resumed(suite: Suite) -> None:
    """The second session launches its runs and reports none of the first."""
    suite.configure("tests:\n  Slow: {takes: 600}\n")
    suite.write("@marked(test='Slow')\ndef test_slow(): pass\n")
    options = [f"--sipfront-base-url={suite.lab.url}", JOURNAL]
    command = [sys.executable, "-m", "pytest", *options]
    other = subprocess.Popen(command, cwd=suite.pytester.path, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: "launched" in kinds(suite), other)
        resumed = suite.run(JOURNAL, "--sipfront-resume", "--sipfront-timeout=1")
        plain = suite.run(JOURNAL, "--sipfront-timeout=1")
    finally:
        other.kill()
        other.communicate()
    assert suite.lab.launches == 3
    for result in (resumed, plain):
        result.stdout.no_fnmatch_line("*interrupted session*")
        result.stdout.no_fnmatch_line("*resumed from*")


def test_every_interrupted_session_is_resumed(suite: Suite) -> None:
    """This includes one that is followed by a complete session."""
    suite.configure(LAB)
    suite.write(TWO_CALLS)
    run_and_kill(suite, "launched")
    suite.run(JOURNAL).assert_outcomes(passed=2)
    assert suite.lab.launches == 4
    suite.run(JOURNAL, "--sipfront-resume").assert_outcomes(passed=2)
    assert suite.lab.launches == 4


@pytest.mark.slow
def test_old_verdicts_are_not_kept(suite: Suite) -> None:
    """An option sets the maximum age."""
    suite.configure(LAB)
    suite.write(TWO_CALLS)
    run_and_kill(suite, "launched")
    suite.run(JOURNAL, "--sipfront-resume", "--sipfront-resume-max-age=0").assert_outcomes(passed=2)
    assert suite.lab.launches == 4


def test_a_damaged_line_is_an_error_with_its_number(suite: Suite) -> None:
    """It may be the intent of a launch."""
    suite.configure(LAB)
    suite.write(TWO_CALLS)
    run_and_kill(suite, "launched")
    path = suite.pytester.path / "ledger.jsonl"
    path.write_text(path.read_text().replace('"intent"', '"intend"', 1))
    result = suite.run(JOURNAL, "--sipfront-resume")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*line 2 of the journal *ledger.jsonl (--sipfront-ledger) is damaged*"])
    assert suite.lab.launches == 2


@pytest.mark.slow
def test_an_incomplete_last_line_is_ignored(suite: Suite) -> None:
    """A killed session may leave one. The next session repairs it."""
    suite.configure(LAB)
    suite.write(TWO_CALLS)
    run_and_kill(suite, "launched")
    with (suite.pytester.path / "ledger.jsonl").open("a") as file:
        file.write('{"at": "2026-01-01T00:00:00+00:00", "event": "verd')
    suite.run(JOURNAL, "--sipfront-resume").assert_outcomes(passed=2)
    assert suite.lab.launches == 2
    contents = read_journal(suite.pytester.path / "ledger.jsonl")
    assert (contents.events[-1]["event"], contents.damaged) == ("end", [])


def test_every_attempt_is_resumed_by_the_same_attempt(suite: Suite) -> None:
    """The verdict of the first attempt is not that of the second."""
    suite.configure("tests:\n  Slow: {takes: 0.3, verdict: failed, description: No answer}\n")
    suite.write("@marked(test='Slow')\ndef test_slow(): pass\n")
    run_and_kill(suite, "launched", "--reruns=2")
    suite.run(JOURNAL, "--sipfront-resume", "--reruns=2").assert_outcomes(failed=1)
    assert suite.lab.launches == 3


def test_the_durations_of_runs_are_kept_for_the_next_session(suite: Suite) -> None:
    """Those of resumed runs are not, because their end may have been polled much later."""
    suite.configure(LAB)
    suite.write(TWO_CALLS)
    suite.run().assert_outcomes(passed=2)
    path = Path(suite.pytester.path, ".pytest_cache/d/sipfront/durations.json")
    durations = json.loads(path.read_text())
    assert len(durations) == 2
    assert all(0 <= low <= high for known in durations.values() for low, high in known)
    assert max(high for known in durations.values() for _, high in known) >= 1.3
    run_and_kill(suite, "launched")
    before = json.loads(path.read_text())
    suite.run(JOURNAL, "--sipfront-resume").assert_outcomes(passed=2)
    assert json.loads(path.read_text()) == before
