"""What is behind Sift's routes in one lab: the exchange, the applications, the faults and the account."""

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

ANY_ACCOUNT = "lab-public"
DESTINATION = ".dial_destination"
OUR_RUNS = "+15550100999"


class SiftService:
    """Sift's part of one lab."""

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
        """Prepare; nobody calls yet.

        Args:
            spec: The lab file's section.
            account: Whose credentials are asked for.
            recorder: Where requests are noted.
            pause: Holds an answer back for some seconds.
            started: Since when the times that are shown count, in monotonic seconds.
            telephony: Reaches the lab's real phones; None where there are none.
        """
        self._started = started
        self.spec, self.account, self.recorder, self.pause = spec, account, recorder, pause
        self.faults = FaultBook(spec.faults)
        self.exchange = CallServer(spec, account.public_key or ANY_ACCOUNT, telephony)
        self.applications: list[dict[str, Any]] = []

    def answer_with(self, application: dict[str, Any]) -> None:
        """Let an application answer its numbers (all, if it names none), and those call who wait for one."""
        self.applications.append(application)
        for caller in self.spec.callers:
            if caller.on == APPLICATION and _answers(application, caller.to):
                self.exchange.postman.spawn(self.exchange.receive(caller, application))

    @asynccontextmanager
    async def called_by_run(self, parameters: Mapping[str, str]) -> AsyncIterator[None]:
        """While a Sipfront run lasts, let it call the numbers that it dials and an application here answers."""
        calls = [
            self.exchange.postman.spawn(self.exchange.receive(self._caller(number), application))
            for key, number in parameters.items()
            if key.endswith(DESTINATION) and (application := self._application(number)) is not None
        ]
        try:
            yield
        finally:
            for call in calls:
                if call.done() and not call.cancelled() and call.exception() is None:
                    await self.exchange.end(call.result())
                call.cancel()

    def _application(self, number: str) -> dict[str, Any] | None:
        """Return the latest application that answers a number."""
        return next((one for one in reversed(self.applications) if _answers(one, number)), None)

    def _caller(self, number: str) -> Caller:
        by_run = (caller for caller in self.spec.callers if caller.on == RUN and caller.to == number)
        return next(by_run, Caller(from_=OUR_RUNS, to=number))

    async def close(self) -> None:
        """End every call."""
        await self.exchange.close()

    @property
    def counts(self) -> dict[str, int]:
        """Return how many calls there were, and how many callbacks were posted and lost on purpose."""
        postman = self.exchange.postman
        return {
            "calls": len(self.exchange.connections),
            "callbacks": len(postman.posted),
            "callbacks_lost": postman.lost,
        }

    def as_json(self) -> dict[str, Any]:
        """Return what happened so far, for tests and people: connections with their commands, and callbacks."""
        postman = self.exchange.postman
        return {
            "connections": [
                {
                    **leg.as_json(),
                    "commands": leg.commands,
                    "recordings": list(leg.far.recordings),
                    "complaints": leg.far.complaints,
                }
                for leg in self.exchange.connections
            ],
            "callbacks": [
                {
                    "time": posted.time - self._started,
                    "kind": posted.kind,
                    "connection_id": posted.connection_id,
                    "body": dict(posted.body),
                    "outcome": posted.outcome,
                }
                for posted in postman.posted
            ],
            "lost": postman.lost,
        }


def _answers(application: Mapping[str, Any], number: str) -> bool:
    """Whether an application answers a number: one of its own, or any if it names none."""
    numbers = application["phone_numbers"]
    return not numbers or number in numbers
