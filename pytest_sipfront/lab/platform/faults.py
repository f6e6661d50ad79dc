"""Faults: select the one that hits a request, exactly as often as the lab file says, and change the response."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from pytest_sipfront.lab.file.fault_spec import FaultSpec, matches

MAINTENANCE_PAGE = "<!doctype html><html><head><title>Maintenance</title></head><body>Back soon</body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabResponse:
    """A response. `part` names the object inside `body` that a fault changes; a text body is sent unchanged."""

    body: Any
    part: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The properties of a request that select its fault.

    `faults` are those of the test or project, `key` identifies the run. `finished` is None if there is no run.
    """

    faults: tuple[FaultSpec, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    finished: bool | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault that hits a request; `turn` is the number of times it has hit this run before."""

    fault: FaultSpec
    turn: int


class FaultBook:
    """Selects the fault of each request. One call is one decision, so the counts are exact if requests overlap."""

    def __init__(self, account_wide: tuple[FaultSpec, ...]) -> None:
        self._account_wide = account_wide
        self._matched: Counter[int] = Counter()
        self._turns: Counter[tuple[int, str]] = Counter()

    def hit(self, on: str, subject: Subject) -> Hit | None:
        """Return the first fault that is active for a request of kind `on`: the subject's, then the account's.

        A fault that is skipped counts the request towards its `after`. Faults behind the one that hits do not count it.
        """
        for fault in (*subject.faults, *self._account_wide):
            if not self._concerns(fault, on, subject):
                continue
            earlier = self._matched[id(fault)]
            self._matched[id(fault)] += 1
            if earlier >= fault.after and (fault.times is None or earlier < fault.after + fault.times):
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


def apply_fault(response: LabResponse, hit: Hit) -> LabResponse:
    """Return the response as the fault changes it. The caller closes the connection for `drop`."""
    fault = hit.fault
    headers = {**response.headers, **fault.headers}
    if fault.retry_after is not None:
        headers["Retry-After"] = f"{fault.retry_after:g}"
    if fault.html:
        return LabResponse(body=MAINTENANCE_PAGE, headers=headers, media_type="text/html")
    if fault.replaces_body:
        return LabResponse(body=fault.body, status=fault.status or 200, headers=headers)
    if fault.status is not None or fault.error is not None:
        return error_response(fault.status or 200, fault.error, fault.error_key, headers)
    return replace(response, body=_changed_body(response, hit), headers=headers)


def error_response(
    status: int, text: str | None = None, key: str = "error", headers: Mapping[str, str] | None = None
) -> LabResponse:
    """Return an error with this HTTP status.

    Args:
        status: The HTTP status code.
        text: The error text (default: the reason phrase of the status).
        key: The JSON key of the text; "plain" sends the text alone, "none" an empty body.
        headers: Further headers.
    """
    headers = headers or {}
    text = text if text is not None else _phrase(status)
    if key in ("plain", "none"):
        body = text if key == "plain" else ""
        return LabResponse(body=body, status=status, headers=headers, media_type="text/plain")
    return LabResponse(body={key: text, "status": status}, status=status, headers=headers)


def _changed_body(response: LabResponse, hit: Hit) -> Any:
    fault = hit.fault
    part = response.body.get(response.part) if isinstance(response.body, dict) else None
    if not isinstance(part, dict):
        return response.body
    if fault.flip:
        part = {"run_status" if "run_status" in part else "status": fault.flip[hit.turn]}
    changes = dict(fault.set)
    if "status" in changes and "session_status" in part:  # both fields name the state unless the fault changes both
        changes.setdefault("session_status", changes["status"])
    omit = set(fault.omit)
    if "status" in omit and "session_status" not in changes:
        omit.add("session_status")
    part = {key: value for key, value in {**part, **changes}.items() if key not in omit}
    return {**response.body, response.part: part}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
