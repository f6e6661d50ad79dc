"""The history of tests: since when they fail, which are flaky or unusual, and a file that survives damage."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.plugin.reports.history import (
    KEPT_SESSIONS,
    MEASURED_SESSIONS,
    compare,
    difference_in_words,
    in_words,
    pruned,
    read_history,
    update,
)
from pytest_sipfront.plugin.reports.session_record import AttemptRecord, SessionRecord, TestRecord
from tests.plugin.reports.test_terminal import run


def entry(day: int, outcome: str = "passed", **values: Any) -> dict[str, Any]:
    """Return the entry of a session on a day of January."""
    return {
        "key": "k",
        "at": f"2026-01-{day:02}T12:00:00.000Z",
        "outcome": outcome,
        "attempts": 1,
        "seconds": 60.0,
        "measures": {},
        "messages": [],
        "prompts": [],
        **values,
    }


def entries(outcomes: str) -> list[dict[str, Any]]:
    """Return entries on successive days: p for passed, f for failed, e for error."""
    names = {"p": "passed", "f": "failed", "e": "error"}
    return [entry(day, names[letter]) for day, letter in enumerate(outcomes, 1)]


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ("p", ""),
        ("f", ""),
        ("pp", ""),
        ("ppf", "newly failing"),
        ("pffe", "failing since 2026-01-02 (3 sessions)"),
        ("ff", "failing since 2026-01-01 (2 sessions)"),
        ("pfep", "fixed, failed since 2026-01-02"),
        ("pfpf", "newly failing, flaky"),
        ("pfpfpppppppppp", ""),
    ],
)
def test_the_outcomes_of_sessions_tell_since_when_a_test_fails(outcomes: str, words: str) -> None:
    """The last session is the current one. The order of the entries makes no difference."""
    *earlier, current = entries(outcomes)
    assert in_words(compare(earlier[::-1], current)) == words


def test_a_test_that_passes_in_a_further_attempt_is_flaky() -> None:
    """Reruns hide it."""
    assert in_words(compare(entries("pp"), entry(3, attempts=2))) == "flaky"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(63.0, ""), (66.1, "slower than its usual 60.0 s"), (40.0, ""), (600.0, "slower than its usual 60.0 s")],
)
def test_a_test_is_slower_if_it_exceeds_its_usual_time(seconds: float, words: str) -> None:
    """Small and earlier deviations are usual."""
    assert in_words(compare([entry(day) for day in range(1, 6)], entry(9, seconds=seconds))) == words
    assert in_words(compare([entry(day) for day in range(1, 5)], entry(9, seconds=seconds))) == "", "too few sessions"


def test_a_measure_outside_its_usual_range_is_reported_even_if_the_test_passes() -> None:
    """Only passing sessions count as usual."""
    values = [4.2, 4.3, 4.3, 4.4, 4.3]
    earlier = [entry(day, measures={"mos": value}) for day, value in enumerate(values, 1)]
    earlier.append(entry(6, "failed", measures={"mos": 1.0}))
    history = compare(earlier, entry(9, measures={"mos": 3.1, "jitter": 9}))
    assert history["unusual"] == [{"measure": "mos", "value": 3.1, "low": 3.87, "high": 4.73}]
    assert in_words(history) == "fixed, failed since 2026-01-06, mos 3.1 (usually 3.87 to 4.73)"
    assert compare(earlier, entry(9, measures={"mos": 4.0}))["unusual"] == []


def test_a_failing_test_is_compared_with_its_last_passing_run() -> None:
    """The first SIP message that differs, measures side by side, and the prompts heard then and now."""
    earlier = [
        entry(
            1,
            messages=["-> INVITE sip:1 SIP/2.0", "<- SIP/2.0 180 Ringing (INVITE)", "<- SIP/2.0 200 OK (INVITE)"],
            measures={"caller mos": 4.3, "answered after (s)": 0.5, "delay (s)": 0.02, "level (dBFS)": -20.0},
            prompts=["caller: welcome"],
            report_url="http://then",
        ),
        entry(2, "failed"),
    ]
    current = entry(
        3,
        "failed",
        messages=["-> INVITE sip:1 SIP/2.0", "<- SIP/2.0 486 Busy Here (INVITE)"],
        measures={"caller mos": 4.2, "delay (s)": 0.06, "level (dBFS)": -80.0},
    )
    history = compare(earlier, current)
    found = history["difference"]
    assert (found["at"], found["report_url"]) == ("2026-01-01T12:00:00.000Z", "http://then")
    assert found["message"] == {
        "number": 2,
        "then": "<- SIP/2.0 180 Ringing (INVITE)",
        "now": "<- SIP/2.0 486 Busy Here (INVITE)",
    }
    assert found["measures"] == [
        {"measure": "answered after (s)", "then": 0.5, "now": None},
        {"measure": "level (dBFS)", "then": -20.0, "now": -80.0},
    ]
    assert found["prompts"] == {"then": ["caller: welcome"], "now": []}
    assert difference_in_words(history) == (
        "last passed 2026-01-01; "
        "SIP message 2: <- SIP/2.0 486 Busy Here (INVITE) (then <- SIP/2.0 180 Ringing (INVITE)); "
        "prompts: none (then caller: welcome); answered after (s): none (then 0.5); level (dBFS): -80 (then -20)"
    )


def test_old_sessions_are_dropped_and_only_the_last_pass_keeps_its_messages() -> None:
    """The file stays small."""
    many = [entry(1, at=f"2026-01-01T{hour:02}:00:00Z", messages=["m"]) for hour in range(24)]
    many += [entry(2, "failed", at=f"2026-01-02T{hour:02}:00:00Z", messages=["m"]) for hour in range(5)]
    kept = pruned([*many, *many[::-1]])
    assert len(kept) == KEPT_SESSIONS
    assert [e["at"] for e in kept if "messages" in e] == ["2026-01-01T23:00:00Z"]
    assert sum("measures" in e for e in kept) == MEASURED_SESSIONS


def record(outcome: str, at: str = "2026-01-01T12:00:00.000Z", name: str = "test_a") -> SessionRecord:
    """Return the record of a session with one test."""
    test = TestRecord(nodeid=f"test_it.py::{name}", attempts=[AttemptRecord(number=1, outcome=outcome)])
    return SessionRecord(started_at=at, service="https://app.sipfront.com", tests=[test])


def test_damaged_lines_are_ignored_with_a_warning(tmp_path: Path) -> None:
    """Such as half a line, or the marks of a merge conflict. The next session removes them."""
    path = tmp_path / "new" / "history.jsonl"
    assert update(path, record("passed")) == []
    path.write_text(f'<<<<<<< ours\n{path.read_text()}[1]\n{{"key": "k"}}\n{{"key": "k", "at"')
    later = record("failed", "2026-01-02T12:00:00.000Z")
    assert update(path, later) == [f"history {path}: ignored 4 damaged lines, the first is line 1"]
    assert later.tests[0].history is not None
    assert later.tests[0].history["status"] == "newly failing"
    assert [e["outcome"] for e in read_history(path)[0]] == ["passed", "failed"]
    assert read_history(path)[1] == []


def test_an_unusable_path_is_a_line_of_text(tmp_path: Path) -> None:
    """The session itself has ended well."""
    (tmp_path / "file").touch()
    (line,) = update(tmp_path / "file" / "history.jsonl", record("passed"))
    assert line.startswith(f"cannot update the history {tmp_path / 'file' / 'history.jsonl'}: ")


def test_sessions_that_end_at_the_same_time_lose_no_entry(tmp_path: Path) -> None:
    """Each of them reads, merges and replaces the file under a lock."""
    path = tmp_path / "history.jsonl"
    sessions = [record("passed", name=f"test_{n}") for n in range(20)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda session: update(path, session), sessions)) == [[]] * 20
    assert len({e["test"] for e in map(json.loads, path.read_text().splitlines())}) == 20


@pytest.mark.parametrize(
    ("outcome", "message"), [("skipped", ""), ("xfailed", ""), ("error", "interrupted while waiting")]
)
def test_other_outcomes_are_not_recorded(tmp_path: Path, outcome: str, message: str) -> None:
    """They say nothing about the system under test."""
    session = record(outcome)
    session.tests[0].last.message = message
    update(tmp_path / "history.jsonl", session)
    assert (tmp_path / "history.jsonl").read_text() == ""


def with_runs(outcome: str, day: int, *targets: str) -> SessionRecord:
    """Return the record of a session whose test had runs of these targets."""
    session = record(outcome, f"2026-01-{day:02}T12:00:00.000Z")
    session.tests[0].last.runs = [
        {**run(), "target": target, "spec": {}, "measures": [], "messages": [], "prompts": []} for target in targets
    ]
    return session


def test_a_failing_test_may_have_fewer_runs_than_a_passing_one(tmp_path: Path) -> None:
    """A fixture or the first of several runs fails. Another request of the first run is another history."""
    path, statuses = tmp_path / "history.jsonl", []
    for day, (outcome, *targets) in enumerate(
        [("passed", "A", "B"), ("failed", "A"), ("error",), ("passed", "A", "B"), ("failed", "C")], 1
    ):
        session = with_runs(outcome, day, *targets)
        update(path, session)
        assert session.tests[0].history is not None
        statuses.append(session.tests[0].history["status"])
    assert statuses == ["new", "newly failing", "still failing", "fixed", "failing at first"]
