"""Runs many runs at once: admits waiting runs, records what happens to them, and returns each result."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from pytest_sipfront.engine.budget import Budget
from pytest_sipfront.engine.durations import Durations
from pytest_sipfront.engine.journal import Journal
from pytest_sipfront.engine.journal_writer import JournalWriter
from pytest_sipfront.engine.platform_history import PlatformHistory
from pytest_sipfront.engine.resume import JournalEntry, ResumableRuns, result_of
from pytest_sipfront.engine.run import FINISHED, LAUNCHED, QUEUED, Run, RunEvent, RunResult, Snapshot
from pytest_sipfront.engine.run_queue import QueuedRun, RunQueue
from pytest_sipfront.engine.runner import Clock, Runner
from pytest_sipfront.errors import LaunchOutcomeUnknown, LaunchSkipped, PlatformBusy, SipfrontError

_CONCURRENT_LAUNCHES = 20
"""Launches that are sent at the same time. If the session is killed, at most these are in doubt."""


class Scheduler:
    """Drives the runs of a session. All methods belong to the event loop."""

    def __init__(
        self,
        runner: Runner,
        *,
        limit: int,
        journal: Journal,
        budget: Budget,
        durations: Durations | None = None,
        platform_history: PlatformHistory | None = None,
        resumable: ResumableRuns | None = None,
        retry_for: float = 60.0,
        is_draining: Callable[[], bool] = lambda: False,
        max_failures: int = 0,
        clock: Clock | None = None,
    ) -> None:
        """Prepare the scheduler; `serve` does the work.

        Args:
            runner: Launches and polls one run.
            limit: Maximum number of concurrent runs.
            journal: Receives launches and verdicts.
            budget: Limits what the session may spend.
            durations: Known durations; learns from finished runs.
            platform_history: Looks up durations on the platform; None to look up none.
            resumable: Runs of interrupted sessions.
            retry_for: Seconds to retry a launch that the platform refuses for another reason than capacity.
            is_draining: Whether no run may start ahead of its test any more.
            max_failures: Number of unexpected verdicts after which that is so, too; 0 for no limit.
            clock: Time and randomness.
        """
        self._runner, self._writer, self._budget = runner, JournalWriter(journal), budget
        self._durations = durations or Durations()
        self._platform_history = platform_history
        self._resumable = resumable or ResumableRuns()
        self._retry_for, self._is_draining, self._max_failures = retry_for, is_draining, max_failures
        self._clock = clock or Clock()
        self._queue = RunQueue(limit, budget, self._durations)
        self._entries: dict[Run, QueuedRun] = {}
        self._resumed: list[QueuedRun] = []
        self._launching = 0
        self._launch_turns = anyio.Semaphore(_CONCURRENT_LAUNCHES)
        self._closing = False
        self._changed = anyio.Event()
        self._first_accepted = anyio.Event()

    # ---- for the service ----------------------------------------------------------------------------------------

    async def submit(self, run: Run, error: SipfrontError | None = None, needs_slot: bool = True) -> None:
        """Queue a run, or end it at once with `error`.

        Args:
            run: The run.
            error: Why it must not be launched; None to launch it.
            needs_slot: Whether it counts against the concurrency limit.
        """
        entry = self._entries[run] = QueuedRun(run, needs_slot)
        run.record(self._clock.event(QUEUED))
        earlier = self._resumable.take(run) if error is None else None
        if error is not None:
            self._finish(entry, error=error)
        elif earlier is not None:
            self._resume(entry, earlier)
        else:
            self._queue.add(entry)
            if self._platform_history is not None:
                self._platform_history.want(run)
        self._wake()

    async def launched(self, run: Run) -> None:
        """Return when `run` is launched.

        Raises:
            SipfrontError: It was not launched, or that is unknown.
        """
        entry = self._demand(run)
        await entry.launched.wait()
        if entry.error is not None and run.launched is None:
            raise entry.error

    async def finished(self, run: Run) -> RunResult:
        """Return the result of `run` when it is finished.

        Raises:
            SipfrontError: It has no verdict.
        """
        entry = self._demand(run)
        await entry.done.wait()
        if entry.error is not None:
            raise entry.error
        if entry.result is None:
            raise RuntimeError("a finished run has a result or an error")
        return entry.result

    def forget(self, run: Run) -> None:
        """Drop a finished run whose result was delivered."""
        self._entries.pop(run, None)

    def snapshot(self) -> Snapshot:
        """Count the runs by state."""
        return self._queue.snapshot(self._clock.now())

    # ---- the work -----------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Launch and poll what is submitted, until cancelled."""
        async with anyio.create_task_group() as tasks:
            if self._platform_history is not None:
                tasks.start_soon(self._look_up_durations, self._platform_history)
            while True:
                self._changed = anyio.Event()
                resumed, self._resumed = self._resumed, []
                for entry in (*resumed, *self._admit()):
                    tasks.start_soon(self._drive, entry)
                with anyio.move_on_after(self._next_admission()):
                    await self._changed.wait()

    async def _look_up_durations(self, history: PlatformHistory) -> None:
        """Look up durations once the platform has accepted a launch: with wrong credentials, one request is enough."""
        await self._first_accepted.wait()
        await history.serve()

    @property
    def is_launching(self) -> bool:
        """Whether the answer to a launch is awaited."""
        return self._launching > 0

    def stop(self) -> None:
        """Stop launching. Launches under way go on; waiting runs end with an error."""
        self._closing = True
        for entry in self._queue.withdraw():
            self._finish(entry, error=_session_ended())
        self._wake()

    async def close(self, seconds: float) -> None:
        """Stop, and return when the launches under way are answered and recorded, or after `seconds`."""
        self.stop()
        with anyio.move_on_after(seconds):
            while self._launching:
                await self._changed.wait()

    def _admit(self) -> list[QueuedRun]:
        if self._closing:
            return []
        return self._queue.admit(self._clock.now(), only_urgent=self._only_urgent)

    @property
    def _only_urgent(self) -> bool:
        """Whether no run may start ahead of its test any more."""
        return self._is_draining() or 0 < self._max_failures <= self._queue.unexpected

    def _next_admission(self) -> float | None:
        """Return after how many seconds time alone may admit a run; None if it cannot."""
        return None if self._closing else self._queue.next_admission(self._clock.now())

    async def _drive(self, entry: QueuedRun) -> None:
        try:
            if entry.run.launched is not None or await self._launch(entry):
                await self._follow(entry)
        except Exception as error:  # noqa: BLE001 - a defect of the engine must not leave a test waiting for ever
            self._budget.settle(entry.launch, None)
            if not entry.done.is_set():
                self._finish(entry, error=SipfrontError(f"internal error: {type(error).__name__}: {error}"))
        finally:
            self._queue.release(entry)
            self._wake()

    async def _launch(self, entry: QueuedRun) -> bool:
        """Return whether the run was launched. If not, it has ended or is back in the queue."""
        self._launching += 1
        try:
            async with self._launch_turns:
                if self._only_urgent and not entry.urgent and not self._closing:  # changed since its admission
                    self._queue.put_back(entry)
                    return False
                self._runner.check()
                await self._send(entry)
        except SipfrontError as error:
            if isinstance(error, LaunchOutcomeUnknown):  # such a run may cost what was reserved for it
                self._budget.settle(entry.launch, None)
            self._budget.cancel(entry.launch)
            if isinstance(error, PlatformBusy) and not self._closing and self._may_wait(entry, error):
                self._queue.refused(entry, self._clock.now(), error.retry_after)
            else:
                self._finish(entry, error=error)
            return False
        finally:
            self._launching -= 1
            self._wake()
        self._queue.accepted()
        self._first_accepted.set()
        self._budget.confirm(entry.launch)
        entry.launched.set()
        return True

    async def _send(self, entry: QueuedRun) -> None:
        launch, run = entry.launch, entry.run
        self._check_open()
        await self._writer.intent(launch, run)
        try:
            self._check_open()
            await self._runner.launch(run)
        except SipfrontError as error:
            await self._writer.not_launched(launch, run, error)
            raise
        await self._writer.launched(launch, run)

    def _check_open(self) -> None:
        if self._closing:
            raise _session_ended()

    def _may_wait(self, entry: QueuedRun, error: PlatformBusy) -> bool:
        """A run waits for capacity up to its own time limit, and for a platform out of order up to `retry_for`."""
        now = self._clock.now()
        if entry.refused_at is None:
            entry.refused_at = now
        limit = (entry.run.timeout or float("inf")) if error.at_capacity else self._retry_for
        return now + (error.retry_after or 0.0) <= entry.refused_at + limit

    async def _follow(self, entry: QueuedRun) -> None:
        launch, run = entry.launch, entry.run
        try:
            result = await self._runner.wait(run)
        except SipfrontError as error:
            await self._writer.no_verdict(launch, run, error)
            self._finish(entry, error=error)
        else:
            if run.resumed is None:
                self._durations.learn(run.key, self._runner.observed_duration(run))
            await self._writer.verdict(launch, run, result)
            self._finish(entry, result=result)
        finally:
            seconds = entry.result.duration if entry.result else run.age(self._clock.now())
            self._budget.settle(launch, seconds, uncertainty=0.0 if run.has_own_duration else run.launch_seconds)

    def _resume(self, entry: QueuedRun, earlier: JournalEntry) -> None:
        """Continue where an interrupted session stopped: at an uncertain launch, a verdict, or a run in flight."""
        run, entry.launch = entry.run, earlier.launch
        if earlier.is_uncertain or earlier.launched is None:
            self._finish(entry, error=LaunchOutcomeUnknown.since(earlier.at))
            return
        run.launched, run.resumed = earlier.launched, earlier.at
        age = self._clock.age(earlier.at)
        run.record(RunEvent(LAUNCHED, earlier.at.timestamp(), self._clock.now() - age))
        result = result_of(run, earlier)
        if result is not None:
            self._finish(entry, result=result)
            return
        run.launched_at = self._clock.now() - age
        entry.launched.set()
        self._queue.resume(entry)
        self._resumed.append(entry)

    # ---- helpers ------------------------------------------------------------------------------------------------

    def _demand(self, run: Run) -> QueuedRun:
        entry = self._entries[run]
        if not entry.urgent:
            entry.urgent = True
            self._wake()
        return entry

    def _finish(self, entry: QueuedRun, *, result: RunResult | None = None, error: SipfrontError | None = None) -> None:
        entry.run.record(self._clock.event(FINISHED))
        self._queue.finish(entry, result=result, error=error)

    def _wake(self) -> None:
        self._changed.set()


def _session_ended() -> LaunchSkipped:
    return LaunchSkipped("not launched: the session ended first")
