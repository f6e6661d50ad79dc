"""When to ask for a run's status next. Pure."""

from __future__ import annotations


def next_poll(now: float, interval: float, deadline: float | None) -> float:
    """Return when to ask next, on the clock of `now`: one interval on, but once more right at the deadline."""
    due = now + interval
    return due if deadline is None else min(due, max(deadline, now))


def is_overdue(now: float, deadline: float | None) -> bool:
    """Return whether the run has had its time."""
    return deadline is not None and now >= deadline
