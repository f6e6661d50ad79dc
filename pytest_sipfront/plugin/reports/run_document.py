"""The run document: everything known about one run, or one Sift call, of a test, as JSON can hold it.

It is the content of `run.json` among the artifacts, and test reports carry the documents of their test as the
attribute `sipfront_runs`. `run.schema.json` beside this module is its JSON Schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sipfront.engine import wire
from pytest_sipfront.engine.run import FINISHED, LAUNCHED, LAUNCHING, POLLED, QUEUED, Run, RunEvent, RunResult
from pytest_sipfront.engine.verdict import Verdict
from pytest_sipfront.errors import DetailedError

if TYPE_CHECKING:
    from pytest_sipfront.clients.sift.call_inbox import TimelineEntry
    from pytest_sipfront.clients.sipfront.models import LastStatus
    from pytest_sipfront.sift.call import Call

REPORT_ATTRIBUTE = "sipfront_runs"
"""The attribute of a test report with the documents of its test."""
SCHEMA_VERSION = 1
SCHEMA = Path(__file__).with_name("run.schema.json")
PAGE = "report.html"
"""The report page among the artifacts."""
SIPFRONT, SIFT = "sipfront", "sift"
EVIDENCE = ("measures", "violations", "prompts", "dtmf", "messages")
"""The parts of a document that the lab measures."""
LONGEST_RAW = 50_000
"""The longest raw status that a document contains, in characters of JSON; a longer one is left out."""


def run_document(
    run: Run,
    *,
    nodeid: str,
    attempt: int = 1,
    number: int = 1,
    on_lab: bool = False,
    result: RunResult | None = None,
    error: BaseException | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the document of a run.

    Args:
        run: The run, as far as it is known.
        nodeid: The id of its test.
        attempt: The number of the attempt at the test, from 1.
        number: The number of the run within the attempt, from 1.
        on_lab: Whether the lab executed it.
        result: Its result; None if it has no verdict.
        error: Why it has no verdict.
        evidence: What the lab measured: the keys of `EVIDENCE`.
    """
    status, launched, times = run.status, run.launched, _first_times(run.events)
    description = result.result_description if result else status.result_description if status else ""
    objection = run.expectation.objection(Verdict(result.verdict), description) if result else ""
    return {
        **_head(nodeid, attempt, number, {"name": SIPFRONT, "url": run.service, "lab": on_lab}),
        "spec": _spec(run),
        "target": run.request.target,
        "session_id": run.session_id,
        "run_id": launched.run_id if launched else "",
        "report_url": run.report_url,
        "status_url": launched.status_url if launched else "",
        "resumed_at": _utc(run.resumed),
        "state": status.state if status else "",
        "verdict": result.verdict if result else None,
        "as_expected": None if result is None else not objection,
        "message": objection or ("" if error is None else str(error)),
        "error": None if error is None else _error(error),
        "result_description": description,
        "duration": result.duration if result else None,
        "expected_duration": run.expected,
        "polls": run.polls,
        "events": [_event(event) for event in run.events],
        "times": {
            "queued_at": times.get(QUEUED),
            "launching_at": times.get(LAUNCHING),
            "launched_at": times.get(LAUNCHED),
            "running_at": _running_at(run.events),
            "finished_at": times.get(FINISHED),
            "started_at": _utc(status.started_at if status else None),
            "stopped_at": _utc(status.stopped_at if status else None),
        },
        "scenario": status.testcase_name if status else "",
        "pool": status.agentpool_name if status else "",
        "notes": list(run.notes),
        "tests": [_test(last) for last in result.tests] if result else [],
        **{name: list((evidence or {}).get(name, ())) for name in EVIDENCE},
        "raw": _raw(status.raw if status else None),
    }


def sift_document(
    call: Call, *, nodeid: str, now: float, moment: datetime, number: int, attempt: int = 1
) -> dict[str, Any]:
    """Return the document of a Sift call, with its timeline.

    Args:
        call: The call.
        nodeid: The id of its test.
        now: The current time in monotonic seconds, the clock of the call's timeline.
        moment: The current time, UTC.
        number: The number of the call within the attempt, from 1.
        attempt: The number of the attempt at the test, from 1.
    """
    connection, age = call.connection, call.timeline.since_start(now)
    start = moment.timestamp() - age
    entries = list(call.timeline)
    return {
        **_head(nodeid, attempt, number, {"name": SIFT, "url": "", "lab": False}),
        "spec": {"to": connection.to, "from": connection.from_, "direction": connection.direction},
        "target": f"{connection.from_} calling {connection.to}" if connection.to else repr(call),
        "session_id": connection.connection_id,
        "run_id": "",
        "report_url": "",
        "status_url": "",
        "resumed_at": None,
        "state": call.status,
        "verdict": None,
        "as_expected": None,
        "message": "",
        "error": None,
        "result_description": "",
        "duration": call.duration,
        "expected_duration": None,
        "polls": 0,
        "events": [],
        "times": {
            "queued_at": None,
            "launching_at": _iso(start),
            "launched_at": _iso(start),
            "running_at": None,
            "finished_at": _iso(start + entries[-1].at) if entries else None,
            "started_at": None,
            "stopped_at": None,
        },
        "scenario": "",
        "pool": "",
        "notes": [],
        "tests": [],
        **{name: [] for name in EVIDENCE},
        "timeline": [_entry(entry) for entry in entries],
        "raw": _raw(connection.raw),
    }


def page_of(document: Mapping[str, Any]) -> str:
    """Return the report page of a run: that of the service, or the file if the service ends with the session."""
    artifacts = document.get("artifacts")
    if artifacts and PAGE in artifacts["files"] and (document["service"]["lab"] or not document["report_url"]):
        return f"{artifacts['directory']}/{PAGE}"
    return str(document["report_url"])


def _head(nodeid: str, attempt: int, number: int, service: dict[str, Any]) -> dict[str, Any]:
    """Return the parts that both kinds of document share; other modules fill `kind` and `artifacts`."""
    return {
        "version": SCHEMA_VERSION,
        "nodeid": nodeid,
        "attempt": attempt,
        "number": number,
        "service": service,
        "kind": None,
        "timeline": [],
        "artifacts": None,
    }


def _spec(run: Run) -> dict[str, Any]:
    verdict = run.expectation.verdict
    return {
        **wire.request_to_wire(run.request),
        "timeout": run.timeout,
        "expect": None if verdict is None else verdict.value,
        "match": run.expectation.match,
        "exclusive": sorted(run.exclusive),
    }


def _error(error: BaseException) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "message": str(error),
        "hint": error.hint if isinstance(error, DetailedError) else "",
    }


def _event(event: RunEvent) -> dict[str, Any]:
    return {"name": event.name, "at": _iso(event.at), "seconds": round(event.seconds, 3), "state": event.state}


def _entry(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "seconds": round(entry.at, 3),
        "direction": entry.direction,
        "event": entry.event,
        "details": entry.details,
    }


def _first_times(events: Iterable[RunEvent]) -> dict[str, str]:
    """Return the time of the last launch attempt, and the first time of every other event."""
    times: dict[str, str] = {}
    for event in events:
        if event.name == LAUNCHING or event.name not in times:
            times[event.name] = _iso(event.at)
    return times


def _running_at(events: Iterable[RunEvent]) -> str | None:
    return next((_iso(event.at) for event in events if event.name == POLLED and "running" in event.state), None)


def _test(last: LastStatus) -> dict[str, Any]:
    return {
        "id": last.test_id,
        "name": last.test_name,
        "state": last.status.state,
        "result_description": last.status.result_description,
    }


def _raw(raw: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if raw is None:
        return None
    data = dict(raw)
    return data if len(json.dumps(data, default=str)) <= LONGEST_RAW else None


def _iso(seconds: float) -> str:
    return _moment_text(datetime.fromtimestamp(seconds, UTC))


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else _moment_text(moment.astimezone(UTC))


def _moment_text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
