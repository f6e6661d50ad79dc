"""The state behind Sift's routes in one lab: calls, applications, faults and the account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pytest_sipfront.lab.file.lab_file import AccountSpec
from pytest_sipfront.lab.file.sift_section import APPLICATION, RUN, Caller, SiftSpec
from pytest_sipfront.lab.platform.faults import FaultBook
from pytest_sipfront.lab.platform.http_requests import RequestLog
from pytest_sipfront.lab.sift.call_server import CallServer

DEFAULT_ACCOUNT_ID = "lab-public"
DESTINATION = ".dial_destination"
RUN_NUMBER = "+15550100999"


class SiftService:
    """Sift's part of one lab.

    Args:
        spec: The section `sift` of the lab file.
        account: The account whose credentials requests need.
        recorder: The log of requests.
        pause: Delays a response by some seconds.
        started: Origin of the times in `as_json`, in monotonic seconds.
        telephony: The switchboard of the lab's phones; None if no call can be placed.
    """

    def __init__(
        self,
        spec: SiftSpec,
        account: AccountSpec,
        recorder: RequestLog,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        started: float = 0.0,
        telephony: Any = None,
    ) -> None:
        self._started = started
        self.spec, self.account, self.recorder, self.pause = spec, account, recorder, pause
        self.faults = FaultBook(spec.faults)
        self.calls = CallServer(spec, account.public_key or DEFAULT_ACCOUNT_ID, telephony)
        self.applications: list[dict[str, Any]] = []

    def add_application(self, application: dict[str, Any]) -> None:
        """Add an application, and place the calls of the callers that wait for one of its numbers."""
        self.applications.append(application)
        for caller in self.spec.callers:
            if caller.on == APPLICATION and _answers(application, caller.to):
                self.calls.callbacks.spawn(self.calls.receive(caller, application))

    @asynccontextmanager
    async def called_by_run(self, parameters: Mapping[str, str]) -> AsyncIterator[None]:
        """For the time of a Sipfront run, place its calls to numbers that an application answers."""
        calls = [
            self.calls.callbacks.spawn(self.calls.receive(self._caller(number), application))
            for key, number in parameters.items()
            if key.endswith(DESTINATION) and (application := self._application(number)) is not None
        ]
        try:
            yield
        finally:
            for call in calls:
                if call.done() and not call.cancelled() and call.exception() is None:
                    await self.calls.end(call.result())
                call.cancel()

    def _application(self, number: str) -> dict[str, Any] | None:
        """Return the latest application that answers a number."""
        return next((entry for entry in reversed(self.applications) if _answers(entry, number)), None)

    def _caller(self, number: str) -> Caller:
        by_run = (caller for caller in self.spec.callers if caller.on == RUN and caller.to == number)
        return next(by_run, None) or Caller.model_validate({"from": RUN_NUMBER, "to": number})

    async def close(self) -> None:
        """End every call."""
        await self.calls.close()

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of calls, of callbacks sent, and of callbacks that a fault lost."""
        return {
            "calls": len(self.calls.connections),
            "callbacks": len(self.calls.callbacks.sent),
            "callbacks_lost": self.calls.callbacks.lost,
        }

    def as_json(self) -> dict[str, Any]:
        """Return the connections with their commands, and the callbacks."""
        return {
            "connections": [
                {
                    **connection.as_json(),
                    "commands": connection.commands,
                    "recordings": list(connection.remote.recordings),
                    "complaints": connection.remote.complaints,
                }
                for connection in self.calls.connections
            ],
            "callbacks": [
                {
                    "time": callback.time - self._started,
                    "kind": callback.kind,
                    "connection_id": callback.connection_id,
                    "body": dict(callback.body),
                    "outcome": callback.outcome,
                }
                for callback in self.calls.callbacks.sent
            ],
            "lost": self.calls.callbacks.lost,
        }


def _answers(application: Mapping[str, Any], number: str) -> bool:
    """Whether an application answers a number: one that it lists, or any if it lists no number."""
    numbers = application["phone_numbers"]
    return not numbers or number in numbers
