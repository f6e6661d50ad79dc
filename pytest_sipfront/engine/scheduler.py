"""Many runs at once: admits those that wait, writes down what happens, and hands each result to who asks for it."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from pytest_sipfront.engine.budget import Budget
from pytest_sipfront.engine.durations import Durations
from pytest_sipfront.engine.journal import Journal
from pytest_sipfront.engine.journal_writer import JournalWriter
from pytest_sipfront.engine.platform_history import PlatformHistory
from pytest_sipfront.engine.resume import JournalEntry, ResumableRuns, result_of
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.run_queue import QueuedRun, RunQueue, Snapshot
from pytest_sipfront.engine.runner import Clock, Runner
from pytest_sipfront.engine.slots import Slots
from pytest_sipfront.errors import LaunchOutcomeUnknown, LaunchSkipped, PlatformBusy, SipfrontError

_SENT_AT_ONCE = 20
"""Launches under way: of the others it is certain that no call is placed, whenever the session ends or is killed."""
_LAST_WORDS = 3.0
"""Seconds that an interrupted launch has to learn its answer: without it, nobody knows whether a call is placed."""


class Scheduler:
    """Drives the runs of one process. Its methods belong to the event loop's thread."""

    def __init__(
        self,
        engine: Runner,
        *,
        limit: int,
        journal: Journal,
        places: Slots,
        budget: Budget,
        durations: Durations | None = None,
        platform_history: PlatformHistory | None = None,
        resumable: ResumableRuns | None = None,
        retry_for: float = 60.0,
        stopped: Callable[[], bool] = lambda: False,
        max_failures: int = 0,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; `serve` does the work.

        Args:
            engine: Launches a run and follows it.
            limit: How many may be in flight.
            journal: Records launches and verdicts.
            places: What other processes of the session share.
            budget: What the session may spend.
            durations: The durations of earlier runs; learns those of runs that end.
            platform_history: Looks up the durations that are unknown here; None to look up nothing.
            resumable: The runs of interrupted sessions.
            retry_for: Seconds to try again a launch while the platform says "not now" without being full.
            stopped: Whether nothing may be launched ahead any more.
            max_failures: After how many runs that are not as expected that is so, too; 0 for never.
            clock: Time and chance.
        """
        self._engine, self._scribe, self._budget = engine, JournalWriter(journal), budget
        self._durations = durations or Durations()
        self._platform_history = platform_history
        self._resumable = resumable or ResumableRuns()
        self._retry_for, self._stopped, self._max_failures = retry_for, stopped, max_failures
        self._clock = clock or Clock()
        self._roster = RunQueue(limit, places, budget, self._durations)
        self._entries: dict[Run, QueuedRun] = {}
        self._taken_up: list[QueuedRun] = []
        self._sending = 0
        self._turns = anyio.Semaphore(_SENT_AT_ONCE)
        self._closing = False
        self._changed = anyio.Event()

    # ---- for the session ----------------------------------------------------------------------------------------

    async def submit(self, run: Run, error: SipfrontError | None = None, needs_slot: bool = True) -> None:
        """Take up a run: launched as soon as it may be, or ended at once with `error`.

        Args:
            run: The run.
            error: Why it is not to be launched; None if it is.
            needs_slot: Whether it counts against the concurrency limit.
        """
        entry = self._entries[run] = QueuedRun(run, needs_slot)
        known = self._resumable.take(run) if error is None else None
        if error is not None:
            self._roster.finish(entry, error=error)
        elif known is not None:
            self._recover(entry, known)
        else:
            self._roster.queue(entry)
            if self._platform_history is not None:
                self._platform_history.want(run)
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
        await self._demand(run).done.wait()
        return self.outcome(run)

    def is_over(self, run: Run) -> bool:
        """Return whether `outcome` has an answer; may be asked from any thread."""
        return self._entries[run].done.is_set()

    def outcome(self, run: Run) -> RunResult:
        """Return the result of a `run` that is over; may be asked from any thread.

        Raises:
            SipfrontError: There is none.
        """
        entry = self._entries[run]
        if entry.error is not None:
            raise entry.error
        if entry.result is None:
            raise RuntimeError("a run is over with a result or an error")
        return entry.result

    @property
    def is_live(self) -> bool:
        """Whether any run is not over; may be asked from any thread, and often."""
        return self._roster.is_live

    def snapshot(self) -> Snapshot:
        """Return where the runs stand; may be asked from any thread."""
        return self._roster.snapshot(self._clock.now())

    # ---- the work -----------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Launch and follow what is submitted, until cancelled."""
        async with anyio.create_task_group() as tasks:
            if self._platform_history is not None:
                tasks.start_soon(self._platform_history.serve)
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

    def _admit(self) -> list[QueuedRun]:
        if self._closing:
            return []
        return self._roster.admit(self._clock.now(), only_urgent=self._only_urgent)

    @property
    def _only_urgent(self) -> bool:
        """Whether nothing is to be launched ahead any more."""
        return self._stopped() or 0 < self._max_failures <= self._roster.unexpected

    def _patience(self) -> float | None:
        """How long nothing can change by itself; None for ever."""
        return None if self._closing else self._roster.patience(self._clock.now())

    async def _drive(self, entry: QueuedRun) -> None:
        try:
            if entry.run.launched is not None or await self._launch(entry):
                await self._follow(entry)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not leave a test waiting for ever
            self._budget.settle(entry.launch, None)
            if not entry.done.is_set():
                self._roster.finish(entry, error=SipfrontError(f"internal error: {type(error).__name__}: {error}"))
        finally:
            self._roster.land(entry)
            self._wake()

    async def _launch(self, entry: QueuedRun) -> bool:
        """Return whether the run is launched; if not, it is over or waits again."""
        self._sending += 1
        try:
            async with self._turns:
                if self._only_urgent and not entry.urgent:  # since it was admitted
                    self._roster.put_back(entry)
                    return False
                self._engine.check()
                await self._send(entry)
        except SipfrontError as error:
            if isinstance(error, LaunchOutcomeUnknown):
                self._budget.settle(entry.launch, None)
            self._budget.cancel(entry.launch)
            if isinstance(error, PlatformBusy) and self._is_patient(entry, error):
                self._roster.wait_again(entry, self._clock.now(), error.retry_after)
            else:
                self._roster.finish(entry, error=error)
            return False
        finally:
            self._sending -= 1
            self._wake()
        self._roster.accepted()
        self._budget.confirm(entry.launch)
        entry.launched.set()
        return True

    async def _send(self, entry: QueuedRun) -> None:
        launch, run = entry.launch, entry.run
        self._check_open()
        await self._scribe.intent(launch, run)
        try:
            self._check_open()
            await self._engine.launch(run)
        except SipfrontError as error:
            await self._scribe.not_launched(launch, run, error)
            raise
        await self._scribe.launched(launch, run)

    def _check_open(self) -> None:
        if self._closing:
            raise LaunchSkipped("not launched: the session ended before")

    def _is_patient(self, entry: QueuedRun, error: PlatformBusy) -> bool:
        """A full platform is waited for as long as the run itself would be; one that is out of order, not so long."""
        now = self._clock.now()
        if entry.refused_at is None:
            entry.refused_at = now
        limit = (entry.run.timeout or float("inf")) if error.at_capacity else self._retry_for
        return now + (error.retry_after or 0.0) <= entry.refused_at + limit

    async def _follow(self, entry: QueuedRun) -> None:
        launch, run = entry.launch, entry.run
        try:
            result = await self._engine.wait(run)
        except SipfrontError as error:
            await self._scribe.no_verdict(launch, run, error)
            self._roster.finish(entry, error=error)
        else:
            if run.resumed is None:
                self._durations.learn(run.key, self._engine.observed_duration(run))
            await self._scribe.verdict(launch, run, result)
            self._roster.finish(entry, result=result)
        finally:
            self._budget.settle(launch, entry.result.duration if entry.result else run.age(self._clock.now()))

    def _recover(self, entry: QueuedRun, known: JournalEntry) -> None:
        """Take up where an interrupted session was: at nothing certain, at a verdict, or at a run in flight."""
        run, entry.launch = entry.run, known.launch
        if known.is_uncertain or known.launched is None:
            self._roster.finish(entry, error=LaunchOutcomeUnknown.since(known.at))
            return
        run.launched, run.resumed = known.launched, known.at
        result = result_of(run, known)
        if result is not None:
            self._roster.finish(entry, result=result)
            return
        run.launched_at = self._clock.now() - self._clock.age(known.at)
        entry.launched.set()
        self._roster.take_up(entry)
        self._taken_up.append(entry)

    # ---- small things -------------------------------------------------------------------------------------------

    def _demand(self, run: Run) -> QueuedRun:
        entry = self._entries[run]
        if not entry.urgent:
            entry.urgent = True
            self._wake()
        return entry

    def _wake(self) -> None:
        self._changed.set()
