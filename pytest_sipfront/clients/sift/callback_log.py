"""An ordered record of everything that Sift posts, and its sorting to calls. Thread-safe; knows no HTTP."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pytest_sipfront.clients.sift.call_progress import Progress
from pytest_sipfront.clients.sift.json_fields import mapping, printable, text
from pytest_sipfront.clients.sift.models import Connection, Event, find_connection
from pytest_sipfront.clients.sift.timeline import CAME, Timeline, shown

STATUS, DONE, EVENT, INCOMING, UNKNOWN = "status", "done", "event", "incoming", "unknown"
KEPT = 10_000
LONGEST_LINE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedCallback:
    """Something that arrived.

    Attributes:
        number: Its place in the order of arrival, from 1.
        at: When, on the record's monotonic clock, in seconds.
        moment: When, by this machine's calendar, UTC.
        kind: "status", "done", "event", "incoming" or "unknown".
        body: Its text without secrets, on one bounded line.
        for_nobody: Why it belongs to no call; "" if it belongs to one.
    """

    number: int
    at: float
    moment: datetime
    kind: str
    body: str
    for_nobody: str = ""

    def __str__(self) -> str:
        why = f" ({self.for_nobody})" if self.for_nobody else ""
        return f"{self.moment:%H:%M:%S}.{self.moment.microsecond // 1000:03} {self.kind} {self.body}{why}"


@dataclass(eq=False, slots=True)
class CallInbox:
    """What arrives for one call. Read `progress` while holding `changed`, which is notified of every arrival.

    Attributes:
        names: The name of each command that was sent, by its number.
        times: When each status was first known here, in seconds since the call began.
    """

    timeline: Timeline
    progress: Progress = field(default_factory=Progress)
    changed: threading.Condition = field(default_factory=threading.Condition)
    names: dict[int, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)

    def report(self, connection: Connection, how: str) -> None:
        """Take note of what is known of the connection from an answer of Sift's."""
        with self.changed:
            if self._note(connection):
                self.timeline.add(CAME, how, connection.status)
            self.changed.notify_all()

    def deliver(self, kind: str, number: int, body: Any) -> str:
        """Take note of a callback; return why it is not for this call, "" if it is."""
        connection = find_connection(body)
        with self.changed:
            # a transcript names whoever speaks, which in a conversation may be the other side
            if kind != EVENT and connection and self.progress.foreign(connection.connection_id):
                return f"it names connection {connection.connection_id}, which is not this call's"
            why = self._sort(kind, number, body, connection)
            self.changed.notify_all()
            return why

    def _sort(self, kind: str, number: int, body: Any, connection: Connection | None) -> str:
        if kind == STATUS:
            if connection is None:
                return "it tells of no connection"
            news = self._note(connection)
            self.timeline.add(CAME, STATUS if news else "status again", connection.status)
            return ""
        if number not in self.names:
            return f"no command {number} was sent in this call"
        name = self.names[number]
        if kind == DONE:
            data = mapping(body)
            event = "done" if self.progress.done(number, data) else "done again"
            self.timeline.add(CAME, f"{event} {name}", _told(data))
        else:
            event_of = Event.read(body)
            self.progress.event(number, event_of)
            self.timeline.add(CAME, f"event {event_of.type} of {name}", _told(event_of.fields))
        return ""

    def _note(self, connection: Connection) -> bool:
        news = self.progress.report(connection)
        if news:
            self.times[connection.status] = self.timeline.elapsed
        return news


class CallbackLog:
    """Everything received in a session, and who it is for."""

    def __init__(
        self,
        *,
        scrub: Callable[[str], str] = str,
        account_id: str = "",
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Begin empty.

        Args:
            scrub: Takes secrets out of a text.
            account_id: The account's; what names another account is for nobody. "" if it is not known.
            clock: Monotonic seconds.
            now: This machine's calendar.
        """
        self.scrub, self.clock, self.now = scrub, clock, now
        self._account_id = account_id
        self._lock = threading.Lock()
        self._count = 0
        self._everything: deque[ReceivedCallback] = deque(maxlen=KEPT)
        self._inboxes: dict[str, CallInbox] = {}
        self._incoming: list[tuple[float, Connection]] = []
        self._announced: set[str] = set()
        self._rings = threading.Condition(self._lock)

    def open(self, call: str) -> CallInbox:
        """Return the inbox of a new call under its unguessable name."""
        with self._lock:
            return self._inboxes.setdefault(call, CallInbox(Timeline(self.clock, self.scrub)))

    def deliver(self, kind: str, call: str, number: int, body: Any, raw: str) -> str:
        """Sort what arrived to whom it is for, and keep it; return why it is for nobody, "" if it is for somebody."""
        why = self._why_not(body) or self._sort(kind, call, number, body)
        self.keep(kind, raw, why)
        return why

    def keep(self, kind: str, raw: str, why: str) -> None:
        """Keep what arrived without sorting it."""
        line = self.scrub(printable(" ".join(raw.split())))[:LONGEST_LINE]
        with self._lock:
            self._count += 1
            self._everything.append(
                ReceivedCallback(
                    number=self._count, at=self.clock(), moment=self.now(), kind=kind, body=line, for_nobody=why
                )
            )

    @property
    def everything(self) -> tuple[ReceivedCallback, ...]:
        """What was received, in order; the latest 10,000."""
        with self._lock:
            return tuple(self._everything)

    @property
    def strays(self) -> tuple[ReceivedCallback, ...]:
        """What was received for nobody."""
        return tuple(received for received in self.everything if received.for_nobody)

    def claim(self, to: str | None, since: float, until: float) -> Connection | None:
        """Wait for a call to one of our numbers and take it; None if none comes.

        Args:
            to: The number; None for any.
            since: Calls that arrived before are somebody else's.
            until: When to give up, on the clock.
        """
        with self._rings:
            while True:
                for entry in self._incoming:
                    if entry[0] >= since and to in (None, entry[1].to):
                        self._incoming.remove(entry)
                        return entry[1]
                left = until - self.clock()
                if left <= 0:
                    return None
                self._rings.wait(min(left, 0.25))

    def unclaimed(self) -> tuple[Connection, ...]:
        """Return and forget the incoming calls that nobody took."""
        with self._lock:
            left, self._incoming = self._incoming, []
            return tuple(connection for _, connection in left)

    def _why_not(self, body: Any) -> str:
        account_id = text(mapping(body).get("account_id"))
        if self._account_id and account_id not in ("", self._account_id):
            return "it names another account"
        return "" if isinstance(body, Mapping) else "it is no JSON object"

    def _sort(self, kind: str, call: str, number: int, body: Any) -> str:
        if kind == INCOMING:
            return self._ring(find_connection(body))
        with self._lock:
            inbox = self._inboxes.get(call)
        return inbox.deliver(kind, number, body) if inbox else "no call of this session has this address"

    def _ring(self, connection: Connection | None) -> str:
        if connection is None or not connection.connection_id:
            return "it tells of no connection"
        with self._rings:
            if connection.connection_id in self._announced:
                return ""
            self._announced.add(connection.connection_id)
            self._incoming.append((self.clock(), connection))
            self._rings.notify_all()
        return ""


def _told(data: Mapping[str, Any]) -> str:
    return shown({name: value for name, value in data.items() if name != "connection_id"})
