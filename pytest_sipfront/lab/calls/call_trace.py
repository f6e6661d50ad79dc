"""Writes the messages, packets and audio of a run's calls to its record while the calls run."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.call_record import CALLEE, CALLER
from pytest_sipfront.lab.calls.ladder import TO_CALLEE, TO_CALLER

if TYPE_CHECKING:
    from pytest_sipfront.lab.calls.call_leg import CallLeg
    from pytest_sipfront.lab.calls.sip_stack import SipStack
    from pytest_sipfront.lab.calls.switchboard import ExpectedLeg
    from pytest_sipfront.lab.run_record import RunRecord

_COLLECT_SECONDS = 0.5
_SENDS = {CALLER: TO_CALLEE, CALLEE: TO_CALLER}


@asynccontextmanager
async def traced(record: RunRecord | None, stack: SipStack) -> AsyncIterator[CallTrace | None]:
    """Trace the calls of a run into `record`, if there is one."""
    if record is None:
        yield None
        return
    trace = CallTrace(record, stack)
    task = asyncio.create_task(trace.run())
    try:
        yield trace
    finally:
        task.cancel()
        trace.close()


class CallTrace:
    """The trace of one run. Recordings are those of its first call."""

    def __init__(self, record: RunRecord, stack: SipStack) -> None:
        self._record, self._stack = record, stack
        self._calls: list[tuple[ExpectedLeg, CallLeg | None]] = []
        self._written: Counter[tuple[str, int]] = Counter()
        self._sounds: Counter[str] = Counter()
        self._lock = threading.Lock()

    def expect(self, expected: ExpectedLeg) -> None:
        """Trace a call that is about to be placed."""
        self._calls.append((expected, None))
        self._stack.ladders.record(expected.tag, self._record)

    def placed(self, expected: ExpectedLeg, leg: CallLeg) -> None:
        """Trace the calling leg of a call, too."""
        self._calls = [(each, leg if each is expected else known) for each, known in self._calls]

    async def run(self) -> None:
        """Write what has arrived, twice per second, until cancelled."""
        while True:
            await asyncio.sleep(_COLLECT_SECONDS)
            await asyncio.to_thread(self.collect)

    def collect(self) -> None:
        """Write what has arrived since the last time. Blocks while it writes."""
        with self._lock:
            for number, (expected, caller) in enumerate(self._calls):
                for end, leg in ((CALLER, caller), (CALLEE, expected.callee)):
                    if leg is None or not leg.call_id:
                        continue
                    # behind a PBX the called leg has another Call-ID
                    self._stack.ladders.record(leg.call_id, self._record)
                    if self._record.has_sound:
                        self._collect_packets(end, leg)
                    if self._record.has_sound and number == 0 and (end == CALLER or expected.is_recorded):
                        self._collect_sound(end, leg)

    def close(self) -> None:
        """Write the rest and end the trace."""
        self.collect()
        self._stack.ladders.end_record(self._record)

    def _collect_packets(self, end: str, leg: CallLeg) -> None:
        capture = self._stack.capture
        if capture is None:
            return
        fresh = []
        for port in self._stack.ladders.local_ports(leg.call_id, _SENDS[end]):
            datagrams = capture.datagrams(port, leg.call_id, self._written[leg.call_id, port])
            self._written[leg.call_id, port] += len(datagrams)
            fresh += datagrams
        self._record.packets(sorted(fresh))

    def _collect_sound(self, end: str, leg: CallLeg) -> None:
        chunks = leg.receiver.chunks(self._sounds[end])
        self._sounds[end] += len(chunks)
        if chunks:
            self._record.sound(end, b"".join(chunks))
