"""The session as OpenTelemetry spans: one for the session, each attempt at a test, and each of its runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from pytest_sipfront.plugin.reports.session_record import AttemptRecord, SessionRecord, TestRecord, moment

_SERVICE = "pytest-sipfront"


def exporter_of(name: str) -> SpanExporter:
    """Return the exporter of the option's value: "console", or "otlp" for OTLP over HTTP.

    The variables of OpenTelemetry, such as OTEL_EXPORTER_OTLP_ENDPOINT, configure it.
    """
    if name == "console":
        return ConsoleSpanExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - loads requests

    return OTLPSpanExporter(timeout=10)


def send(record: SessionRecord, exporter: SpanExporter, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Export the spans of a session. If TRACEPARENT is set, it is the parent of the session's span.

    Returns:
        Why they could not be exported, for the terminal.
    """
    resource = Resource.create({"service.name": environment.get("OTEL_SERVICE_NAME", _SERVICE)})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    spans = InMemorySpanExporter()  # so that all of them are sent in one request
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = provider.get_tracer(_SERVICE, record.versions.get(_SERVICE, ""))
    parent = extract({"traceparent": environment.get("TRACEPARENT", "")})
    session = tracer.start_span("pytest session", parent, start_time=_nanoseconds(record.started_at))
    session.set_attributes({"sipfront.service": record.service, "sipfront.concurrency": record.concurrency})
    within = trace.set_span_in_context(session, parent)
    for test in record.tests:
        for attempt in test.attempts:
            _send_attempt(tracer, within, test, attempt)
    session.end(_nanoseconds(record.finished_at))
    finished = spans.get_finished_spans()
    try:
        if exporter.export(finished) is SpanExportResult.SUCCESS:
            return []
    finally:
        exporter.shutdown()
    return [f"cannot export the {len(finished)} OpenTelemetry spans of this session (OTEL_EXPORTER_OTLP_ENDPOINT)"]


def _send_attempt(tracer: trace.Tracer, parent: Any, test: TestRecord, attempt: AttemptRecord) -> None:
    runs = [run for run in attempt.runs if run["times"]["launched_at"] is not None]
    own_start = _nanoseconds(attempt.started_at)
    start = min([own_start, *(_nanoseconds(run["times"]["launched_at"]) for run in runs)])
    span = tracer.start_span(test.nodeid, parent, start_time=start)
    span.set_attributes(
        {
            "test.case.name": test.nodeid,
            "test.case.result.status": "pass" if attempt.outcome in {"passed", "xfailed"} else "fail",
            "code.file.path": test.file,
            "code.line.number": test.line,
            "sipfront.outcome": attempt.outcome,
            "sipfront.attempt": attempt.number,
        }
    )
    if attempt.kind:
        span.set_attribute("sipfront.kind", attempt.kind)
    if attempt.outcome in {"failed", "error"}:
        span.set_status(Status(StatusCode.ERROR, attempt.message))
    end = own_start + int(attempt.duration * 1e9)
    for run in runs:
        end = max(end, _send_run(tracer, trace.set_span_in_context(span, parent), run))
    span.end(end)


def _send_run(tracer: trace.Tracer, parent: Any, run: Mapping[str, Any]) -> int:
    """Send the span of a run, with an event for each poll and change, and return its end."""
    start = _nanoseconds(run["times"]["launched_at"])
    finished = run["times"]["finished_at"]
    end = start + int((run["duration"] or 0.0) * 1e9)
    end = max(end, start, _nanoseconds(finished) if finished else start)
    span = tracer.start_span(f"{run['service']['name']} {run['target']}", parent, start_time=start)
    attributes = {
        "sipfront.target": run["target"],
        "sipfront.session_id": run["session_id"],
        "sipfront.report_url": run["report_url"],
        "sipfront.verdict": run["verdict"] or "none",
        "sipfront.polls": run["polls"],
    }
    overrides = run["spec"].get("overrides", {})
    span.set_attributes({**attributes, **{f"sipfront.override.{key}": str(value) for key, value in overrides.items()}})
    for event in run["events"]:
        span.add_event(event["name"], {"state": event["state"]}, _nanoseconds(event["at"]))
    if run["as_expected"] is False or run["error"]:
        span.set_status(Status(StatusCode.ERROR, run["message"]))
    span.end(end)
    return end


def _nanoseconds(text: str) -> int:
    return int(moment(text).timestamp() * 1e9)
