"""OpenTelemetry spans of a session."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sipfront.plugin.reports.session_record import AttemptRecord, SessionRecord, TestRecord
from tests.plugin.reports.test_terminal import run

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk comes with the extra 'otel'")


def spans_of(record: SessionRecord, environment: dict[str, str]) -> list[Any]:
    """Return the exported spans."""
    from opentelemetry.sdk.trace.export import SpanExportResult

    from pytest_sipfront.plugin.reports.open_telemetry import send

    exported: list[Any] = []

    class Exporter:
        result = SpanExportResult.SUCCESS

        def export(self, spans: Any) -> SpanExportResult:
            exported.extend(spans)
            return self.result

        def shutdown(self) -> None:
            """Close nothing."""

    assert send(record, Exporter(), environment) == []  # type: ignore[arg-type,unused-ignore]
    Exporter.result = SpanExportResult.FAILURE
    (line,) = send(record, Exporter(), environment)  # type: ignore[arg-type,unused-ignore]
    assert line.startswith("cannot export the 3 OpenTelemetry spans")
    return exported[: len(exported) // 2]


def test_session_attempt_and_run_are_nested_spans_with_their_own_times() -> None:
    """A run that was launched ahead begins before its test. The parent comes from the CI system."""
    document = run(
        "failed",
        target="Basic call",
        session_id="s1",
        state="failed",
        message="486",
        number=1,
        spec={"overrides": {"step.1.0.dial_destination": "431"}},
        events=[{"name": "polled", "at": "2026-01-15T12:00:30.000Z", "seconds": 1.0, "state": "running"}],
    )
    attempt = AttemptRecord(
        number=1,
        outcome="failed",
        kind="busy",
        message="486",
        started_at="2026-01-15T12:00:20.000Z",
        duration=5.0,
        runs=[document],
    )
    record = SessionRecord(
        started_at="2026-01-15T11:59:00.000Z",
        finished_at="2026-01-15T12:02:00.000Z",
        service="https://app.sipfront.com",
        tests=[TestRecord(nodeid="t.py::test_a", file="t.py", line=7, attempts=[attempt])],
    )
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    call, test, session = spans_of(record, {"TRACEPARENT": parent})
    assert [span.name for span in (session, test, call)] == ["pytest session", "t.py::test_a", "sipfront Basic call"]
    assert session.parent.span_id == 0xB7AD6B7169203331
    assert {span.context.trace_id for span in (session, test, call)} == {0x0AF7651916CD43DD8448EB211C80319C}
    assert test.parent.span_id == session.context.span_id
    assert call.parent.span_id == test.context.span_id
    assert (test.start_time, test.end_time) == (call.start_time, call.end_time)
    assert call.end_time - call.start_time == 60 * 10**9
    assert call.attributes["sipfront.override.step.1.0.dial_destination"] == "431"
    assert [event.name for event in call.events] == ["polled"]
    assert test.attributes["test.case.result.status"] == "fail"
    assert test.status.description == "486"
