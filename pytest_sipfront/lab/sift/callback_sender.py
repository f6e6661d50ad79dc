"""Sends callbacks over HTTP, in order and once each unless a fault changes that. Failed callbacks are not retried."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sipfront.lab.file.sift_section import CallbackFault
from pytest_sipfront.lab.sift.connections import LabConnection

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 10.0
MAX_SWAP_SECONDS = 2.0
KEPT_CALLBACKS = 100_000
_NO_FAULT = CallbackFault()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SentCallback:
    """A sent callback. `outcome` is the status code of the response, or the name of the exception."""

    time: float
    kind: str
    connection_id: str
    body: Mapping[str, Any]
    outcome: int | str


class CallbackSender:
    """Sends the callbacks of one lab and keeps the tasks that do so."""

    def __init__(self, faults: tuple[CallbackFault, ...]) -> None:
        self._faults = faults
        self._matches: Counter[int] = Counter()
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._next_sent: dict[LabConnection, asyncio.Event] = {}
        self.sent: deque[SentCallback] = deque(maxlen=KEPT_CALLBACKS)
        self.lost = 0

    def fault(self, kind: str, connection: LabConnection, status: str = "") -> CallbackFault:
        """Count a callback against the faults and return the fault that hits it, or one without effect."""
        for fault in self._faults:
            if fault.concerns(kind, status, connection.to):
                matches = self._matches[id(fault)]
                self._matches[id(fault)] += 1
                if matches >= fault.after and (fault.times is None or matches < fault.after + fault.times):
                    return fault
        return _NO_FAULT

    async def send(
        self,
        kind: str,
        connection: LabConnection,
        url: str,
        body: Mapping[str, Any],
        fault: CallbackFault | None = None,
        *,
        on_late_response: Callable[[Mapping[str, Any]], object] = bool,
    ) -> Mapping[str, Any]:
        """Send a callback and return the JSON object of the response.

        The result is empty if the response has none, or if a fault delays the callback. In the latter case
        `on_late_response` receives it.
        """
        fault = fault or self.fault(kind, connection)
        if fault.lost:
            self.lost += 1
            return {}
        changed = {key: value for key, value in {**body, **fault.add}.items() if key not in fault.omit}
        if fault.late or fault.swap:
            self.spawn(self._send_late(fault, kind, connection, url, changed, on_response=on_late_response))
            return {}
        # shielded: the response to a callback may set the very routine that cancels the task which waits here
        return await asyncio.shield(self.spawn(self._send_in_order(fault, kind, connection, url, changed)))

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in the background until it is done or the lab ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel all background work and close the HTTP client."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _send_late(
        self,
        fault: CallbackFault,
        kind: str,
        connection: LabConnection,
        url: str,
        body: Mapping[str, Any],
        *,
        on_response: Callable[[Mapping[str, Any]], object],
    ) -> None:
        await asyncio.sleep(fault.late)
        if fault.swap:
            next_sent = self._next_sent.setdefault(connection, asyncio.Event())
            with suppress(TimeoutError):
                # wait_for() may lose a cancellation that comes with the event
                async with asyncio.timeout(MAX_SWAP_SECONDS):
                    await next_sent.wait()
        on_response(await self._send(fault, kind, connection, url, body))

    async def _send_in_order(
        self, fault: CallbackFault, kind: str, connection: LabConnection, url: str, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        async with connection.callback_lock:
            reply = await self._send(fault, kind, connection, url, body)
        if next_sent := self._next_sent.pop(connection, None):
            next_sent.set()
        return reply

    async def _send(
        self, fault: CallbackFault, kind: str, connection: LabConnection, url: str, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        reply: Mapping[str, Any] = {}
        for _ in range(1 + fault.repeat):
            outcome, response = await self._post(url, body, fault.content_type or "application/json")
            reply = reply or response
            self.sent.append(SentCallback(monotonic(), kind, connection.id, body, outcome))
        return reply

    async def _post(self, url: str, body: Mapping[str, Any], content_type: str) -> tuple[int | str, Mapping[str, Any]]:
        import httpx  # noqa: PLC0415 - only labs with calls at Sift need it

        if self._client is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
            # trust_env=False: receivers are on this machine, where a proxy cannot reach them
            self._client = httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS, limits=limits)
        try:
            response = await self._client.post(url, content=json.dumps(body), headers={"Content-Type": content_type})
            reply = response.json() if response.is_success else {}
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__, {}
        except ValueError:
            return response.status_code, {}
        return response.status_code, reply if isinstance(reply, Mapping) else {}
