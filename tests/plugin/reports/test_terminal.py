"""The closing section: totals, times, and rows by kind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sipfront.plugin.reports.session_record import AttemptRecord, SessionRecord, TestRecord
from pytest_sipfront.plugin.reports.terminal import SessionSummary, summary

SETTINGS: Any = SimpleNamespace(lab=False, replay=None, max_runs=None, max_minutes=None)


def run(verdict: str | None = "passed", **values: Any) -> dict[str, Any]:
    """Return what the section needs of a run document."""
    times = {"launched_at": "2026-01-15T12:00:00.000Z", "finished_at": "2026-01-15T12:01:00.000Z"}
    return {
        "service": {"name": "sipfront"},
        "verdict": verdict,
        "as_expected": verdict == "passed",
        "error": None,
        "report_url": "http://report",
        "resumed_at": None,
        "polls": 3,
        "pool": "",
        "duration": 60.0,
        "times": times,
        **values,
    }


def unlaunched(error: str) -> dict[str, Any]:
    """Return a run without an answer to its launch."""
    times = {"launched_at": None, "finished_at": None}
    return run(None, times=times, error={"type": error}, report_url="", duration=None)


def case(name: str, *runs: dict[str, Any], **attempt: Any) -> TestRecord:
    """Return a test with one attempt."""
    return TestRecord(nodeid=f"test_a.py::{name}", attempts=[AttemptRecord(number=1, runs=list(runs), **attempt)])


def lines(*tests: TestRecord, running: Sequence[str] = (), replay: Any = None) -> list[str]:
    """Return the section of a session with these tests, and with these targets in flight."""
    record = SessionRecord(started_at="2026-01-15T12:00:00.000Z", service="https://app.sipfront.com", tests=list(tests))
    entries: list[Any] = [
        SimpleNamespace(
            test="test_b.py::test_b",
            target=target,
            at=datetime(2026, 1, 15, tzinfo=UTC),
            launched=None,
            is_in_flight=True,
        )
        for target in running
    ]
    return list(summary(record, SETTINGS, SessionSummary(launches=entries), replay))


def test_a_session_without_tests_has_no_section() -> None:
    """Most sessions have no such test."""
    assert lines() == []


@pytest.mark.parametrize(
    ("error", "total"),
    [
        ("BudgetExceeded", "1 run: 1 passed, 0 failed, 0 without verdict; 1 not launched"),
        ("LaunchOutcomeUnknown", "2 runs: 1 passed, 0 failed, 1 without verdict"),
    ],
)
def test_only_launched_runs_count(error: str, total: str) -> None:
    """A run that may have been started counts."""
    assert lines(case("test_1", run()), case("test_2", unlaunched(error)))[0] == total


def test_runs_in_flight_are_part_of_the_total() -> None:
    """The total is never 0 above a list of runs."""
    assert lines(running=["Slow"]) == [
        "1 run: 0 passed, 0 failed, 0 without verdict, 1 still running",
        "1 still running (the API cannot stop runs):",
        "  test_b.py::test_b - Slow - 2026-01-15 00:00:00 UTC - may have been started",
    ]


def test_failed_runs_of_passed_tests_are_expected_or_tolerated() -> None:
    """`expect="failed"` expects them, and `pass_at_least=` tolerates them."""
    expected = case("test_1", run("failed", as_expected=True))
    tolerated = case("test_2", run("failed"), run())
    total = "3 runs: 1 passed, 2 failed (1 as expected, 1 tolerated), 0 without verdict"
    assert lines(expected, tolerated)[0] == total


def test_minutes_concurrency_and_the_slowest_tests_are_shown() -> None:
    """Two runs of a minute overlap."""
    tests = [case(f"test_{n}", run(), duration=n * 60.0) for n in range(4)]
    assert lines(*tests)[1:] == [
        "4.0 min of calls in 1.0 min, at most 4 at the same time, 3.0 min saved",
        "slowest: test_a.py::test_3 3.0 min, test_a.py::test_2 2.0 min, test_a.py::test_1 1.0 min",
    ]


def test_rows_are_grouped_by_outcome_and_kind_with_the_next_step_on_the_lab() -> None:
    """The command places the call again."""
    section = lines(
        case("test_x[a b]", run("failed"), outcome="failed", kind="busy", message="486 Busy Here"),
        case("test_y", run(None), outcome="error", kind="no-verdict", message="no verdict"),
        case("test_z", run("failed"), outcome="failed", kind="busy", message="486 Busy Here"),
        replay=lambda nodeid: f"pytest {nodeid}",
    )
    assert section[-8:] == [
        "busy: 2 tests",
        "FAILED test_a.py::test_x[a b] - 486 Busy Here - http://report",
        "  replay: pytest test_a.py::test_x[a b]",
        "FAILED test_a.py::test_z - 486 Busy Here - http://report",
        "  replay: pytest test_a.py::test_z",
        "no-verdict: 1 test",
        "ERROR test_a.py::test_y - no verdict - http://report",
        "  replay: pytest test_a.py::test_y",
    ]
