"""The messages between pytest processes and the engine: one JSON object per line.

A request is `{"id": 1, "op": "take", ...}`. The engine answers it with `{"id": 1, "result": ...}` or
`{"id": 1, "error": ...}`, and sends `{"id": 1, "progress": ...}` while the request waits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pytest_sipfront import errors
from pytest_sipfront.clients.sipfront.models import (
    Document,
    Endpoint,
    LastStatus,
    Launched,
    RunRequest,
    RunStatus,
)
from pytest_sipfront.engine.run import Run, RunEvent, RunResult
from pytest_sipfront.engine.verdict import Expectation, Verdict
from pytest_sipfront.errors import DetailedError, SipfrontError
from pytest_sipfront.secret import Secret

LARGEST_MESSAGE = 256 * 1024 * 1024
"""Bytes. A suite of 100,000 tests hands over its whole list in one message."""


def encode(message: Mapping[str, Any]) -> bytes:
    """Return the line for `message`. Secrets in it are revealed here and in no variable of a traceback."""
    return json.dumps(message, default=_text).encode() + b"\n"


def _text(value: object) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)


def decode(line: bytes) -> dict[str, Any]:
    """Return the message of a line.

    Raises:
        ValueError: The line is not a JSON object.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message must be a JSON object")  # noqa: TRY004 - like all other damage to a message
    return message


# ---- runs -----------------------------------------------------------------------------------------------------------


def request_to_wire(request: RunRequest) -> dict[str, Any]:
    """Return a launch request as JSON can hold it."""
    return {
        "test": request.test,
        "project": request.project,
        "test_ids": list(request.test_ids),
        "overrides": dict(request.overrides),
        "report_mode": request.report_mode,
    }


def request_from_wire(data: Mapping[str, Any]) -> RunRequest:
    """Return the launch request of `request_to_wire`."""
    return RunRequest(**{**data, "test_ids": tuple(data["test_ids"])})


def run_to_wire(run: Run) -> dict[str, Any]:
    """Return a run, with everything known about it, as JSON can hold it."""
    verdict = run.expectation.verdict
    return {
        "request": request_to_wire(run.request),
        "timeout": run.timeout,
        "label": run.label,
        "service": run.service,
        "exclusive": sorted(run.exclusive),
        "expectation": {"verdict": None if verdict is None else verdict.value, "match": run.expectation.match},
        **progress_to_wire(run),
    }


def run_from_wire(data: Mapping[str, Any]) -> Run:
    """Return the run of `run_to_wire`."""
    expectation = data["expectation"]
    run = Run(
        request=request_from_wire(data["request"]),
        timeout=data["timeout"],
        label=data["label"],
        service=data["service"],
        exclusive=frozenset(data["exclusive"]),
        expectation=Expectation(
            verdict=None if expectation["verdict"] is None else Verdict(expectation["verdict"]),
            match=expectation["match"],
        ),
    )
    update_run(run, data)
    return run


def progress_to_wire(run: Run) -> dict[str, Any]:
    """Return the part of a run that changes while it is launched and polled."""
    return {
        "launched": None if run.launched is None else _launched_to_wire(run.launched),
        "status": None if run.status is None else dict(run.status.raw),
        "expected": run.expected,
        "polls": run.polls,
        "resumed": None if run.resumed is None else run.resumed.isoformat(),
        "notes": list(run.notes),
        "events": list(run.events),
    }


def update_run(run: Run, data: Mapping[str, Any]) -> None:
    """Bring `run` up to date with what `progress_to_wire` returned."""
    run.launched = None if data["launched"] is None else Launched(**data["launched"])
    run.status = None if data["status"] is None else RunStatus.read(data["status"])
    run.expected = data["expected"]
    run.polls = data["polls"]
    run.resumed = None if data["resumed"] is None else datetime.fromisoformat(data["resumed"])
    run.notes = list(data["notes"])
    run.events = [RunEvent(*event) for event in data["events"]]


def _launched_to_wire(launched: Launched) -> dict[str, Any]:
    return {
        "status_url": launched.status_url,
        "report_url": launched.report_url,
        "session_id": launched.session_id,
        "raw": dict(launched.raw),
    }


def result_to_wire(result: RunResult) -> dict[str, Any]:
    """Return a run's result as JSON can hold it."""
    return {
        "request": request_to_wire(result.request),
        "verdict": result.verdict,
        "result_description": result.result_description,
        "duration": result.duration,
        "session_id": result.session_id,
        "report_url": result.report_url,
        "status_url": result.status_url,
        "status": dict(result.status.raw),
        "tests": [last_status_to_wire(last) for last in result.tests],
        "notes": list(result.notes),
    }


def result_from_wire(data: Mapping[str, Any]) -> RunResult:
    """Return the result of `result_to_wire`."""
    status = RunStatus.read(data["status"])
    return RunResult(
        request=request_from_wire(data["request"]),
        verdict=data["verdict"],
        result_description=data["result_description"],
        duration=data["duration"],
        session_id=data["session_id"],
        report_url=data["report_url"],
        status_url=data["status_url"],
        status=status,
        tests=tuple(LastStatus.read(last) for last in data["tests"]),
        notes=tuple(data["notes"]),
    )


def last_status_to_wire(last: LastStatus) -> dict[str, Any]:
    """Return a test's last run in the form in which the platform lists it."""
    return {"test": {"id": last.test_id, "name": last.test_name}, "run": dict(last.status.raw)}


# ---- what the client methods return ------------------------------------------------------------------------------


def value_to_wire(value: Any) -> Any:
    """Return what a method of the Sipfront client returned, as JSON can hold it."""
    if isinstance(value, Document):
        return {"kind": "document", "data": value.data, "url": value.url}
    if isinstance(value, RunStatus):
        return {"kind": "status", "data": dict(value.raw)}
    if isinstance(value, tuple):
        return {"kind": "list", "data": [value_to_wire(entry) for entry in value]}
    if isinstance(value, Endpoint):
        return {"kind": "endpoint", "data": asdict(value)}
    raise TypeError(f"{type(value).__name__} has no wire form")


def value_from_wire(data: Mapping[str, Any]) -> Any:
    """Return the value of `value_to_wire`."""
    content = data["data"]
    match data["kind"]:
        case "document":
            return Document(content, data["url"])
        case "status":
            return RunStatus.read(content)
        case "endpoint":
            return Endpoint(url=content["url"], methods=tuple(content["methods"]), name=content["name"])
        case _:
            return tuple(value_from_wire(entry) for entry in content)


# ---- errors ---------------------------------------------------------------------------------------------------------

_EXTRA = ("platform_gone", "retry_after", "at_capacity", "arrived")


def error_to_wire(error: DetailedError) -> dict[str, Any]:
    """Return an error of this package as JSON can hold it."""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "evidence": dict(error.evidence),
        "hint": error.hint,
        "extra": {name: getattr(error, name) for name in _EXTRA if name in vars(error)},
    }


def error_from_wire(data: Mapping[str, Any]) -> DetailedError:
    """Return the error of `error_to_wire`. An unknown type becomes a plain `SipfrontError`."""
    found = getattr(errors, data["type"], SipfrontError)
    cls = found if isinstance(found, type) and issubclass(found, DetailedError) else SipfrontError
    error = cls.__new__(cls, data["message"])
    Exception.__init__(error, data["message"])
    error.explain(data["evidence"], data["hint"])
    vars(error).update(data["extra"])
    return error
