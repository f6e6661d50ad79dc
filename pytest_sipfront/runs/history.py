"""How long runs took before, by request. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_sipfront.runs.pacing import Expected

KEPT = 5
"""Runs of a request that count: a test's duration changes with the test."""
KEPT_REQUESTS = 20_000

Bracket = tuple[float, float]
"""Seconds from launch: when a run was last seen to be going on, and when it was seen to be over."""


class History:
    """What is known of the durations of requests, by their digest."""

    def __init__(self, brackets: Mapping[str, Iterable[Bracket]] | None = None) -> None:
        self._brackets = {digest: list(known) for digest, known in (brackets or {}).items()}

    @classmethod
    def read(cls, data: Any) -> History:
        """Make a history of what `data` of `dump` holds; what makes no sense is left out."""
        entries = data.items() if isinstance(data, Mapping) else ()
        brackets = {
            str(digest): [(float(pair[0]), float(pair[1])) for pair in known if _is_bracket(pair)][-KEPT:]
            for digest, known in entries
            if isinstance(known, list)
        }
        return cls({digest: known for digest, known in brackets.items() if known})

    def dump(self) -> dict[str, list[list[float]]]:
        """Return the history as JSON can hold it, the oldest requests dropped."""
        latest = list(self._brackets.items())[-KEPT_REQUESTS:]
        return {digest: [[round(low, 3), round(high, 3)] for low, high in known] for digest, known in latest}

    def learn(self, digest: str, bracket: Bracket) -> None:
        """Take up that a run of a request was over between two moments."""
        known = self._brackets.pop(digest, [])
        self._brackets[digest] = [*known, bracket][-KEPT:]

    def expected(self, digest: str) -> Expected | None:
        """Return when a run of a request will be over; None if none is known."""
        known = self._brackets.get(digest)
        if not known:
            return None
        return Expected(min(low for low, _ in known), max(high for _, high in known))


def _is_bracket(pair: Any) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2  # noqa: PLR2004 - a pair
        and all(isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) for end in pair)
        and 0 <= pair[0] <= pair[1]
    )
