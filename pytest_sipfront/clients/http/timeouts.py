"""Time: what is waited for and how long, and where it comes from."""

from __future__ import annotations

import datetime as dt
import email.utils
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

# Of its own: the suite's seed (pytest-randomly sets one before every test) must neither make all workers wait alike
# nor be used up by us.
_own_random = random.Random().random  # noqa: S311 - jitter


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Time limits in seconds.

    Attributes:
        connect: To reach the service.
        read: Between two parts of an answer.
        retry: How long a request is tried again while it fails for reasons that may pass.
        first_wait, longest_wait: The bounds of the exponential wait between attempts, before jitter.
    """

    connect: float = 10.0
    read: float = 30.0
    retry: float = 60.0
    first_wait: float = 0.5
    longest_wait: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Clock, sleep and randomness, injected so that decisions can be tested without waiting."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    random: Callable[[], float] = _own_random
    now: Callable[[], dt.datetime] = field(default=lambda: dt.datetime.now(dt.UTC))


def retry_after(header: str | None, now: dt.datetime) -> float | None:
    """Return the seconds that a `Retry-After` header asks for: a number, or an HTTP date; None if it is neither."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))  # in this order, "nan" is 0
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    return max((moment.replace(tzinfo=moment.tzinfo or dt.UTC) - now).total_seconds(), 0.0)
