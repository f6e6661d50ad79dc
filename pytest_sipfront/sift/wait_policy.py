"""The next step while a call waits for a callback. Pure; the caller passes the time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

_LONGEST_WAIT = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTimeouts:
    """Time limits for callbacks, in seconds.

    Attributes:
        callback: For a callback, beyond the time of its command.
        poll_interval: Between status requests, which find out about lost callbacks.
        settle: After the end of a call, for callbacks that the last status overtook.
    """

    callback: float = 30.0
    poll_interval: float = 2.0
    settle: float = 0.5


class NextStep(Enum):
    """The next step of a wait."""

    WAIT = "wait for a callback"
    POLL = "request the connection's status"
    ENDED = "stop waiting: the call is over"
    TIMED_OUT = "stop waiting: the time is up"


@dataclass(slots=True)
class WaitPolicy:
    """One wait, from `started` to `deadline`. After the deadline it polls once more."""

    started: float
    deadline: float
    timeouts: CallTimeouts
    polled: float = 0.0
    polled_after_deadline: bool = False
    ended: float | None = None

    def __post_init__(self) -> None:
        self.polled = self.started

    def next(self, now: float, *, is_over: bool) -> tuple[NextStep, float]:
        """Return the next step at `now`, and for WAIT its longest duration in seconds."""
        if is_over:
            self.ended = now if self.ended is None else self.ended
            remaining = self.ended + self.timeouts.settle - now
            return (NextStep.WAIT, min(remaining, _LONGEST_WAIT)) if remaining > 0 else (NextStep.ENDED, 0.0)
        if now >= self.deadline:
            if self.polled_after_deadline:
                return NextStep.TIMED_OUT, 0.0
            self.polled_after_deadline, self.polled = True, now
            return NextStep.POLL, 0.0
        next_poll = self.polled + self.timeouts.poll_interval
        if now >= next_poll:
            self.polled = now
            return NextStep.POLL, 0.0
        return NextStep.WAIT, min(self.deadline - now, next_poll - now, _LONGEST_WAIT)
