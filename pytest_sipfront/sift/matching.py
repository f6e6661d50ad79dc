"""Decide whether a Sift connection is the call of a Sipfront run, by number and time. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from pytest_sipfront.clients.sift.models import Connection
from pytest_sipfront.engine.run import RunResult

SLACK = timedelta(seconds=2)
"""The tolerance between two clocks that report whole seconds."""

_FEWEST_DIGITS = 7
_DESTINATION = ".dial_destination"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """The comparison of a call with a run. True if the call reached a number that the run dialled, during the run.

    Attributes:
        dialled: The numbers that the run dialled, as far as they are known.
        to: The number that the call reached.
        at: When the call reached it; None if unknown.
        start, stop: When the run began and ended by the platform's times; None if unknown.
    """

    dialled: tuple[str, ...]
    to: str
    at: datetime | None
    start: datetime | None
    stop: datetime | None

    @property
    def same_number(self) -> bool:
        """Whether the run dialled the number, in any spelling."""
        return any(same_number(number, self.to) for number in self.dialled)

    @property
    def same_time(self) -> bool:
        """Whether the call happened during the run, with a tolerance of two seconds."""
        if self.at is None or self.start is None:
            return False
        return self.start - self.at <= SLACK and (self.stop is None or self.at - self.stop <= SLACK)

    def __bool__(self) -> bool:
        return self.same_number and self.same_time

    def __repr__(self) -> str:
        numbers = " and ".join(self.dialled) or "a number that is not among its overrides"
        run = f"the run dialled {numbers} between {_utc(self.start)} and {_utc(self.stop)}"
        return f"<{run}; the call reached {self.to} at {_utc(self.at)}>"


def pair(
    run: RunResult, connection: Connection, *, dialled: str | None = None, first_seen: datetime | None = None
) -> Pairing:
    """Compare a connection with a run.

    Args:
        run: The run.
        connection: The connection.
        dialled: The number that the run dialled, if it is set on the platform instead of in an override.
        first_seen: When the connection was first known, used if Sift reports no start time.
    """
    overrides = run.request.overrides.items()
    numbers = tuple(str(value) for key, value in overrides if key.endswith(_DESTINATION))
    return Pairing(
        dialled=numbers if dialled is None else (dialled,),
        to=connection.to,
        at=connection.start_time or first_seen,
        start=run.status.started_at,
        stop=run.status.stopped_at,
    )


def same_number(first: str, second: str) -> bool:
    """Whether two spellings name one number: `+15550100200`, `0015550100200`, `sip:+15550100200@example.com`."""
    shorter, longer = sorted((_digits(first), _digits(second)), key=len)
    return shorter == longer != "" or (len(shorter) >= _FEWEST_DIGITS and longer.endswith(shorter))


def _digits(text: str) -> str:
    user = text.partition(":")[2] if text.lower().startswith(("sip:", "sips:", "tel:")) else text
    return re.sub(r"\D", "", re.split(r"[@;?]", user, maxsplit=1)[0]).lstrip("0")


def _utc(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "an unknown time"
