"""What to do next while something is waited for in a call. Pure; the clock is the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

_SLICE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited for Sift, in seconds.

    Attributes:
        callback: For a callback, beyond the time that its command takes by itself.
        poll: Between two questions for the connection, which find out what a lost callback should have told.
        settle: After the end of a call, for callbacks that its last one overtook.
    """

    callback: float = 30.0
    poll: float = 2.0
    settle: float = 0.5


class Next(Enum):
    """What to do next."""

    WAIT = "wait"
    ASK = "ask Sift for the connection"
    ENDED = "the call is over and what is waited for will not come"
    LATE = "the time is up"


@dataclass(slots=True)
class WaitPolicy:
    """One wait, from `began` to `deadline`."""

    began: float
    deadline: float
    patience: Patience
    asked: float = 0.0
    ended: float | None = None
    asked_last: bool = False

    def __post_init__(self) -> None:
        self.asked = self.began

    def next(self, now: float, *, is_over: bool) -> tuple[Next, float]:
        """Return what to do at `now`, and for WAIT the seconds until to ask again at the latest."""
        if is_over:
            self.ended = now if self.ended is None else self.ended
            left = self.ended + self.patience.settle - now
            return (Next.WAIT, min(left, _SLICE)) if left > 0 else (Next.ENDED, 0.0)
        if now >= self.deadline:
            if self.asked_last:
                return Next.LATE, 0.0
            self.asked_last, self.asked = True, now
            return Next.ASK, 0.0
        if now - self.asked >= self.patience.poll:
            self.asked = now
            return Next.ASK, 0.0
        return Next.WAIT, min(self.deadline - now, self.asked + self.patience.poll - now, _SLICE)
