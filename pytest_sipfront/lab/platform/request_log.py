"""Counts and remembers the requests that reached the platform, so that tests can assert on them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

KEPT = 100_000


@dataclass(slots=True)
class LoggedRequest:
    """One request: `time` in seconds since the lab's start, `authorization` only its kind, `status` once answered."""

    method: str
    path: str
    time: float
    authorization: str
    content_type: str
    body: Any = None
    status: int | str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as the control plane shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


class RequestLog:
    """Keeps the latest requests and counts all of them."""

    def __init__(self, clock: Callable[[], float] = monotonic, started: float = 0.0) -> None:
        self._clock = clock
        self._started = started
        self.entries: deque[LoggedRequest] = deque(maxlen=KEPT)
        self.requests = 0
        self.by_kind: Counter[str] = Counter()
        self.by_path: Counter[str] = Counter()

    def record(self, method: str, path: str, authorization: str, content_type: str) -> LoggedRequest:
        """Note a request's arrival and return its entry, to be completed when it is answered."""
        entry = LoggedRequest(method, path, self._clock() - self._started, authorization, content_type)
        self.entries.append(entry)
        self.requests += 1
        return entry

    def count(self, kind: str, route: str) -> None:
        """Count a request under its kind ("launch", "status", ...) and under its endpoint's path."""
        self.by_kind[kind] += 1
        self.by_path[route] += 1
