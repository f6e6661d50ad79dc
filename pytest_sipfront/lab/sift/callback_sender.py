"""Posts callbacks over HTTP, in order and once each unless a fault says otherwise. Nothing is ever tried again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from pytest_sipfront.lab.file.sift_section import CallbackFault
from pytest_sipfront.lab.sift.connections import LabConnection

if TYPE_CHECKING:
    import httpx

PATIENCE = 10.0
LONGEST_SWAP = 2.0
KEPT = 100_000
_NO_FAULT = CallbackFault()


@dataclass(frozen=True, slots=True)
class SentCallback:
    """A callback that went out, and what came back: a status code, or the name of what went wrong."""

    time: float
    kind: str
    connection_id: str
    body: Mapping[str, Any]
    outcome: int | str


class CallbackSender:
    """Sends the callbacks of one lab."""

    def __init__(self, faults: tuple[CallbackFault, ...]) -> None:
        self._faults = faults
        self._seen: Counter[int] = Counter()
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._overtaken: dict[LabConnection, asyncio.Event] = {}
        self.posted: deque[SentCallback] = deque(maxlen=KEPT)
        self.lost = 0

    def fault(self, kind: str, leg: LabConnection, status: str = "") -> CallbackFault:
        """Return the fault that hits this callback, counting it; one that does nothing if there is none."""
        for fault in self._faults:
            if fault.concerns(kind, status, leg.to):
                seen = self._seen[id(fault)]
                self._seen[id(fault)] += 1
                if seen >= fault.after and (fault.times is None or seen < fault.after + fault.times):
                    return fault
        return _NO_FAULT

    async def post(
        self, kind: str, leg: LabConnection, url: str, body: Mapping[str, Any], fault: CallbackFault | None = None
    ) -> Mapping[str, Any]:
        """Post a callback and return the reply's object; an empty one if there is none or it is not waited for."""
        hit = fault or self.fault(kind, leg)
        if hit.lost:
            self.lost += 1
            return {}
        changed = {key: value for key, value in {**body, **hit.add}.items() if key not in hit.omit}
        if hit.late or hit.swap:
            self.spawn(self._later(hit, kind, leg, url, changed))
            return {}
        # shielded: the reply to a callback may set the very routine that ends the task which waits here
        return await asyncio.shield(self.spawn(self._in_order(hit, kind, leg, url, changed)))

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Let `work` go on by itself until the lab ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Give up what is still to be posted."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _later(
        self, hit: CallbackFault, kind: str, leg: LabConnection, url: str, body: Mapping[str, Any]
    ) -> None:
        await asyncio.sleep(hit.late)
        if hit.swap:
            overtaken = self._overtaken.setdefault(leg, asyncio.Event())
            with suppress(TimeoutError):
                # wait_for() may lose a cancellation that comes with the event
                async with asyncio.timeout(LONGEST_SWAP):
                    await overtaken.wait()
        await self._send(hit, kind, leg, url, body)

    async def _in_order(
        self, hit: CallbackFault, kind: str, leg: LabConnection, url: str, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        async with leg.order:
            reply = await self._send(hit, kind, leg, url, body)
        if overtaken := self._overtaken.pop(leg, None):
            overtaken.set()
        return reply

    async def _send(
        self, hit: CallbackFault, kind: str, leg: LabConnection, url: str, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        reply: Mapping[str, Any] = {}
        for _ in range(1 + hit.repeat):
            outcome, reply = await self._exchange(url, body, hit.content_type or "application/json")
            self.posted.append(SentCallback(monotonic(), kind, leg.id, body, outcome))
        return reply

    async def _exchange(self, url: str, body: Mapping[str, Any], kind: str) -> tuple[int | str, Mapping[str, Any]]:
        import httpx  # noqa: PLC0415 - a lab that nobody asks for Sift starts without it

        if self._client is None:
            # what is meant for this machine does not pass a proxy
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
            self._client = httpx.AsyncClient(trust_env=False, timeout=PATIENCE, limits=limits)
        try:
            answer = await self._client.post(url, content=json.dumps(body), headers={"Content-Type": kind})
            reply = answer.json() if answer.is_success else {}
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__, {}
        except ValueError:
            return answer.status_code, {}
        return answer.status_code, reply if isinstance(reply, Mapping) else {}
