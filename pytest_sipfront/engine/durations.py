"""How long runs took before, by request. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_sipfront.engine.poll_schedule import ExpectedDuration

KEPT = 5
"""Runs of a request that count: a test's duration changes with the test."""
KEPT_REQUESTS = 20_000

Bracket = tuple[float, float]
"""Seconds from launch: when a run was last seen to be going on, and when it was seen to be over."""


class Durations:
    """What is known of the durations of requests, by their digest."""

    def __init__(self, brackets: Mapping[str, Iterable[Bracket]] | None = None) -> None:
        self._brackets = {digest: list(known) for digest, known in (brackets or {}).items() if known}
        self._expected = {digest: _expected(known) for digest, known in self._brackets.items()}

    @classmethod
    def read(cls, data: Any) -> Durations:
        """Make a history of what `data` of `dump` holds; what makes no sense is left out."""
        entries = data.items() if isinstance(data, Mapping) else ()
        return cls(
            {
                str(digest): [bracket for pair in known if (bracket := read_bracket(pair))][-KEPT:]
                for digest, known in entries
                if isinstance(known, list)
            }
        )

    def dump(self) -> dict[str, list[list[float]]]:
        """Return the history as JSON can hold it, the oldest requests dropped."""
        latest = list(self._brackets.items())[-KEPT_REQUESTS:]
        return {digest: [[round(low, 3), round(high, 3)] for low, high in known] for digest, known in latest}

    def learn(self, digest: str, bracket: Bracket) -> None:
        """Take up that a run of a request was over between two moments."""
        known = self._brackets.pop(digest, [])
        self._brackets[digest] = [*known, bracket][-KEPT:]
        self._expected[digest] = _expected(self._brackets[digest])

    def expected(self, digest: str) -> ExpectedDuration | None:
        """Return when a run of a request will be over; None if none is known."""
        return self._expected.get(digest)


def _expected(known: list[Bracket]) -> ExpectedDuration:
    least, most = max(low for low, _ in known), min(high for _, high in known)
    if least <= most:  # one and the same duration explains all of them
        return ExpectedDuration(least, most)
    return ExpectedDuration(min(low for low, _ in known), max(high for _, high in known))


def read_bracket(pair: Any) -> Bracket | None:
    """Make a bracket of what JSON holds of it; None if it makes no sense."""
    if not isinstance(pair, list | tuple):
        return None
    try:
        low, high = map(float, pair)
    except (TypeError, ValueError, OverflowError):
        return None
    return (low, high) if 0 <= low <= high < math.inf else None
