"""Which waiting runs may start now. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable
from typing import Protocol, TypeVar

_WIDEN_AFTER = 5.0
_SHORTEST_WAIT, _FIRST_WAIT, _LONGEST_WAIT = 0.1, 1.0, 30.0


class WaitingRun(Protocol):
    """A run that waits for its launch.

    Attributes:
        exclusive: Names that no two runs in flight may share.
        urgent: Whether a test is waiting for the run.
        needs_slot: Whether the run counts against the concurrency limit.
    """

    @property
    def exclusive(self) -> frozenset[str]: ...

    @property
    def urgent(self) -> bool: ...

    @property
    def needs_slot(self) -> bool: ...


W = TypeVar("W", bound=WaitingRun)


def admissible(
    waiting: Iterable[W],
    *,
    slots: int,
    expected: Callable[[W], float | None],
    taken: Collection[str] = (),
    only_urgent: bool = False,
    all_need_slots: bool = False,
) -> list[W]:
    """Return the runs that may start now, in the order in which to start them.

    Urgent runs come first, in their order. Then come the longest runs: a long run that starts late delays the end of
    the session. A run of unknown duration may be the longest and comes before the others.

    Args:
        waiting: The runs in the order of their tests.
        slots: Number of free slots.
        expected: Returns the expected duration of a run in seconds; None if it is unknown.
        taken: The exclusive names of the runs in flight.
        only_urgent: Whether to start urgent runs only.
        all_need_slots: Whether even runs that need no slot must wait for one, because the platform is full.
    """

    def rank(run: W) -> tuple[bool, float]:
        seconds = expected(run)
        return (False, 0.0) if run.urgent else (True, float("-inf") if seconds is None else -seconds)

    chosen: list[W] = []
    held = set(taken)
    for run in sorted((run for run in waiting if run.urgent or not only_urgent), key=rank):
        if (run.needs_slot or all_need_slots) and len(chosen) >= slots:
            continue
        if run.exclusive.isdisjoint(held):
            chosen.append(run)
            held |= run.exclusive
        elif run.urgent:
            held |= run.exclusive  # otherwise other runs could take these names again and again
    return chosen


class Window:
    """The maximum number of runs in flight: the concurrency limit, or less for a while after the platform is full."""

    def __init__(self, limit: int) -> None:
        """Start with `limit`."""
        self.limit = limit
        self._width = limit
        self._wait = 0.0
        self._closed_until = float("-inf")
        self._widened_at = float("-inf")

    def free_slots(self, in_flight: int, now: float) -> int:
        """Return how many more runs may be launched at `now`."""
        if now < self._closed_until:
            return 0
        if self._width < self.limit and now >= self._widened_at + _WIDEN_AFTER:
            self._width, self._widened_at = self._width + 1, now
        return max(self._width - in_flight, 0)

    def is_wide(self, now: float) -> bool:
        """Return whether the limit alone restricts launches, because the platform has refused none recently."""
        return now >= self._closed_until and self._width == self.limit

    def opens_at(self, now: float) -> float | None:
        """Return when the window opens or widens next; None if that does not depend on time."""
        if now < self._closed_until:
            return self._closed_until
        return self._widened_at + _WIDEN_AFTER if self._width < self.limit else None

    def refused(self, in_flight: int, now: float, hint: float | None) -> None:
        """Narrow the window to the runs that the platform has accepted, and close it for a while.

        Several launches that are refused while the window is closed count as one refusal.

        Args:
            in_flight: Number of runs that the platform has accepted.
            now: The current time.
            hint: Seconds to wait according to the platform; None without a hint.
        """
        if now >= self._closed_until:
            self._wait = min(self._wait * 2, _LONGEST_WAIT) if self._wait else _FIRST_WAIT
        self._width = max(1, min(self._width, in_flight))
        self._closed_until = max(self._closed_until, now + (self._wait if hint is None else max(hint, _SHORTEST_WAIT)))
        self._widened_at = self._closed_until

    def accepted(self) -> None:
        """Note that the platform accepted a launch: the next refusal is the first of its series."""
        self._wait = 0.0


def makespan(durations: Iterable[float], slots: int) -> float:
    """Return how long runs of these durations take with `slots` slots if the longest start first; all in seconds."""
    ends = [0.0] * max(slots, 1)
    for duration in sorted(durations, reverse=True):
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)
