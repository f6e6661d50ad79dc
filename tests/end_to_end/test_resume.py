"""The ledger, and taking up a session that did not end by itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.end_to_end.suite import Suite

LAB = "tests:\n  Quick: {takes: 0.02}\n  Slow: {takes: 1.5}\n"
TWO = "@marked(test='Quick')\ndef test_quick(): pass\n@marked(test='Slow')\ndef test_slow(): pass\n"
LEDGER = "--sipfront-ledger=ledger.jsonl"


def ledger(suite: Suite) -> list[dict[str, Any]]:
    """The events that are written down so far."""
    path = suite.pytester.path / "ledger.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def kinds(suite: Suite) -> list[str]:
    return [event["event"] for event in ledger(suite)]


def killed(suite: Suite, after: str, *options: str) -> None:
    """Run the suite and kill pytest and its engine once an event of the slow test is in the journal."""
    command = [sys.executable, "-m", "pytest", f"--sipfront-base-url={suite.lab.url}", "--sipfront-poll-interval=0.02"]
    session = subprocess.Popen([*command, LEDGER, *options], cwd=suite.pytester.path, stdout=subprocess.DEVNULL)
    try:
        while not any(event["event"] == after and event["launch"] == _slow_launch(suite) for event in ledger(suite)):
            assert session.poll() is None
            time.sleep(0.01)
    finally:
        session.kill()
        session.wait()
        with contextlib.suppress(ProcessLookupError):
            os.kill([event["pid"] for event in ledger(suite) if event["event"] == "session"][-1], signal.SIGKILL)


def _slow_launch(suite: Suite) -> str:
    return next((event["launch"] for event in ledger(suite) if event.get("target") == "Slow"), "")


def test_every_launch_is_on_disk_before_and_after(suite: Suite) -> None:
    """Intent, launch, verdict, and the end of a session that ended by itself; no keys, no overrides."""
    suite.configure(LAB)
    suite.write("@marked(test='Quick', step_1_0_dial_destination='43123')\ndef test_quick(): pass\n")
    suite.run(LEDGER).assert_outcomes(passed=1)
    assert kinds(suite) == ["session", "intent", "launched", "verdict", "end"]
    assert all(event["session"] == ledger(suite)[0]["session"] for event in ledger(suite))
    text = (suite.pytester.path / "ledger.jsonl").read_text()
    assert "sentinel-7f3a9c-secret" not in text
    assert "43123" not in text


def test_the_ledger_is_in_pytests_cache_unless_told(suite: Suite) -> None:
    """Out of the way, and where the next session finds it."""
    suite.configure(LAB)
    suite.write(TWO)
    suite.run("-k", "quick").assert_outcomes(passed=1, deselected=1)
    assert (suite.pytester.path / ".pytest_cache/d/sipfront/ledger.jsonl").exists()


def test_without_pytests_cache_the_ledger_is_in_the_root_directory(suite: Suite) -> None:
    """A launch is written down all the same."""
    suite.configure(LAB)
    suite.write(TWO)
    suite.run("-p", "no:cacheprovider", "-k", "quick").assert_outcomes(passed=1, deselected=1)
    assert (suite.pytester.path / ".sipfront-ledger.jsonl").exists()


def test_a_ledger_that_cannot_be_written_prevents_the_launch(suite: Suite) -> None:
    """What is not on disk before it happens could be lost: the error says where to set another file."""
    suite.configure(LAB)
    suite.write("@marked(test='Quick')\ndef test_quick(): pass\n")
    (suite.pytester.path / "blocked").write_text("a file, not a directory")
    result = suite.run("--sipfront-ledger=blocked/ledger.jsonl")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*cannot write the journal *blocked/ledger.jsonl (--sipfront-ledger): *", "*--sipfront-ledger*"]
    )
    assert suite.lab.counts["launch_requests"] == 0


def test_a_session_without_a_run_writes_nothing(suite: Suite) -> None:
    """Nothing to say is said in no file."""
    suite.write("def test_plain(): pass\n")
    suite.run(LEDGER).assert_outcomes(passed=1)
    assert ledger(suite) == []


def test_a_run_in_flight_is_taken_up_and_a_verdict_is_kept(suite: Suite) -> None:
    """The run in flight is followed, and the reused verdict of the other one is visible."""
    suite.configure(LAB)
    suite.write(TWO)
    killed(suite, "launched")
    before = ledger(suite)
    result = suite.run(LEDGER, "--sipfront-resume")
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
    resumed = datetime.fromisoformat(suite.properties("test_slow")["sipfront.resumed"])
    assert resumed == datetime.fromisoformat(launched["Slow"])
    assert suite.properties("test_quick")["sipfront.session_id"]


def test_a_launch_whose_answer_was_lost_with_the_session_is_an_error(suite: Suite) -> None:
    """Its intent is in the journal and its answer is not: an error is better than a second call."""
    suite.configure("tests:\n  Quick: {takes: 0.02}\n  Slow: {takes: 1.5, faults: [{on: launch, latency: 60}]}\n")
    suite.write(TWO)
    killed(suite, "intent")
    suite.configure(LAB)
    result = suite.run(LEDGER, "--sipfront-resume")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*LaunchOutcomeUnknown: *may have been started*"])
    assert suite.lab.counts["launch_requests"] == 0


def test_without_resume_a_new_session_begins_and_names_what_was_left(suite: Suite) -> None:
    """A verdict of yesterday is none of today; but nobody should be left unaware of calls that go on."""
    suite.configure(LAB)
    suite.write(TWO)
    killed(suite, "launched")
    result = suite.run(LEDGER)
    result.assert_outcomes(passed=2)
    assert suite.lab.launches == 4
    result.stdout.fnmatch_lines(
        [
            "1 left by an interrupted session (--sipfront-resume resumes such runs):",
            "  test_it.py::test_slow - Slow - * UTC - http*",
        ]
    )


def test_a_session_that_ended_by_itself_is_not_taken_up(suite: Suite) -> None:
    """A nightly job that always resumes gets a verdict of tonight: an old pass would be a false green."""
    suite.configure(LAB)
    suite.write(TWO)
    for launches in (2, 4):
        suite.run(LEDGER, "--sipfront-resume").assert_outcomes(passed=2)
        assert suite.lab.launches == launches


def test_another_request_of_the_same_test_is_launched(suite: Suite) -> None:
    """What is known is known of that very request."""
    suite.configure(LAB)
    suite.write(TWO)
    killed(suite, "launched")
    suite.write(TWO.replace("'Slow'", "'Slow', step_1_0_dial_destination='7'"))
    suite.run(LEDGER, "--sipfront-resume").assert_outcomes(passed=2)
    assert suite.lab.launches == 3


def test_a_session_that_still_runs_is_not_resumed(suite: Suite) -> None:
    """Its runs belong to it: this session launches its own, without waiting, and reports none of the other's."""
    suite.configure("tests:\n  Slow: {takes: 20}\n")
    suite.write("@marked(test='Slow')\ndef test_slow(): pass\n")
    options = [f"--sipfront-base-url={suite.lab.url}", LEDGER]
    command = [sys.executable, "-m", "pytest", *options]
    other = subprocess.Popen(command, cwd=suite.pytester.path, stdout=subprocess.DEVNULL)
    try:
        while "launched" not in kinds(suite):
            assert other.poll() is None
        result = suite.run(LEDGER, "--sipfront-resume", "--sipfront-timeout=1")
        left = suite.run(LEDGER, "--sipfront-timeout=1")
    finally:
        other.kill()
        other.communicate()
    assert suite.lab.launches == 3
    for outcome in (result, left):
        outcome.stdout.no_fnmatch_line("*interrupted session*")
        outcome.stdout.no_fnmatch_line("*taken up*")


def test_every_interrupted_session_is_resumed(suite: Suite) -> None:
    """Also one after which another session ended well."""
    suite.configure(LAB)
    suite.write(TWO)
    killed(suite, "launched")
    suite.run(LEDGER).assert_outcomes(passed=2)
    assert suite.lab.launches == 4
    suite.run(LEDGER, "--sipfront-resume").assert_outcomes(passed=2)
    assert suite.lab.launches == 4


def test_old_verdicts_are_not_reused(suite: Suite) -> None:
    """The age is a setting."""
    suite.configure(LAB)
    suite.write(TWO)
    killed(suite, "launched")
    suite.run(LEDGER, "--sipfront-resume", "--sipfront-resume-max-age=0").assert_outcomes(passed=2)
    assert suite.lab.launches == 4


def test_a_damaged_line_is_an_error_with_its_number(suite: Suite) -> None:
    """It may be the intent of a launch that must not be sent again."""
    suite.configure(LAB)
    suite.write(TWO)
    killed(suite, "launched")
    path = suite.pytester.path / "ledger.jsonl"
    path.write_text(path.read_text().replace('"intent"', '"intend"', 1))
    result = suite.run(LEDGER, "--sipfront-resume")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*line 2 of the journal *ledger.jsonl (--sipfront-ledger) is damaged*"])
    assert suite.lab.launches == 2


def test_half_a_line_at_the_end_of_a_ledger_is_tolerated(suite: Suite) -> None:
    """A killed session may leave one, and the next one's first line must not be spoilt by it."""
    suite.configure(LAB)
    suite.write(TWO)
    killed(suite, "launched")
    with (suite.pytester.path / "ledger.jsonl").open("a") as file:
        file.write('{"at": "2026-01-01T00:00:00+00:00", "event": "verd')
    suite.run(LEDGER, "--sipfront-resume").assert_outcomes(passed=2)
    assert suite.lab.launches == 2
    lines = (suite.pytester.path / "ledger.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines if line.endswith("}")][-1] == "end"


def test_reruns_take_up_their_own_attempt(suite: Suite) -> None:
    """The first attempt's verdict is the first's, the second's run is the second's."""
    suite.configure("tests:\n  Slow: {takes: 0.3, verdict: failed, description: No answer}\n")
    suite.write("@marked(test='Slow')\ndef test_slow(): pass\n")
    killed(suite, "launched", "--reruns=2")
    suite.run(LEDGER, "--sipfront-resume", "--reruns=2").assert_outcomes(failed=1)
    assert suite.lab.launches == 3


def test_the_durations_of_runs_are_kept_for_the_next_session(suite: Suite) -> None:
    """In pytest's cache, but not those of resumed runs: their end may have been seen much later."""
    suite.configure(LAB)
    suite.write(TWO)
    suite.run().assert_outcomes(passed=2)
    path = Path(suite.pytester.path, ".pytest_cache/d/sipfront/durations.json")
    durations = json.loads(path.read_text())
    assert len(durations) == 2
    assert all(0 <= low <= high for known in durations.values() for low, high in known)
    assert max(high for known in durations.values() for _, high in known) >= 1.3
    killed(suite, "launched")
    before = json.loads(path.read_text())
    suite.run(LEDGER, "--sipfront-resume").assert_outcomes(passed=2)
    assert json.loads(path.read_text()) == before
