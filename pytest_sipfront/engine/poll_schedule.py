"""When to poll the status of a run, and how all runs share the polls of a session."""

from __future__ import annotations

import math
from dataclasses import dataclass

POLLS_PER_SECOND = 450.0
"""Maximum rate for all runs together. A poll costs about 1.2 ms of a core."""
_HEAVY_LOAD = 150.0
"""Polls per second above which the polls of runs of unknown duration are reduced."""
_LONGEST_STRETCH = 1.0
"""Seconds up to which the interval is stretched under heavy load before the first run has ended."""
_POLLS_IN_WINDOW = 4
_CLOSEST = 0.125
"""Minimum wait between two polls of a run, as a part of the interval."""
_FIRST_CHECK = 20
"""Intervals after which a run is polled before its window, and again after twice that time, and so on."""
_JITTER = 0.1
_SHORTEST_HINT = 0.1
"""Minimum wait in seconds after `Retry-After: 0`, which real servers send."""


@dataclass(frozen=True, slots=True)
class ExpectedDuration:
    """The window in which a run will end, in seconds from its launch. The default window knows nothing."""

    least: float = 0.0
    most: float = math.inf

    @property
    def typical(self) -> float:
        """The duration to plan with: the middle of the window, or its end if no run was seen running."""
        return (self.least + self.most) / 2 if self.least else self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The state of one run when its next poll is planned. All times are seconds on one clock.

    Attributes:
        now: The current time.
        launched_at: The time of the launch.
        deadline: The time at which the run times out; None without a timeout.
        polls: Number of polls so far.
        hint: Seconds to wait according to the platform (`Retry-After`); None without a hint.
    """

    now: float
    launched_at: float
    deadline: float | None = None
    polls: int = 0
    hint: float | None = None


def next_poll(moment: Moment, interval: float, expected: ExpectedDuration, *, random: float = 0.0) -> float:
    """Return the time of the next poll.

    A few polls divide the window in which the run will probably end. The waits of an overdue run grow up to one
    interval, which is also the wait if the duration is unknown. Before the window, polls are rare: they find a run that
    ends much earlier, at the latest after twice its duration. The last poll comes at the deadline. A hint of the
    platform replaces all of this.

    Args:
        moment: The run and the current time.
        interval: Seconds between two polls of a run whose duration is unknown.
        expected: The window in which the run will end.
        random: A number from 0 to 1 that shortens the wait by up to a tenth, so that runs do not poll in step.
    """
    due = _next_poll(moment, interval, expected, 1 - _JITTER * random)
    return due if moment.deadline is None else min(due, max(moment.deadline, moment.now))


def _next_poll(moment: Moment, interval: float, expected: ExpectedDuration, jitter: float) -> float:
    if moment.hint is not None:
        return moment.now + max(moment.hint, min(interval, _SHORTEST_HINT))
    age = moment.now - moment.launched_at
    wait = max((expected.most - expected.least) / _POLLS_IN_WINDOW, (age - expected.most) / 2, interval * _CLOSEST)
    wait = min(wait, interval) * jitter
    due = max(moment.launched_at + expected.least + wait, moment.now + (wait if moment.polls else 0.0))
    return due if age >= expected.least else min(due, moment.launched_at + _next_check(age, interval))


def _next_check(age: float, interval: float) -> float:
    """Return the age at which a run is polled next although its window has not begun."""
    check = interval * _FIRST_CHECK
    while check < age * 1.1:
        check *= 2
    return check


def is_overdue(now: float, deadline: float | None) -> bool:
    """Return whether the deadline has passed."""
    return deadline is not None and now >= deadline


class PollLoad:
    """The polls of all runs together.

    If many runs are polled at a short interval, most polls come too early. So under heavy load, runs of unknown
    duration are polled rarely until the first run has ended, and then only if they are older than the shortest run.
    """

    def __init__(self, interval: float) -> None:
        """Plan with `interval` seconds between two polls of a run of unknown duration."""
        self._interval = interval
        self._runs = 0
        self._shortest = math.inf
        self._free_from = -math.inf

    def begin(self) -> None:
        """Count a run that is polled from now on."""
        self._runs += 1

    def end(self, duration: float | None) -> None:
        """Remove a run, with its duration in seconds if this session saw all of it."""
        self._runs -= 1
        if duration is not None:
            self._shortest = min(self._shortest, duration)

    @property
    def interval(self) -> float:
        """Seconds between two polls of a run of unknown duration."""
        if not self._is_heavy or self._shortest < math.inf:
            return self._interval
        return max(self._interval, min(self._runs / _HEAVY_LOAD, _LONGEST_STRETCH))

    @property
    def expected(self) -> ExpectedDuration:
        """The window of a run of unknown duration."""
        return ExpectedDuration(self._shortest if self._is_heavy and self._shortest < math.inf else 0.0)

    def delay(self, now: float) -> float:
        """Take the next turn to poll and return the seconds from `now` until it."""
        turn = max(self._free_from, now)
        self._free_from = turn + 1 / POLLS_PER_SECOND
        return turn - now

    @property
    def _is_heavy(self) -> bool:
        return self._runs > _HEAVY_LOAD * self._interval
