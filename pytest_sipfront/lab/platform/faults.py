"""Faults: which one hits a request, exactly as often as the file says, and what it makes of the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from pytest_sipfront.lab.file.lab_file import FaultSpec, matches

MAINTENANCE_PAGE = "<!doctype html><html><head><title>Maintenance</title></head><body>Back soon</body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabResponse:
    """What is answered. `part` names the object inside `body` that a fault changes; a text body is sent as it is."""

    body: Any
    part: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a request is about, as far as faults look at it; `key` tells runs apart, `finished` is None for no run."""

    faults: tuple[FaultSpec, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    finished: bool | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault that hits a request; `turn` counts from 0 how often it has hit this run."""

    fault: FaultSpec
    turn: int


class FaultBook:
    """Decides request by request which fault hits. One call is one decision, so counts hold under any concurrency."""

    def __init__(self, account_wide: tuple[FaultSpec, ...]) -> None:
        self._account_wide = account_wide
        self._seen: Counter[int] = Counter()
        self._turns: Counter[tuple[int, str]] = Counter()

    def hit(self, on: str, subject: Subject) -> Hit | None:
        """Return the first fault still active for this request: the subject's own, then the account's.

        A fault that is passed over counts the request for its `after`; those behind the one that hits do not see it.
        """
        for fault in (*subject.faults, *self._account_wide):
            if not self._concerns(fault, on, subject):
                continue
            seen = self._seen[id(fault)]
            self._seen[id(fault)] += 1
            if seen >= fault.after and (fault.times is None or seen < fault.after + fault.times):
                turn = self._turns[id(fault), subject.key]
                self._turns[id(fault), subject.key] += 1
                return Hit(fault, turn)
        return None

    def _concerns(self, fault: FaultSpec, on: str, subject: Subject) -> bool:
        if fault.on not in ("any", on) or not matches(fault.only, subject.parameters):
            return False
        if fault.during is not None and subject.finished is not (fault.during == "finished"):
            return False
        return not fault.flip or self._turns[id(fault), subject.key] < len(fault.flip)


def spoil(answer: LabResponse, hit: Hit) -> LabResponse:
    """Return what `hit` makes of an answer. A dropped connection has no answer, so `drop` changes nothing here."""
    fault = hit.fault
    headers = {**answer.headers, **fault.headers}
    if fault.retry_after is not None:
        headers["Retry-After"] = f"{fault.retry_after:g}"
    if fault.html:
        return LabResponse(body=MAINTENANCE_PAGE, headers=headers, media_type="text/html")
    if fault.body is not None:
        return LabResponse(body=fault.body.value, status=fault.status or 200, headers=headers)
    if fault.status is not None or fault.error is not None:
        return error_answer(fault.status or 200, fault.error, fault.error_key, headers)
    return replace(answer, body=_changed(answer, hit), headers=headers)


def error_answer(
    status: int, text: str | None = None, key: str = "error", headers: Mapping[str, str] | None = None
) -> LabResponse:
    """Return an error whose `text` (the status's own phrase by default) stands under `key`, or plain, or nowhere."""
    headers = headers or {}
    said = text if text is not None else _phrase(status)
    if key in ("plain", "none"):
        body = said if key == "plain" else ""
        return LabResponse(body=body, status=status, headers=headers, media_type="text/plain")
    return LabResponse(body={key: said, "status": status}, status=status, headers=headers)


def _changed(answer: LabResponse, hit: Hit) -> Any:
    fault = hit.fault
    part = answer.body.get(answer.part) if isinstance(answer.body, dict) else None
    if not isinstance(part, dict):
        return answer.body
    if fault.flip:
        part = {"run_status" if "run_status" in part else "status": fault.flip[hit.turn]}
    part = {key: value for key, value in {**part, **fault.set}.items() if key not in fault.omit}
    return {**answer.body, answer.part: part}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
