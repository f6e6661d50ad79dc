from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pytest_sipfront.clients.sipfront.models import Launched, RunRequest, RunStatus
from pytest_sipfront.engine.poll_schedule import is_overdue
from pytest_sipfront.engine.run import Run, RunResult, request_key, stable_test_id
from pytest_sipfront.engine.verdict import Verdict
from tests.engine.support import PROJECT, TEST

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


def test_the_key_of_a_run_depends_on_service_test_and_overrides() -> None:
    """A run of a second on the lab says nothing about a run of a minute on the platform."""
    requests = [TEST, PROJECT, replace(TEST, overrides={"step.1.0.x": 1}), replace(PROJECT, test_ids=(1,))]
    keys = {request_key(service, request) for service in ("https://app.sipfront.com", "lab") for request in requests}
    assert len(keys) == 8
    assert Run(request=replace(TEST), timeout=0, service="lab").key == request_key("lab", TEST)


def test_the_report_mode_does_not_change_the_key_of_a_run() -> None:
    """It changes a page for people."""
    assert request_key("", replace(TEST, report_mode="kiosk")) == request_key("", TEST)


def test_a_run_with_any_test_name_has_a_key() -> None:
    """Names contain spaces, colons and any letters."""
    assert request_key("lab", RunRequest(test="VoiceAI Test: Größe \udc00"))


@pytest.mark.parametrize(
    ("nodeid", "groups", "test"),
    [
        ("test_it.py::test_a", [], "test_it.py::test_a"),
        ("test_it.py::test_a@pbx", ["pbx"], "test_it.py::test_a"),
        ("test_it.py::test_a", ["pbx"], "test_it.py::test_a"),
        ("test_it.py::test_a[b@pbx]", ["pbx"], "test_it.py::test_a[b@pbx]"),
        ("test_it.py::test_a@pbx_trunk", ["trunk", "pbx", "pbx"], "test_it.py::test_a"),
        ("test_it.py::test_a@pbx", [], "test_it.py::test_a@pbx"),
    ],
)
def test_the_id_of_a_test_has_no_group_suffix(nodeid: str, groups: list[str], test: str) -> None:
    """A session with `--dist=loadgroup` and one without resume each other's runs."""
    assert stable_test_id(nodeid, groups) == test
