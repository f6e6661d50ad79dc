from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.verdict import Verdict
from pytest_sipfront.plugin.reports import properties
from pytest_sipfront.plugin.reports.properties import evidence, evidence_of_tests, forget, recorder

REQUEST = RunRequest(test="Basic call", overrides={"step.1.0.dial_destination": "0431", "step.1.0.max_total_calls": 3})
LAUNCHED = Launched(status_url="https://x/s", report_url="https://x/report", session_id="s-1")
STATUS = RunStatus.read(
    {
        "status": "failed",
        "result_description": "No answer",
        "started_at": "2026-01-15 12:00:00",
        "stopped_at": "2026-01-15 12:01:00",
        "agentpool_name": "eu",
        "testcase_name": "Media analysis",
    }
)


def _run(**changes: Any) -> Run:
    return Run(**{"request": REQUEST, "timeout": 0, "launched": LAUNCHED, "status": STATUS, **changes})


def test_properties_have_the_documented_names() -> None:
    """JUnit consumers read them by name."""
    user_properties: list[tuple[str, object]] = []
    record = recorder(user_properties)
    record(properties.of_request(REQUEST))
    record(properties.of_launch(_run()))
    record(properties.of_status(STATUS))
    assert dict(user_properties) == {
        "sipfront.test": "Basic call",
        "sipfront.verdict": "none",
        "sipfront.override.step.1.0.dial_destination": "0431",
        "sipfront.override.step.1.0.max_total_calls": "3",
        "sipfront.session_id": "s-1",
        "sipfront.report_url": "https://x/report",
        "sipfront.result_description": "No answer",
        "sipfront.started_at": "2026-01-15T12:00:00+00:00",
        "sipfront.stopped_at": "2026-01-15T12:01:00+00:00",
        "sipfront.agentpool": "eu",
    }


def test_a_later_value_replaces_an_earlier_one() -> None:
    """Each name occurs once, since JUnit consumers may read the first or the last one."""
    user_properties: list[tuple[str, object]] = [("other", 1)]
    record = recorder(user_properties)
    record(properties.of_request(REQUEST))
    names = [name for name, _ in user_properties]
    record([("verdict", "failed")])
    assert [name for name, _ in user_properties] == names
    assert dict(user_properties)["sipfront.verdict"] == "failed"


def test_further_runs_of_a_test_are_numbered() -> None:
    """A test body may launch several runs."""
    user_properties: list[tuple[str, object]] = []
    first, record = recorder(user_properties), recorder
    first([("test", "A")])
    second = record(user_properties)
    second([("test", "B")])
    record(user_properties)([("test", "C"), ("verdict", "none")])
    first([("verdict", "passed")])
    second([("verdict", "failed")])
    assert dict(user_properties) == {
        "sipfront.test": "A",
        "sipfront.2.test": "B",
        "sipfront.3.test": "C",
        "sipfront.3.verdict": "none",
        "sipfront.verdict": "passed",
        "sipfront.2.verdict": "failed",
    }


def test_only_properties_of_an_earlier_attempt_are_removed() -> None:
    """A rerun launches another run. Properties of other plugins stay."""
    user_properties: list[tuple[str, object]] = [
        ("other", 1),
        ("sipfront.test", "A"),
        ("sipfront.2.test", "B"),
        ("sipfrontal", 2),
    ]
    forget(user_properties)
    assert user_properties == [("other", 1), ("sipfrontal", 2)]


def test_evidence_starts_with_the_report_and_omits_unknown_values() -> None:
    """Engineers open the link first."""
    values = evidence(_run(notes=["stale"]))
    assert list(values.items()) == [
        ("report", "https://x/report"),
        ("session", "s-1"),
        ("test", "Basic call"),
        ("override step.1.0.dial_destination", "0431"),
        ("override step.1.0.max_total_calls", 3),
        ("scenario", "Media analysis"),
        ("pool", "eu"),
        ("started", "2026-01-15T12:00:00+00:00"),
        ("stopped", "2026-01-15T12:01:00+00:00"),
        ("state", "failed"),
        ("note 1", "stale"),
    ]
    assert evidence(Run(request=RunRequest(test="x"), timeout=0)) == {"test": "x"}


def test_evidence_of_a_project_lists_tests_that_did_not_pass() -> None:
    """Each has its state and description."""

    def last(name: str, run: dict[str, Any]) -> LastStatus:
        return LastStatus(test_id=1, test_name=name, status=RunStatus.read(run))

    result = RunResult.of(
        _run(),
        LAUNCHED,
        Verdict.FAILED,
        elapsed=1,
        tests=(
            last("A", {"status": "passed"}),
            last("B", {"status": "failed", "result_description": "busy"}),
            last("C", {}),
        ),
    )
    assert evidence_of_tests(result) == {"test 'B'": "failed busy", "test 'C'": "no state"}


def test_times_have_a_time_zone() -> None:
    """Unknown times are empty."""
    assert properties.utc(datetime(2026, 1, 15, 12, tzinfo=UTC)) == "2026-01-15T12:00:00+00:00"
    assert properties.utc(None) == ""
