"""Whether a connection at Sift is the call that a Sipfront run placed: by number and by time. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from pytest_sipfront.clients.sift.models import Connection
from pytest_sipfront.engine.run import RunResult

SLACK = timedelta(seconds=2)
_LEAST_DIGITS = 7
_DESTINATION = ".dial_destination"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A call held against a run: true if it reached a number that the run dialled, while the run lasted.

    Attributes:
        dialled: The numbers that the run dialled, as far as is known.
        to: The number that the call reached.
        at: When it did; None if nobody knows.
        start, stop: When the run began and ended, as the platform has it; None if it does not say.
    """

    dialled: tuple[str, ...]
    to: str
    at: datetime | None
    start: datetime | None
    stop: datetime | None

    @property
    def same_number(self) -> bool:
        """Whether the run dialled the number, however either is spelt."""
        return any(same_number(number, self.to) for number in self.dialled)

    @property
    def same_time(self) -> bool:
        """Whether the call came while the run lasted, give or take what two clocks of whole seconds may differ."""
        if self.at is None or self.start is None:
            return False
        return self.start - SLACK <= self.at and (self.stop is None or self.at <= self.stop + SLACK)

    def __bool__(self) -> bool:
        return self.same_number and self.same_time

    def __repr__(self) -> str:
        numbers = " and ".join(self.dialled) or "a number that is not among its overrides"
        run = f"the run dialled {numbers} between {_shown(self.start)} and {_shown(self.stop)}"
        return f"<{run}; the call reached {self.to} at {_shown(self.at)}>"


def pair(
    run: RunResult, connection: Connection, *, dialled: str | None = None, seen: datetime | None = None
) -> Pairing:
    """Hold a connection against a run.

    Args:
        run: The run.
        connection: The connection.
        dialled: What the run dialled, where that is set on the platform and in none of the run's overrides.
        seen: When the connection was first heard of, in case that Sift does not say when it was established.
    """
    overrides = run.request.overrides.items()
    of_run = tuple(str(value) for key, value in overrides if key.endswith(_DESTINATION))
    return Pairing(
        dialled=of_run if dialled is None else (dialled,),
        to=connection.to,
        at=connection.start_time or seen,
        start=run.status.started_at,
        stop=run.status.stopped_at,
    )


def same_number(one: str, other: str) -> bool:
    """Whether two spellings are of one number: `+15550100200`, `0015550100200`, `sip:+15550100200@example.com`."""
    left, right = _digits(one), _digits(other)
    shorter, longer = sorted((left, right), key=len)
    return left == right != "" or (len(shorter) >= _LEAST_DIGITS and longer.endswith(shorter))


def _digits(text: str) -> str:
    user = text.partition(":")[2] if text.lower().startswith(("sip:", "sips:", "tel:")) else text
    return re.sub(r"\D", "", re.split(r"[@;?]", user, maxsplit=1)[0]).lstrip("0")


def _shown(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "an unknown time"
