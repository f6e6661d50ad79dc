"""What happened in one call, in order: what was sent and what came back. Safe to write from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_sipfront.clients.sift.json_fields import printable

SENT, CAME, NOTED = "->", "<-", "--"
_BOUND = 400


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of a timeline.

    Attributes:
        at: Seconds since the call began.
        direction: "->" for what was sent to Sift, "<-" for what came from it, "--" for what was concluded here.
        event: What it is, such as "Say", "done Say" or "status".
        details: What it holds, on one line.
    """

    at: float
    direction: str
    event: str
    details: str = ""

    def __str__(self) -> str:
        return f"{self.at:9.3f} s  {self.direction} {self.event}  {self.details}".rstrip()


class Timeline:
    """The entries of one call."""

    def __init__(self, clock: Callable[[], float], scrub: Callable[[str], str] = str) -> None:
        """Begin now.

        Args:
            clock: Monotonic seconds.
            scrub: Takes secrets out of a text.
        """
        self._clock, self._scrub = clock, scrub
        self._began = clock()
        self._lock = threading.Lock()
        self._entries: list[TimelineEntry] = []

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return self._clock() - self._began

    def add(self, direction: str, event: str, details: str | Mapping[str, Any] = "") -> None:
        """Write a line."""
        told = details if isinstance(details, str) else shown(details)
        line = self._scrub(printable(" ".join(told.split())))
        line = line if len(line) <= _BOUND else line[: _BOUND - 1] + "…"
        with self._lock:
            self._entries.append(TimelineEntry(self.elapsed, direction, self._scrub(event), line))

    def __iter__(self) -> Iterator[TimelineEntry]:
        with self._lock:
            return iter(list(self._entries))

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def shown(fields: Mapping[str, Any]) -> str:
    """Return fields as `name=value`, without the callback's own addresses and ids, which say nothing to a reader."""
    skipped = {"on_done", "event_callback", "status_url", "account_id", "name"}
    return ", ".join(f"{name}={value!r}" for name, value in fields.items() if name not in skipped)
