from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pytest_sipfront.clients.sipfront.models import Launched, RunStatus
from pytest_sipfront.engine.poll_schedule import is_overdue
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.verdict import Verdict
from tests.engine.support import TEST

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def _result(began: datetime | None, ended: datetime | None, elapsed: float) -> RunResult:
    run = Run(request=TEST, timeout=0, status=RunStatus(states={}, started_at=began, stopped_at=ended))
    return RunResult.of(run, Launched(status_url="x"), Verdict.PASSED, elapsed=elapsed)


@pytest.mark.parametrize(
    ("seconds", "elapsed", "duration"),
    [(115, 118.3, 115.0), (0, 0.3, 0.3), (1, 0.4, 0.4), (115, 115.9, 115.9), (-5, 3.5, 0.0)],
    ids=["the platform's", "below a second", "rounded up", "rounded", "backwards"],
)
def test_a_run_lasts_as_long_as_the_platform_says(seconds: float, elapsed: float, duration: float) -> None:
    """Its clock of whole seconds must not make a quick run last none; a clock gone wrong makes no negative time."""
    assert _result(NOON, NOON + timedelta(seconds=seconds), elapsed).duration == duration


@pytest.mark.parametrize(("began", "ended"), [(None, None), (NOON, None), (None, NOON)])
def test_without_the_platform_s_times_a_run_lasts_as_measured(began: datetime | None, ended: datetime | None) -> None:
    """Better than none."""
    result = _result(began, ended, 7.5)
    assert (result.duration, result.started_at, result.stopped_at) == (7.5, began, ended)


def test_a_result_is_frozen() -> None:
    """What the platform said does not change."""
    with pytest.raises(AttributeError):
        _result(None, None, 1).verdict = "failed"  # type: ignore[misc]


@pytest.mark.parametrize(("now", "deadline", "overdue"), [(1, None, False), (1, 2, False), (2, 2, True), (3, 2, True)])
def test_a_run_is_overdue_from_its_deadline_on(now: float, deadline: float | None, overdue: bool) -> None:
    """Never, without one."""
    assert is_overdue(now, deadline) is overdue
