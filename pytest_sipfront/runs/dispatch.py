"""Many runs at once: admits those that wait, writes down what happens, and hands each result to who asks for it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from pytest_sipfront.errors import ConfigurationError, LaunchUncertain, PlatformBusy, SipfrontError
from pytest_sipfront.runs import ledger as events
from pytest_sipfront.runs.admission import Waiting, Window, admissible
from pytest_sipfront.runs.budget import Budget
from pytest_sipfront.runs.engine import Clock, Engine
from pytest_sipfront.runs.history import History
from pytest_sipfront.runs.ledger import Ledger
from pytest_sipfront.runs.places import Lease, Places
from pytest_sipfront.runs.recovery import Recorded, Recovery, end_of, result_of
from pytest_sipfront.runs.run import Run, RunResult
from pytest_sipfront.verdict import Verdict

_ASK_FOR_PLACES = 0.1
_LAST_WORDS = 3.0
"""Seconds that an interrupted launch has to learn its answer: without it, nobody knows whether a call is placed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Where a session's runs stand.

    Attributes:
        running, waiting: How many are in flight, and how many wait for a place.
        passed, failed, none: How many are over, by verdict.
        remaining: Seconds until those known are over, as far as history tells; None if it tells nothing.
    """

    running: int
    waiting: int
    passed: int
    failed: int
    none: int
    remaining: float | None


@dataclass(slots=True, eq=False)
class _Entry:
    run: Run
    counts: bool = True
    urgent: bool = False
    refused_at: float | None = None
    launch: str = ""
    lease: Lease | None = None
    launched: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)
    result: RunResult | None = None
    error: SipfrontError | None = None


class Dispatcher:
    """Drives the runs of one process. Its methods belong to the event loop's thread."""

    def __init__(
        self,
        engine: Engine,
        *,
        limit: int,
        ledger: Ledger,
        places: Places,
        budget: Budget,
        history: History | None = None,
        recovery: Recovery | None = None,
        retry_for: float = 60.0,
        stopped: Callable[[], bool] = lambda: False,
        max_failures: int = 0,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; `serve` does the work.

        Args:
            engine: Launches a run and follows it.
            limit: How many may be in flight.
            ledger: Where launches and verdicts are written down.
            places: What other processes of the session share.
            budget: What the session may spend.
            history: How long runs take; learns from those that are over.
            recovery: What an interrupted session knows.
            retry_for: Seconds to try again a launch while the platform says "not now" without being full.
            stopped: Whether nothing may be launched ahead any more.
            max_failures: After how many runs that are not as expected that is so, too; 0 for never.
            clock: Time and chance.
        """
        self._engine, self._ledger, self._places, self._budget = engine, ledger, places, budget
        self._history = history or History()
        self._recovery = recovery or Recovery()
        self._retry_for, self._stopped, self._max_failures = retry_for, stopped, max_failures
        self._clock = clock or Clock()
        self._window = Window(limit)
        self._entries: dict[Run, _Entry] = {}
        self._waiting: list[_Entry] = []
        self._in_flight: list[_Entry] = []
        self._taken_up: list[_Entry] = []
        self._sending = 0
        self._closing = False
        self._over = {Verdict.PASSED.value: 0, Verdict.FAILED.value: 0, "": 0}
        self._changed = anyio.Event()
        self._unexpected = 0

    # ---- for the session ----------------------------------------------------------------------------------------

    async def submit(self, run: Run, error: SipfrontError | None = None, counts: bool = True) -> None:
        """Take up a run: launched as soon as it may be, or ended at once with `error`.

        Args:
            run: The run.
            error: Why it is not to be launched; None if it is.
            counts: Whether it waits for a place.
        """
        entry = _Entry(run, counts)
        self._entries[run] = entry
        known = self._recovery.take(run) if error is None else None
        if error is not None:
            self._finish(entry, error=error)
        elif known is not None:
            self._recover(entry, known)
        else:
            self._waiting.append(entry)
        self._wake()

    async def launched(self, run: Run) -> None:
        """Return once `run` is launched.

        Raises:
            SipfrontError: It was not, or nobody knows.
        """
        entry = self._demand(run)
        await entry.launched.wait()
        if entry.error is not None and run.launched is None:
            raise entry.error

    async def finished(self, run: Run) -> RunResult:
        """Return the result of `run` once it is over.

        Raises:
            SipfrontError: There is none.
        """
        entry = self._demand(run)
        await entry.done.wait()
        if entry.error is not None:
            raise entry.error
        if entry.result is None:
            raise RuntimeError("a run is over with a result or an error")
        return entry.result

    def snapshot(self) -> Snapshot:
        """Return where the runs stand; may be asked from any thread."""
        now = self._clock.now()
        flying = list(self._in_flight)
        lasts = [self._left(entry, now) for entry in flying]
        waits = [self._expected(entry) for entry in list(self._waiting)]
        known = [seconds for seconds in (*lasts, *waits) if seconds is not None]
        total = sum(known) / max(self._window.limit, 1)
        return Snapshot(
            running=len(flying),
            waiting=len(self._waiting),
            passed=self._over[Verdict.PASSED.value],
            failed=self._over[Verdict.FAILED.value],
            none=self._over[""],
            remaining=max(total, max((s for s in lasts if s is not None), default=0.0)) if known else None,
        )

    # ---- the work -----------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Launch and follow what is submitted, until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                self._changed = anyio.Event()
                taken_up, self._taken_up = self._taken_up, []
                for entry in (*taken_up, *self._admit()):
                    tasks.start_soon(self._drive, entry)
                with anyio.move_on_after(self._patience()):
                    await self._changed.wait()

    async def close(self) -> None:
        """Launch nothing more, and return once those that are being launched know their answer, or in a few seconds."""
        self._closing = True
        with anyio.move_on_after(_LAST_WORDS):
            while self._sending:
                await self._changed.wait()

    def _admit(self) -> list[_Entry]:
        now = self._clock.now()
        places = self._window.places(len(self._in_flight), now)
        is_wide = self._window.is_wide(now)
        if self._closing or not (places or is_wide):
            return []
        chosen = admissible(
            [self._as_waiting(entry, is_wide=is_wide) for entry in self._waiting if places or not entry.counts],
            places=places,
            taken={name for entry in self._in_flight for name in entry.run.exclusive},
            only_urgent=self._stopped() or 0 < self._max_failures <= self._unexpected,
        )
        return [entry for entry in (candidate.run for candidate in chosen) if self._place(entry)]

    def _as_waiting(self, entry: _Entry, *, is_wide: bool) -> Waiting[_Entry]:
        return Waiting(
            run=entry,
            expected=self._expected(entry),
            exclusive=entry.run.exclusive,
            urgent=entry.urgent,
            needs_place=entry.counts or not is_wide,
        )

    def _place(self, entry: _Entry) -> bool:
        entry.lease = self._places.take(entry.run.exclusive)
        if entry.lease is not None:
            self._waiting.remove(entry)
            self._in_flight.append(entry)
        return entry.lease is not None

    def _patience(self) -> float | None:
        """How long nothing can change by itself while runs wait; None for ever."""
        if not self._waiting or self._closing:
            return None
        now = self._clock.now()
        opens = self._window.opens_at(now)
        if self._window.places(len(self._in_flight), now):
            return _ASK_FOR_PLACES  # another process holds what is needed, and tells nobody when it is done
        return None if opens is None else max(opens - now, 0.01)

    async def _drive(self, entry: _Entry) -> None:
        try:
            if entry.run.launched is not None or await self._launch(entry):
                await self._follow(entry)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not leave a test waiting for ever
            self._finish(entry, error=SipfrontError(f"internal error: {type(error).__name__}: {error}"))
        finally:
            self._land(entry)

    async def _launch(self, entry: _Entry) -> bool:
        """Return whether the run is launched; if not, it is over or waits again."""
        entry.launch = uuid.uuid4().hex[:12]
        self._sending += 1
        try:
            self._engine.check()
            self._budget.reserve(entry.launch, self._expected(entry))
            await self._announce(entry)
            await self._send(entry)
        except SipfrontError as error:
            self._budget.cancel(entry.launch)
            if isinstance(error, PlatformBusy) and self._is_patient(entry, error):
                self._wait_again(entry, error)
            else:
                self._finish(entry, error=error)
            return False
        finally:
            self._sending -= 1
            self._wake()
        self._window.accepted()
        entry.launched.set()
        return True

    async def _announce(self, entry: _Entry) -> None:
        request = entry.run.request
        told = {"launch": entry.launch, "test": entry.run.label, "target": request.target, "digest": request.digest}
        await self._write(events.INTENT, told)

    async def _send(self, entry: _Entry) -> None:
        try:
            await self._engine.launch(entry.run)
        except SipfrontError as error:
            event = events.UNCERTAIN if isinstance(error, LaunchUncertain) else events.REFUSED
            await self._write_down(entry, event, error=str(error))
            raise
        launched = entry.run.launched
        if launched is not None:
            urls = {"status_url": launched.status_url, "report_url": launched.report_url}
            await self._write_down(entry, events.LAUNCHED, **urls, session_id=launched.session_id)

    def _is_patient(self, entry: _Entry, error: PlatformBusy) -> bool:
        """A full platform is waited for as long as the run itself would be; one that is out of order, not so long."""
        now = self._clock.now()
        if entry.refused_at is None:
            entry.refused_at = now
        limit = (entry.run.timeout or float("inf")) if error.at_capacity else self._retry_for
        return now + (error.retry_after or 0.0) <= entry.refused_at + limit

    def _wait_again(self, entry: _Entry, error: PlatformBusy) -> None:
        self._land(entry)
        self._window.refused(len(self._in_flight), self._clock.now(), error.retry_after)
        self._waiting.insert(0, entry)

    async def _follow(self, entry: _Entry) -> None:
        run = entry.run
        try:
            result = await self._engine.wait(run)
        except SipfrontError as error:
            await self._write_down(entry, events.NO_VERDICT, kind=type(error).__name__, error=str(error))
            self._finish(entry, error=error)
        else:
            bracket = self._engine.bracket(run)
            self._history.learn(run.request.digest, bracket)
            await self._write_down(entry, events.VERDICT, **end_of(result, bracket))
            self._finish(entry, result=result)
        finally:
            self._budget.settle(entry.launch, self._clock.now() - (run.launched_at or self._clock.now()))

    def _recover(self, entry: _Entry, known: Recorded) -> None:
        """Take up where an interrupted session was: at nothing certain, at a verdict, or at a run in flight."""
        run, entry.launch = entry.run, known.launch
        if known.is_uncertain or known.launched is None:
            self._finish(entry, error=LaunchUncertain.since(known.at))
            return
        run.launched, run.resumed = known.launched, known.at
        result = result_of(run, known)
        if result is not None:
            self._finish(entry, result=result)
            return
        run.launched_at = self._clock.now() - self._clock.age(known.at)
        entry.launched.set()
        self._in_flight.append(entry)
        self._taken_up.append(entry)

    # ---- small things -------------------------------------------------------------------------------------------

    async def _write(self, event: str, fields: Mapping[str, Any]) -> None:
        # in a thread, since a disk may take its time and the other runs should not
        await anyio.to_thread.run_sync(partial(self._ledger.append, event, **fields))

    async def _write_down(self, entry: _Entry, event: str, **fields: Any) -> None:
        """Write what has happened already: the run goes on though it cannot be written."""
        try:
            await self._write(event, {"launch": entry.launch, **fields})
        except ConfigurationError as error:
            entry.run.notes.append(str(error))

    def _demand(self, run: Run) -> _Entry:
        entry = self._entries[run]
        if not entry.urgent:
            entry.urgent = True
            self._wake()
        return entry

    def _finish(self, entry: _Entry, *, result: RunResult | None = None, error: SipfrontError | None = None) -> None:
        entry.result, entry.error = result, error
        self._over["" if result is None else result.verdict] += 1
        if result is None or entry.run.expectation.objection(Verdict(result.verdict), result.result_description):
            self._unexpected += 1
        entry.launched.set()
        entry.done.set()

    def _land(self, entry: _Entry) -> None:
        if entry.lease is not None:
            entry.lease.release()
            entry.lease = None
        if entry in self._in_flight:
            self._in_flight.remove(entry)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()

    def _expected(self, entry: _Entry) -> float | None:
        expected = self._history.expected(entry.run.request.digest)
        return expected.typical if expected else None

    def _left(self, entry: _Entry, now: float) -> float | None:
        expected = self._expected(entry)
        if expected is None:
            return None
        return max(expected - (now - (entry.run.launched_at or now)), 0.0)
