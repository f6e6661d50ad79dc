"""Time limits of a client, its clock, and the `Retry-After` header."""

from __future__ import annotations

import datetime as dt
import email.utils
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

LONGEST_RETRY_AFTER = 86_400.0
# A generator that no seed reaches: pytest-randomly seeds the shared one before every test, and then the xdist workers
# would all wait for the same time.
_unseeded = random.Random().random  # noqa: S311 - jitter


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Time limits in seconds.

    Attributes:
        connect: To open a connection.
        read: Between two parts of a response.
        retry: How long a request is sent again after transient errors.
        first_wait: The first wait between two attempts, before jitter. Each further wait is twice as long.
        longest_wait: The longest wait between two attempts.
        last_attempt: At least this long may an attempt last that begins shortly before its deadline.
    """

    connect: float = 10.0
    read: float = 30.0
    retry: float = 60.0
    first_wait: float = 0.5
    longest_wait: float = 10.0
    last_attempt: float = 2.0

    @property
    def total(self) -> float:
        """The limit of one attempt from connecting to the last byte, however slowly the bytes arrive."""
        return self.connect + 2 * self.read


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Clock, sleep and randomness. Tests replace them.

    Attributes:
        now: Monotonic seconds.
        sleep: Waits for seconds.
        random: A number between 0 and 1.
        utcnow: Wall-clock time in UTC.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    random: Callable[[], float] = _unseeded
    utcnow: Callable[[], dt.datetime] = field(default=lambda: dt.datetime.now(dt.UTC))


def retry_after(header: str | None, utcnow: dt.datetime) -> float | None:
    """Return the seconds of a `Retry-After` header, which holds a number or an HTTP date.

    Returns:
        At most a day; None if the header is missing or is neither a number nor a date.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(header)
            seconds = (moment.replace(tzinfo=moment.tzinfo or dt.UTC) - utcnow).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER)  # in this order, "nan" becomes 0
