"""When to ask for a run's status next. Pure."""

from __future__ import annotations

from dataclasses import dataclass

POLLS_PER_SECOND = 350.0
"""The most that one session asks, whatever the number of its runs: a poll costs about 1.8 ms of a core."""
_JITTER = 0.1
_CLOSE = 0.5
_MARGIN = 0.02
_OVERDUE_SHARE = 0.25
_LONGEST = 4.0
_SOONEST = 0.1
"""A hint of no time at all is no invitation to hammer."""


@dataclass(frozen=True, slots=True)
class Expected:
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


def shared_interval(interval: float, in_flight: int) -> float:
    """Return the interval of each of `in_flight` runs, so that all together do not ask too often."""
    return max(interval, in_flight / POLLS_PER_SECOND)


def next_poll(at: Moment, interval: float, expected: Expected | None = None, *, random: float = 0.0) -> float:
    """Return when to ask next, on the clock of `at`.

    First one interval after the launch, or when the run could be over if that is known and later; closely around the
    expected end; ever more rarely when the run is overdue; and once more right at the deadline.

    Args:
        at: The run and the moment.
        interval: Seconds between two questions where nothing better is known.
        expected: When the run will be over; None if that is not known.
        random: From 0 to 1; takes that share of a tenth off the wait, so that runs spread.
    """
    hint = None if at.hint is None else max(at.hint, min(interval, _SOONEST))
    due = at.now + (_wait(at, interval, expected, random) if hint is None else hint)
    return due if at.deadline is None else min(due, max(at.deadline, at.now))


def _wait(at: Moment, interval: float, expected: Expected | None, random: float) -> float:
    shortened = 1 - _JITTER * random
    if at.polls == 0:
        due = at.launched_at + (max(interval, expected.least * (1 - _MARGIN)) if expected else interval)
        return max(due - at.now, 0.0)
    age = at.now - at.launched_at
    if expected is None:
        return interval * shortened
    if age < expected.least * (1 - _MARGIN):
        return max(expected.least * (1 - _MARGIN) - age, interval * _CLOSE)
    overdue = age - expected.most * (1 + _MARGIN)
    if overdue < interval:
        return interval * _CLOSE * shortened
    return min(max(overdue * _OVERDUE_SHARE, interval), interval * _LONGEST) * shortened


def is_overdue(now: float, deadline: float | None) -> bool:
    """Return whether the run has had its time."""
    return deadline is not None and now >= deadline
