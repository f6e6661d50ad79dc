"""Which waiting runs may start now. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
_WIDEN_AFTER = 5.0
_SHORTEST_WAIT, _FIRST_WAIT, _LONGEST_WAIT = 0.1, 1.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Generic[T]):
    """A run that waits to be started.

    Attributes:
        run: The run itself; nothing is asked of it here.
        expected: Seconds that it will take; None if unknown.
        exclusive: Names of which no two runs in flight share one.
        urgent: A test waits for it at this moment.
        needs_place: Whether it counts against the places at all.
    """

    run: T
    expected: float | None = None
    exclusive: frozenset[str] = frozenset()
    urgent: bool = False
    needs_place: bool = True


def admissible(
    waiting: Sequence[Waiting[T]], *, places: int, taken: Collection[str] = (), only_urgent: bool = False
) -> list[Waiting[T]]:
    """Return which of `waiting` may start now, in the order in which to start them.

    Those that a test waits for come first, in their order; then the longest, since a long run that starts late is
    what everybody waits for at the end. What takes unknown time may be long and comes before the known.

    Args:
        waiting: The runs in the order of their tests.
        places: How many may start.
        taken: The names that runs in flight hold.
        only_urgent: Start nothing ahead.
    """
    chosen: list[Waiting[T]] = []
    held = set(taken)
    for candidate in sorted((one for one in waiting if one.urgent or not only_urgent), key=_rank):
        if candidate.needs_place and len(chosen) >= places:
            continue
        if candidate.exclusive.isdisjoint(held):
            chosen.append(candidate)
            held |= candidate.exclusive
        elif candidate.urgent:
            held |= candidate.exclusive  # nobody else may take what it waits for
    return chosen


def _rank(candidate: Waiting[T]) -> tuple[bool, float]:
    """Sorting is stable, so equals stay in their order."""
    if candidate.urgent:
        return False, 0.0
    return True, float("-inf") if candidate.expected is None else -candidate.expected


class Window:
    """How many runs may be in flight: at most the limit, and less for a while when the platform says "not now"."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._width = limit
        self._wait = 0.0
        self._closed_until = float("-inf")
        self._widened_at = float("-inf")

    def places(self, in_flight: int, now: float) -> int:
        """Return how many more runs may be launched at `now`."""
        if now < self._closed_until:
            return 0
        if self._width < self.limit and now >= self._widened_at + _WIDEN_AFTER:
            self._width, self._widened_at = self._width + 1, now
        return max(self._width - in_flight, 0)

    def is_wide(self, now: float) -> bool:
        """Return whether the platform takes as many as the limit says, as far as is known."""
        return now >= self._closed_until and self._width == self.limit

    def opens_at(self, now: float) -> float | None:
        """Return when it opens again, or widens; None if time alone changes nothing."""
        if now < self._closed_until:
            return self._closed_until
        return self._widened_at + _WIDEN_AFTER if self._width < self.limit else None

    def refused(self, in_flight: int, now: float, hint: float | None) -> None:
        """Narrow it: beside `in_flight` runs the platform takes no more for now.

        Refusals of launches that were under way together count as one.

        Args:
            in_flight: How many runs it has.
            now: The moment.
            hint: Seconds that it asks to wait; None if it does not say.
        """
        if now >= self._closed_until:
            self._wait = min(self._wait * 2, _LONGEST_WAIT) if self._wait else _FIRST_WAIT
        self._width = max(1, min(self._width, in_flight))
        self._closed_until = max(self._closed_until, now + (self._wait if hint is None else max(hint, _SHORTEST_WAIT)))
        self._widened_at = self._closed_until

    def accepted(self) -> None:
        """A launch went through."""
        self._wait = 0.0


def makespan(durations: Iterable[float], places: int) -> float:
    """Return how long runs of these `durations` (seconds) take, the longest started first, with so many `places`."""
    ends = [0.0] * max(places, 1)
    for duration in sorted(durations, reverse=True):
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)
