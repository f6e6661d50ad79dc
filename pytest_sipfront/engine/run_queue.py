"""Where the runs of one process stand - waiting, in flight, over - and which of them may start next."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import anyio

from pytest_sipfront.engine.admission import Window, admissible
from pytest_sipfront.engine.budget import Budget
from pytest_sipfront.engine.durations import Durations
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.slots import Lease, Slots
from pytest_sipfront.engine.verdict import Verdict
from pytest_sipfront.errors import BudgetExceeded, SipfrontError


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Where a session's runs stand.

    Attributes:
        running, waiting: How many are in flight, and how many wait for a place.
        passed, failed, none: How many are over, by verdict.
        remaining: Seconds until the runs of known duration have ended; None if there are none.
    """

    running: int
    waiting: int
    passed: int
    failed: int
    none: int
    remaining: float | None


@dataclass(slots=True, eq=False)
class QueuedRun:
    """A run from its submission to its end.

    Attributes:
        run: The run.
        needs_slot: Whether it counts against the concurrency limit.
        urgent: A test waits for it at this moment.
        refused_at: When the platform first had no place for it; None if it never said so.
        launch: The id of the attempt to launch it that is under way, or that went through; "" before the first.
        lease: Its place, while it has one.
        launched, done: Set once that is known, for good or ill.
        result, error: How it ended; one of them, once it is done.
    """

    run: Run
    needs_slot: bool = True
    urgent: bool = False
    refused_at: float | None = None
    launch: str = ""
    lease: Lease | None = None
    launched: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)
    result: RunResult | None = None
    error: SipfrontError | None = None

    @property
    def exclusive(self) -> frozenset[str]:
        """Names that no two runs in flight may share."""
        return self.run.exclusive


class RunQueue:
    """The entries of one process. It starts nothing itself and belongs to the event loop's thread."""

    def __init__(self, limit: int, places: Slots, budget: Budget, durations: Durations) -> None:
        """Keep at most `limit` in flight, each with a place of `places` and reserved in `budget`."""
        self._limit, self._places, self._budget, self._durations = limit, places, budget, durations
        self._window = Window(limit)
        self._waiting: list[QueuedRun] = []
        self._in_flight: list[QueuedRun] = []
        self._over = {Verdict.PASSED.value: 0, Verdict.FAILED.value: 0, "": 0}
        self.unexpected = 0

    @property
    def is_live(self) -> bool:
        """Whether any run is not over; may be asked from any thread."""
        return bool(self._in_flight or self._waiting)

    def queue(self, entry: QueuedRun) -> None:
        """Let a run wait for its start, behind the others."""
        self._waiting.append(entry)

    def admit(self, now: float, *, only_urgent: bool) -> list[QueuedRun]:
        """Give places to those that may start at `now`, and return them; with `only_urgent`, none ahead."""
        if not self._waiting:
            return []
        slots = self._window.free_slots(len(self._in_flight), now)
        is_wide = self._window.is_wide(now)
        if not (slots or is_wide):
            return []
        chosen = admissible(
            [entry for entry in self._waiting if slots or not entry.needs_slot],
            slots=slots,
            expected=self.expected,
            taken={name for entry in self._in_flight for name in entry.exclusive},
            only_urgent=only_urgent,
            all_need_slots=not is_wide,
        )
        started: list[QueuedRun] = []
        for entry in chosen:
            try:
                if not self._budget.fits(self.expected(entry)):
                    break  # no other run overtakes it: it would never fit
            except BudgetExceeded as error:
                self._waiting.remove(entry)
                self.finish(entry, error=error)
                continue
            if self._place(entry):
                started.append(entry)
        return started

    def patience(self, now: float) -> float | None:
        """Return after how many seconds a waiting run may have to be looked at again, though nothing happened here."""
        if not self._waiting:
            return None
        if self._window.free_slots(len(self._in_flight), now):
            return self._places.patience
        opens = self._window.opens_at(now)
        return None if opens is None else max(opens - now, 0.01)

    def take_up(self, entry: QueuedRun) -> None:
        """Count a run that an earlier session launched as in flight, with a place of its own if one is free."""
        entry.lease = self._places.take(entry.run.exclusive)
        self._in_flight.append(entry)

    def accepted(self) -> None:
        """Note that the platform took a run."""
        self._window.accepted()

    def wait_again(self, entry: QueuedRun, now: float, hint: float | None) -> None:
        """Take back a run that the platform has no place for at `now`: it is next, after `hint` seconds if it said."""
        self.put_back(entry)
        self._window.refused(len(self._in_flight), now, hint)

    def put_back(self, entry: QueuedRun) -> None:
        """Let a run that was given a place wait again, before all others."""
        self._budget.cancel(entry.launch)
        self.land(entry)
        self._waiting.insert(0, entry)

    def land(self, entry: QueuedRun) -> None:
        """Free the place of a run that is in flight no more."""
        if entry.lease is not None:
            entry.lease.release()
            entry.lease = None
        if entry in self._in_flight:
            self._in_flight.remove(entry)

    def finish(self, entry: QueuedRun, *, result: RunResult | None = None, error: SipfrontError | None = None) -> None:
        """Note how a run ended, and tell who waits for it."""
        entry.result, entry.error = result, error
        self._over["" if result is None else result.verdict] += 1
        if result is None or entry.run.expectation.objection(Verdict(result.verdict), result.result_description):
            self.unexpected += 1
        entry.launched.set()
        entry.done.set()

    def expected(self, entry: QueuedRun) -> float | None:
        """Return the seconds that a run will take; None if that is not known."""
        expected = self._durations.expected(entry.run.key)
        return expected.typical if expected else None

    def snapshot(self, now: float) -> Snapshot:
        """Return where the runs stand at `now`; may be asked from any thread."""
        flying, waiting = list(self._in_flight), list(self._waiting)
        lasts = [seconds for entry in flying if (seconds := self._left(entry, now)) is not None]
        waits = [seconds for entry in waiting if (seconds := self.expected(entry)) is not None]
        evenly = (sum(lasts) + sum(waits)) / self._limit
        return Snapshot(
            running=len(flying),
            waiting=len(waiting),
            passed=self._over[Verdict.PASSED.value],
            failed=self._over[Verdict.FAILED.value],
            none=self._over[""],
            remaining=max(evenly, *lasts, *waits) if lasts or waits else None,
        )

    def _place(self, entry: QueuedRun) -> bool:
        entry.lease = self._places.take(entry.run.exclusive)
        if entry.lease is None:
            return False
        entry.launch = uuid.uuid4().hex[:12]
        self._budget.reserve(entry.launch, self.expected(entry))
        self._waiting.remove(entry)
        self._in_flight.append(entry)
        return True

    def _left(self, entry: QueuedRun, now: float) -> float | None:
        expected = self.expected(entry)
        return None if expected is None else max(expected - entry.run.age(now), 0.0)
