"""The runs of a session - waiting, in flight, over - and which of them may start next."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import anyio

from pytest_sipfront.engine.admission import Window, admissible
from pytest_sipfront.engine.budget import Budget
from pytest_sipfront.engine.durations import Durations
from pytest_sipfront.engine.run import Run, RunResult, Snapshot
from pytest_sipfront.engine.verdict import Verdict
from pytest_sipfront.errors import BudgetExceeded, SipfrontError

_SHORTEST_WAIT = 0.01


@dataclass(slots=True, eq=False)
class QueuedRun:
    """A run from its submission to its end.

    Attributes:
        run: The run.
        needs_slot: Whether it counts against the concurrency limit.
        urgent: Whether a test is waiting for it.
        refused_at: When the platform first refused it for lack of capacity; None if it never did.
        launch: The id of its latest launch attempt; "" before the first.
        launched, done: Set once the launch, or the run, has succeeded or failed.
        result, error: The outcome: one of them is set when `done` is.
    """

    run: Run
    needs_slot: bool = True
    urgent: bool = False
    refused_at: float | None = None
    launch: str = ""
    launched: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)
    result: RunResult | None = None
    error: SipfrontError | None = None

    @property
    def exclusive(self) -> frozenset[str]:
        """Names that no two concurrent runs may share."""
        return self.run.exclusive


class RunQueue:
    """Keeps the queued runs and decides which may start. It starts nothing itself."""

    def __init__(self, limit: int, budget: Budget, durations: Durations) -> None:
        """Allow at most `limit` concurrent runs within `budget`; `durations` estimates how long each takes."""
        self._limit, self._budget, self._durations = limit, budget, durations
        self._window = Window(limit)
        self._waiting: list[QueuedRun] = []
        self._in_flight: list[QueuedRun] = []
        self._over = {Verdict.PASSED.value: 0, Verdict.FAILED.value: 0, "": 0}
        self.unexpected = 0

    def add(self, entry: QueuedRun) -> None:
        """Append a run to the queue."""
        self._waiting.append(entry)

    def admit(self, now: float, *, only_urgent: bool) -> list[QueuedRun]:
        """Move the runs that may start at `now` into flight and return them.

        Args:
            now: The time.
            only_urgent: Start only runs that a test is waiting for.
        """
        started: list[QueuedRun] = []
        while chosen := self._choose(now, only_urgent=only_urgent):
            for entry in chosen:
                try:
                    if not self._budget.fits(self.expected(entry)):
                        return started  # no other run overtakes it: it would never fit
                except BudgetExceeded as error:
                    self._waiting.remove(entry)
                    self.finish(entry, error=error)
                else:
                    self._start(entry)
                    started.append(entry)
        return started

    def next_admission(self, now: float) -> float | None:
        """Return after how many seconds time alone may admit a waiting run; None if it cannot."""
        if not self._waiting or self._window.free_slots(len(self._in_flight), now):
            return None
        opens = self._window.opens_at(now)
        return None if opens is None else max(opens - now, _SHORTEST_WAIT)

    def resume(self, entry: QueuedRun) -> None:
        """Count a run that an earlier session launched as in flight."""
        self._in_flight.append(entry)

    def accepted(self) -> None:
        """Note that the platform accepted a launch."""
        self._window.accepted()

    def refused(self, entry: QueuedRun, now: float, retry_after: float | None) -> None:
        """Put a run that the platform has no capacity for back at the head of the queue.

        Args:
            entry: The run.
            now: The time.
            retry_after: Seconds that the platform asks to wait; None if it does not say.
        """
        self.put_back(entry)
        self._window.refused(len(self._in_flight), now, retry_after)

    def put_back(self, entry: QueuedRun) -> None:
        """Put an admitted run that was not launched back at the head of the queue."""
        self._budget.cancel(entry.launch)
        self.release(entry)
        self._waiting.insert(0, entry)

    def release(self, entry: QueuedRun) -> None:
        """Free the slot of a run that is no longer in flight."""
        if entry in self._in_flight:
            self._in_flight.remove(entry)

    def withdraw(self) -> list[QueuedRun]:
        """Remove all waiting runs from the queue and return them."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def finish(self, entry: QueuedRun, *, result: RunResult | None = None, error: SipfrontError | None = None) -> None:
        """Record how a run ended, and wake its waiters."""
        entry.result, entry.error = result, error
        self._over["" if result is None else result.verdict] += 1
        if result is None or entry.run.expectation.objection(Verdict(result.verdict), result.result_description):
            self.unexpected += 1
        entry.launched.set()
        entry.done.set()

    def expected(self, entry: QueuedRun) -> float | None:
        """Return the seconds that a run will probably take; None if unknown."""
        expected = self._durations.expected(entry.run.key)
        return expected.typical if expected else None

    def snapshot(self, now: float) -> Snapshot:
        """Count the runs at `now`."""
        running = [seconds for entry in self._in_flight if (seconds := self._remaining(entry, now)) is not None]
        waiting = [seconds for entry in self._waiting if (seconds := self.expected(entry)) is not None]
        evenly = (sum(running) + sum(waiting)) / self._limit
        return Snapshot(
            running=len(self._in_flight),
            waiting=len(self._waiting),
            passed=self._over[Verdict.PASSED.value],
            failed=self._over[Verdict.FAILED.value],
            none=self._over[""],
            remaining=max(evenly, *running, *waiting) if running or waiting else None,
        )

    def _choose(self, now: float, *, only_urgent: bool) -> list[QueuedRun]:
        """Return the waiting runs that have a slot and their exclusive names at `now`."""
        if not self._waiting:
            return []
        slots = self._window.free_slots(len(self._in_flight), now)
        is_wide = self._window.is_wide(now)
        if not (slots or is_wide):
            return []
        return admissible(
            [entry for entry in self._waiting if slots or not entry.needs_slot],
            slots=slots,
            expected=self.expected,
            taken={name for entry in self._in_flight for name in entry.exclusive},
            only_urgent=only_urgent,
            all_need_slots=not is_wide,
        )

    def _start(self, entry: QueuedRun) -> None:
        entry.launch = uuid.uuid4().hex[:12]
        entry.run.expected = self.expected(entry)
        self._budget.reserve(entry.launch, entry.run.expected)
        self._waiting.remove(entry)
        self._in_flight.append(entry)

    def _remaining(self, entry: QueuedRun, now: float) -> float | None:
        expected = self.expected(entry)
        return None if expected is None else max(expected - entry.run.age(now), 0.0)
