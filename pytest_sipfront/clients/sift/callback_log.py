"""All callbacks of a session in order, and their delivery to calls. Thread-safe; independent of HTTP."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_sipfront.clients.json_fields import mapping, text
from pytest_sipfront.clients.service_text import clean, clean_json
from pytest_sipfront.clients.sift.call_inbox import INCOMING, CallInbox, Timeline
from pytest_sipfront.clients.sift.models import Connection, find_connection

CAPACITY = 10_000
LONGEST_LINE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedCallback:
    """A callback as it arrived.

    Attributes:
        number: Its place in the order of arrival, from 1.
        at: When it arrived, in seconds on the log's monotonic clock.
        moment: When it arrived, UTC.
        kind: "status", "done", "event", "incoming" or "unknown".
        body: Its text without credentials, on one line.
        unmatched: Why it belongs to no call; "" if it belongs to one.
    """

    number: int
    at: float
    moment: datetime
    kind: str
    body: str
    unmatched: str = ""

    def __str__(self) -> str:
        reason = f" ({self.unmatched})" if self.unmatched else ""
        return f"{self.moment:%H:%M:%S}.{self.moment.microsecond // 1000:03} {self.kind} {self.body}{reason}"


class CallbackLog:
    """The callbacks of a session and the inboxes of its calls."""

    def __init__(
        self,
        *,
        scrub: Callable[[str], str] = str,
        account_id: str = "",
        now: Callable[[], float] = time.monotonic,
        utcnow: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Create an empty log.

        Args:
            scrub: Replaces credentials in a text.
            account_id: The account's id; callbacks that name another account are unmatched. "" if it is unknown.
            now: Monotonic seconds.
            utcnow: Wall-clock time in UTC.
        """
        self.now, self.utcnow = now, utcnow
        self._scrub = scrub
        self._account_id = account_id
        self._lock = threading.Lock()
        self._count = 0
        self._callbacks: deque[ReceivedCallback] = deque(maxlen=CAPACITY)
        self._inboxes: dict[str, CallInbox] = {}
        self._incoming: list[tuple[float, Connection]] = []
        self._announced: set[str] = set()

    def open(self, key: str) -> CallInbox:
        """Return the inbox of a new call; `key` is an unguessable name."""
        with self._lock:
            return self._inboxes.setdefault(key, CallInbox(Timeline(self.now, self._scrub)))

    def deliver(self, kind: str, key: str, number: int, body: Any, raw: str, *, at: float | None = None) -> str:
        """Log a callback and hand it to its call.

        Args:
            kind: The kind of callback.
            key: The call's key.
            number: The command's number.
            body: The parsed body.
            raw: The body as text.
            at: When it arrived, in monotonic seconds; now by default.

        Returns:
            Why the callback belongs to no call; "" if it belongs to one.
        """
        data = clean_json(body, self._scrub)
        at = self.now() if at is None else at
        reason = self._objection(data) or self._hand_over(kind, key, number, data, at)
        self.add(kind, raw, reason, at=at)
        return reason

    def add(self, kind: str, raw: str, unmatched: str, *, at: float | None = None) -> None:
        """Log a callback without handing it over."""
        line = " ".join(clean(raw, self._scrub).split())[:LONGEST_LINE]
        now = self.now()
        with self._lock:
            self._count += 1
            self._callbacks.append(
                ReceivedCallback(
                    number=self._count,
                    at=now if at is None else at,
                    moment=self.utcnow() - timedelta(seconds=0 if at is None else now - at),
                    kind=kind,
                    body=line,
                    unmatched=clean(unmatched, self._scrub),
                )
            )

    @property
    def callbacks(self) -> tuple[ReceivedCallback, ...]:
        """The latest 10,000 callbacks, in order."""
        with self._lock:
            return tuple(self._callbacks)

    @property
    def unmatched(self) -> tuple[ReceivedCallback, ...]:
        """The callbacks that belong to no call."""
        return tuple(callback for callback in self.callbacks if callback.unmatched)

    def claim(self, to: str | None, since: float) -> Connection | None:
        """Take an incoming call.

        Args:
            to: The number that is called; None for any.
            since: Earlier calls are ignored; in seconds on the monotonic clock.

        Returns:
            None if there is no such call.
        """
        with self._lock:
            for entry in self._incoming:
                if entry[0] >= since and to in (None, entry[1].to):
                    self._incoming.remove(entry)
                    return entry[1]
        return None

    def _objection(self, body: Any) -> str:
        account_id = text(mapping(body).get("account_id"))
        if self._account_id and account_id not in ("", self._account_id):
            return "it names another account"
        return "" if isinstance(body, Mapping) else "it is not a JSON object"

    def _hand_over(self, kind: str, key: str, number: int, body: Any, at: float) -> str:
        if kind == INCOMING:
            return self._announce(find_connection(body), at)
        with self._lock:
            inbox = self._inboxes.get(key)
        return inbox.deliver(kind, number, body, at) if inbox else "no call of this session has this address"

    def _announce(self, connection: Connection | None, at: float) -> str:
        if connection is None or not connection.connection_id:
            return "it names no connection"
        with self._lock:
            if connection.connection_id in self._announced:
                return ""
            self._announced.add(connection.connection_id)
            self._incoming.append((at, connection))
        return ""
