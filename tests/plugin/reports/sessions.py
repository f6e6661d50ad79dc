"""Records of made-up sessions, with run documents as the plugin builds them."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_sipfront.clients.sipfront.models import Launched, RunRequest, RunStatus
from pytest_sipfront.engine.run import Run, RunEvent, RunResult
from pytest_sipfront.engine.verdict import Verdict
from pytest_sipfront.errors import PlatformUnavailable
from pytest_sipfront.plugin.reports.run_document import run_document
from pytest_sipfront.plugin.reports.session_record import AttemptRecord, SessionRecord, TestRecord

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
MESSAGES = {
    "busy": "486 Busy Here after 0.12 s",
    "one-way": "no RTP from callee for 4.2 s",
    "wrong-prompt": "prompt 'sales' expected, 'support' heard (match 0.97 against 0.20)",
    "infrastructure": "cannot connect to app.sipfront.com:443: connection refused",
}
SIP = (
    (0.0, "->", "INVITE sip:43123101@127.0.0.1 SIP/2.0"),
    (0.05, "<-", "SIP/2.0 180 Ringing (1 INVITE)"),
    (1.2, "<-", "SIP/2.0 200 OK (1 INVITE)"),
    (1.21, "->", "ACK sip:43123101@127.0.0.1 SIP/2.0"),
    (5.4, "->", "BYE sip:43123101@127.0.0.1 SIP/2.0"),
    (5.41, "<-", "SIP/2.0 200 OK (2 BYE)"),
)
EVIDENCE: Mapping[str, Any] = {
    "measures": [
        {"name": "jitter", "side": side, "value": value, "unit": "ms", "source": "packet capture"}
        | {"bound": "at most 50 ms", "violated": False}
        for side, value in (("caller", 1.25), ("callee", 2.5))
    ],
    "violations": [],
    "prompts": [{"side": "caller", "prompt": "support", "score": 0.97, "at": 1.5}],
    "dtmf": [{"side": "callee", "digits": "1", "times": [0.5]}],
    "messages": [{"seconds": at, "direction": way, "line": line, "retransmission": False} for at, way, line in SIP],
}


def run_of(nodeid: str, start: float, seconds: float, kind: str = "") -> dict[str, Any]:
    """Return the document of a run that waited for 5 s and was launched `start` seconds after noon."""
    request = RunRequest(test="Basic call", overrides={"step.1.0.dial_destination": nodeid[-6:]})
    run = Run(request=request, timeout=60, label=nodeid, service="https://app.sipfront.com")
    message = MESSAGES.get(kind, "")
    at = NOON.timestamp() + start
    run.record(RunEvent("queued", at - 5, start - 5, ""))
    if kind == "infrastructure":
        return run_document(run, nodeid=nodeid, error=PlatformUnavailable(message, arrived=False))
    run.launched = Launched(
        status_url="https://app.sipfront.com/api/v2/runs/7/status", report_url="https://app.sipfront.com/run/7"
    )
    state = "failed" if kind else "passed"
    run.status = RunStatus.read({"status": state, "result_description": message})
    run.polls = 2
    for name, after, seen in (
        ("launching", 0.0, ""),
        ("launched", 0.5, ""),
        ("polled", seconds / 2, "running"),
        ("polled", seconds, state),
        ("finished", seconds, ""),
    ):
        run.record(RunEvent(name, at + after, start + after, seen))
    result = RunResult.of(run, run.launched, Verdict(state), elapsed=seconds)
    evidence = dict(EVIDENCE)
    if kind:
        violation = {
            "call": 1,
            "condition": "rtp",
            "measured": "4.2 s",
            "required": "RTP",
            "text": message,
            "kind": kind,
        }
        evidence["violations"] = [violation]
    return run_document(run, nodeid=nodeid, result=result, evidence=evidence) | {"kind": kind or None}


def session_of(count: int, broken: Mapping[int, str], concurrency: int = 4) -> SessionRecord:
    """Return the record of a session.

    Args:
        count: The number of tests.
        broken: The kind of each broken test, by its number from 0.
        concurrency: The number of slots; each run takes 20 to 49 s.
    """
    free = [1.0] * concurrency
    tests = []
    for number in range(count):
        kind = broken.get(number, "")
        file = ("tests/test_destinations.py", "tests/test_ivr.py")[number % 2]
        nodeid = f"{file}::test_call[{number:05d}]"
        slot = free.index(min(free))
        seconds = 20.0 + number * 7 % 30
        document = run_of(nodeid, free[slot], seconds, kind)
        attempt = AttemptRecord(
            number=1,
            outcome={"": "passed", "infrastructure": "error"}.get(kind, "failed"),
            kind=kind,
            message=MESSAGES.get(kind, ""),
            details=f"E   RunFailed: {MESSAGES[kind]}" if kind else "",
            duration=seconds,
            runs=[document],
        )
        free[slot] += seconds
        tests.append(TestRecord(nodeid=nodeid, file=file, line=number + 1, attempts=[attempt]))
    end = datetime.fromtimestamp(NOON.timestamp() + max(free), UTC)
    return SessionRecord(
        started_at="2026-01-15T12:00:00Z",
        finished_at=end.isoformat().replace("+00:00", "Z"),
        service="https://app.sipfront.com",
        concurrency=concurrency,
        max_minutes=600,
        exit_status=1,
        collected=count,
        versions={"python": "3.13"},
        tests=tests,
    )


def add_call(record: SessionRecord, number: int) -> None:
    """Replace the run of a test by a call with Sift."""
    run = record.tests[number].last.runs[0]
    run |= {
        "service": {"name": "sift", "url": "", "lab": False},
        "spec": {"to": "+43123104", "from": "+15550100000", "direction": "outbound"},
        "messages": [],
        "timeline": [
            {"seconds": 0.0, "direction": "->", "event": "dial", "details": "+43123104"},
            {"seconds": 0.4, "direction": "<-", "event": "status", "details": "connected"},
        ],
    }


def add_recordings(record: SessionRecord, number: int, base: Path) -> None:
    """Keep artifacts of a test: two recordings of 4 s, the first one silent, and a report."""
    directory = base / "artifacts" / f"call {number}"
    directory.mkdir(parents=True)
    for name, level in (("caller", 0), ("callee", 9000)):
        samples = [int(level * math.sin(n / 4)) for n in range(32000)]
        header = struct.pack(
            "<4sI4s4sIHHIIHH4sI", b"RIFF", 64036, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 64000
        )
        (directory / f"{name}.wav").write_bytes(header + struct.pack("<32000h", *samples))
    (directory / "report.html").write_text("")
    files = ["report.html", "caller.wav", "callee.wav"]
    record.tests[number].last.runs[0]["artifacts"] = {
        "directory": directory.relative_to(base).as_posix(),
        "files": files,
    }
