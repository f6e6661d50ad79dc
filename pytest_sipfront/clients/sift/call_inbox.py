"""The state of one call: its connection, the answers to its commands, and its timeline. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_sipfront.clients.json_fields import mapping
from pytest_sipfront.clients.service_text import clean
from pytest_sipfront.clients.sift.models import (
    CONNECTED,
    CONNECTING,
    FAILED,
    FINISHED,
    Connection,
    Event,
    find_connection,
)

STATUS, DONE, EVENT, INCOMING, UNKNOWN = "status", "done", "event", "incoming", "unknown"
"""The kinds of callback."""

SENT, RECEIVED, NOTED = "->", "<-", "--"
_ORDER = {CONNECTING: 1, CONNECTED: 2, FAILED: 3, FINISHED: 3}
_LONGEST_DETAILS = 400
_HIDDEN_FIELDS = frozenset({"on_done", "event_callback", "status_url", "account_id", "name"})


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of a timeline.

    Attributes:
        at: Seconds since the call began.
        direction: "->" for a command or request to Sift, "<-" for a callback or response, "--" for a note.
        event: The command or callback, such as "Say", "done Say" or "status".
        details: Its fields, on one line.
    """

    at: float
    direction: str
    event: str
    details: str = ""

    def __str__(self) -> str:
        return f"{self.at:9.3f} s  {self.direction} {self.event}  {self.details}".rstrip()


class Timeline:
    """The commands and callbacks of one call, in order."""

    def __init__(self, now: Callable[[], float], scrub: Callable[[str], str] = str) -> None:
        """Begin the timeline at the current time.

        Args:
            now: Monotonic seconds.
            scrub: Replaces credentials in a text.
        """
        self._now, self._scrub = now, scrub
        self._started = now()
        self._lock = threading.Lock()
        self._entries: list[TimelineEntry] = []

    def since_start(self, at: float | None = None) -> float:
        """Return the seconds from the start of the call to `at`, in monotonic seconds; to now by default."""
        return (self._now() if at is None else at) - self._started

    def add(
        self, direction: str, event: str, details: str | Mapping[str, Any] = "", *, at: float | None = None
    ) -> None:
        """Append an entry. Fields are shown as `name=value`, without addresses and ids of callbacks.

        Args:
            direction: "->", "<-" or "--".
            event: The command or callback.
            details: A text, or fields.
            at: When it happened, in monotonic seconds; now by default.
        """
        if not isinstance(details, str):
            fields = ((name, value) for name, value in details.items() if name not in _HIDDEN_FIELDS)
            details = ", ".join(f"{name}={value!r}" for name, value in fields)
        line = " ".join(clean(details, self._scrub).split())
        line = line if len(line) <= _LONGEST_DETAILS else line[: _LONGEST_DETAILS - 1] + "…"
        with self._lock:
            self._entries.append(TimelineEntry(self.since_start(at), direction, clean(event, self._scrub), line))

    def __iter__(self) -> Iterator[TimelineEntry]:
        with self._lock:
            return iter(list(self._entries))

    def __str__(self) -> str:
        return "\n".join(map(str, self))


class CallInbox:
    """The state of one call. Callbacks may arrive late, twice and in any order.

    Read the attributes while holding `lock`.

    Attributes:
        timeline: The commands and callbacks.
        lock: Guards the attributes.
        connection: The connection in its latest known status; empty before the first report.
        reached: Every reported status once, in the order of arrival.
        times: When each status was first known, in seconds since the call began.
        commands: The name of each command that was sent, by its number.
        answers: The body of each command's first done callback, by the command's number.
        events: The conversation events of each command, by the command's number.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.lock = threading.RLock()
        self.connection = Connection()
        self.reached: list[str] = []
        self.times: dict[str, float] = {}
        self.commands: dict[int, str] = {}
        self.answers: dict[int, Mapping[str, Any]] = {}
        self.events: dict[int, list[Event]] = {}

    def report(self, connection: Connection, source: str) -> None:
        """Take over a connection from one of Sift's responses; `source` names the response in the timeline."""
        with self.lock:
            if self._update(connection):
                self.timeline.add(RECEIVED, source, connection.status)

    def deliver(self, kind: str, number: int, body: Any, at: float | None = None) -> str:
        """Take over a callback.

        Args:
            kind: The kind of callback.
            number: The number of its command; 0 for a status callback.
            body: The parsed body.
            at: When it arrived, in monotonic seconds; now by default.

        Returns:
            Why the callback does not belong to this call; "" if it does.
        """
        connection = find_connection(body)
        with self.lock:
            # A transcript names the speaker, who may be the other side of a conversation.
            if kind != EVENT and connection and self._is_other(connection):
                return f"it names connection {connection.connection_id}, which belongs to another call"
            return self._take_status(connection, at) if kind == STATUS else self._take_answer(kind, number, body, at)

    def _take_status(self, connection: Connection | None, at: float | None) -> str:
        if connection is None:
            return "it names no connection"
        is_news = self._update(connection, at)
        self.timeline.add(RECEIVED, STATUS if is_news else "status again", connection.status, at=at)
        return ""

    def _take_answer(self, kind: str, number: int, body: Any, at: float | None) -> str:
        if number not in self.commands:
            return f"no command {number} was sent in this call"
        name = self.commands[number]
        if kind == DONE:
            answer = mapping(body)
            is_first = self.answers.setdefault(number, answer) is answer
            fields = {key: value for key, value in answer.items() if key != "connection_id"}
            self.timeline.add(RECEIVED, f"{'done' if is_first else 'done again'} {name}", fields, at=at)
        else:
            event = Event.read(body)
            events = self.events.setdefault(number, [])
            if event not in events:
                events.append(event)
            fields = {key: value for key, value in event.fields.items() if key != "connection_id"}
            self.timeline.add(RECEIVED, f"event {event.type} of {name}", fields, at=at)
        return ""

    def _is_other(self, connection: Connection) -> bool:
        return bool(connection.connection_id) and self.connection.connection_id not in ("", connection.connection_id)

    def _update(self, connection: Connection, at: float | None = None) -> bool:
        """Merge a report of the connection, and return whether its status is new.

        A status callback that was overtaken by a later one does not set the call back.
        """
        if self._is_other(connection):
            return False
        is_news = connection.status not in ("", *self.reached)
        if is_news:
            self.reached.append(connection.status)
            self.times[connection.status] = self.timeline.since_start(at)
        known, reported = self.connection, {k: v for k, v in connection.raw.items() if v is not None}
        if _ORDER.get(connection.status, 0) >= _ORDER.get(known.status, 0):
            merged = {**known.raw, **reported}
        else:
            merged = {**reported, **known.raw}
        # The id never changes, but a report may lack it or hold it in another form.
        merged["connection_id"] = known.connection_id or connection.connection_id
        self.connection = Connection.read(merged)
        return is_news
