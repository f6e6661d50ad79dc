"""Whether a connection at Sift is the call that a Sipfront run placed: by number and by time. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from pytest_sipfront.runs.run import RunResult

SLACK = timedelta(seconds=2)
_LEAST_DIGITS = 7
_DESTINATION = ".dial_destination"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time; None where an end is not known."""

    start: datetime | None
    stop: datetime | None

    def holds(self, moment: datetime | None) -> bool:
        """Whether `moment` lies in it, give or take what clocks of whole seconds on two machines may differ."""
        if moment is None or self.start is None:
            return False
        return self.start - SLACK <= moment and (self.stop is None or moment <= self.stop + SLACK)


def span_of(run: RunResult) -> Span:
    """Return when a run took place, as the platform has it."""
    return Span(run.status.started_at, run.status.stopped_at)


def dialled(run: RunResult, number: str) -> bool:
    """Whether a run dialled `number`, as far as its overrides say, however they spell it."""
    destinations = (str(value) for key, value in run.request.overrides.items() if key.endswith(_DESTINATION))
    return any(same_number(destination, number) for destination in destinations)


def same_number(one: str, other: str) -> bool:
    """Whether two spellings are of one number: `+15550100200`, `0015550100200`, `sip:+15550100200@example.com`."""
    left, right = _digits(one), _digits(other)
    shorter = min(left, right, key=len)
    return left == right != "" or (len(shorter) >= _LEAST_DIGITS and max(left, right, key=len).endswith(shorter))


def _digits(text: str) -> str:
    user = text.partition(":")[2] if text.lower().startswith(("sip:", "sips:", "tel:")) else text
    return re.sub(r"\D", "", re.split(r"[@;?]", user, maxsplit=1)[0]).lstrip("0")
