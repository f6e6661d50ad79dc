"""When to ask for a run's status next. Pure."""

from __future__ import annotations

from dataclasses import dataclass

POLLS_PER_SECOND = 450.0
"""The most that one process asks, whatever the number of its runs: a poll costs about 1.3 ms of a core."""
_JITTER = 0.1
_QUARTER = 0.25
_CLOSEST, _FARTHEST = 0.125, 0.75
_LATE, _OVERDUE_SHARE = 0.5, 0.25
_LONGEST = 4.0
_INSTANT = 0.001
"""What history is rounded to."""
_SOONEST = 0.1
"""A hint of no time at all is no invitation to hammer."""


@dataclass(frozen=True, slots=True)
class ExpectedDuration:
    """When a run will be over, as earlier runs of the same request say.

    Attributes:
        least, most: Seconds from launch between which they were over.
    """

    least: float
    most: float

    @property
    def typical(self) -> float:
        """Seconds that such a run takes."""
        return (self.least + self.most) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One run at one moment, all times in seconds on one clock.

    Attributes:
        now: The moment.
        launched_at: When the run was launched.
        deadline: When it must be over; None for no limit.
        polls: How often its status was asked for.
        hint: Seconds that the platform asks to wait; None if it does not say.
    """

    now: float
    launched_at: float
    deadline: float | None = None
    polls: int = 0
    hint: float | None = None


def crowd_of(runs: int) -> float:
    """Return how many seconds it takes to ask for each of so many runs once, without asking too often."""
    return runs / POLLS_PER_SECOND


def watch_from(at: Moment, expected: ExpectedDuration | None) -> float:
    """Return when the run may be over, on the clock of `at`: before, there is nothing to ask."""
    begin = at.launched_at + (expected.least if expected else 0.0)
    return begin if at.deadline is None else min(begin, at.deadline)


def next_poll(
    at: Moment, interval: float, expected: ExpectedDuration | None = None, *, crowd: float = 0.0, random: float = 0.0
) -> float:
    """Return when to ask next, on the clock of `at`, from the moment on that `watch_from` says.

    First one interval after the launch, or within the expected end if that is known and later; closely around it;
    ever more rarely when the run is overdue; and once more right at the deadline.

    Args:
        at: The run and the moment.
        interval: Seconds between two questions where nothing better is known.
        expected: When the run will be over; None if that is not known.
        crowd: Seconds that it takes to ask for all runs once that may be over. However short the interval, none is
            asked more often, save once when it is expected to be over.
        random: From 0 to 1; takes that share of a tenth off the wait, so that runs spread.
    """
    hint = None if at.hint is None else max(at.hint, min(interval, _SOONEST))
    due = at.now + (_wait(at, max(interval, crowd), expected, crowd, random) if hint is None else hint)
    return due if at.deadline is None else min(due, max(at.deadline, at.now))


def _wait(at: Moment, interval: float, expected: ExpectedDuration | None, crowd: float, random: float) -> float:
    age = at.now - at.launched_at
    shortened = 1 - _JITTER * random
    if expected is None:
        return max(interval - age, 0.0) if at.polls == 0 else interval * shortened
    if at.polls == 0:
        first = max(interval, expected.least + _step(expected, expected.least, interval, crowd))
        return max(first - age, 0.0)
    overdue = age - expected.most
    if overdue < interval * _LONGEST:
        step = _step(expected, age, interval, crowd)
        return max(min(overdue * _LATE, interval), step) * shortened
    return min(overdue * _OVERDUE_SHARE, interval * _LONGEST) * shortened


def _step(expected: ExpectedDuration, age: float, interval: float, crowd: float) -> float:
    """A quarter of the time in which the end lies: four questions find it at the most, and are at most so late.

    In a crowd they are fewer, but one comes when all of that time has passed.
    """
    closest = interval * _CLOSEST
    step = min(max((expected.most - expected.least) * _QUARTER, closest), interval * _FARTHEST)
    left = expected.most - age
    return min(max(step, crowd), max(left, closest)) if left > _INSTANT else max(step, crowd)


def is_overdue(now: float, deadline: float | None) -> bool:
    """Return whether the run has had its time."""
    return deadline is not None and now >= deadline
