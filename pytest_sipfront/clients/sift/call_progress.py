"""What is known of one call, fed with whatever arrives, in whichever order and however often. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_sipfront.clients.sift.models import CONNECTED, CONNECTING, FAILED, FINISHED, Connection, Event

_ORDER = {CONNECTING: 1, CONNECTED: 2, FAILED: 3, FINISHED: 3}


class Progress:
    """The state of one call.

    Attributes:
        connection: What Sift says of the connection, as far on as it was ever seen; empty before the first word.
        reached: Every status that was reported, each once, in the order of arrival.
        answers: The body of each command's first done callback, by the command's number.
        events: The conversation events of each command that began a conversation, by the command's number.
    """

    def __init__(self) -> None:
        self.connection = Connection()
        self.reached: list[str] = []
        self.answers: dict[int, Mapping[str, Any]] = {}
        self.events: dict[int, list[Event]] = {}

    @property
    def status(self) -> str:
        """The status farthest on: a callback that was overtaken does not bring a finished call back."""
        return self.connection.status

    @property
    def is_over(self) -> bool:
        """True once it failed or is finished."""
        return self.connection.is_over

    def foreign(self, connection_id: str) -> bool:
        """Whether something that names this connection belongs to another call."""
        return bool(connection_id and self.connection.connection_id not in ("", connection_id))

    def report(self, connection: Connection) -> bool:
        """Take note of a connection as reported; return whether that was news."""
        if self.foreign(connection.connection_id):
            return False
        news = connection.status not in ("", *self.reached)
        if news:
            self.reached.append(connection.status)
        if _ORDER.get(connection.status, 0) >= _ORDER.get(self.status, 0):
            known = {key: value for key, value in connection.raw.items() if value is not None}
            if self.connection.connection_id:
                known.pop("connection_id", None)  # it never changes, though a report may spell it beyond reading
            self.connection = Connection.read({**self.connection.raw, **known})
        elif not self.connection.connection_id and connection.connection_id:
            raw = {**connection.raw, **self.connection.raw, "connection_id": connection.connection_id}
            self.connection = Connection.read(raw)
        return news

    def done(self, number: int, body: Mapping[str, Any]) -> bool:
        """Take note of a done callback; return whether it was the command's first."""
        return self.answers.setdefault(number, body) is body

    def event(self, number: int, event: Event) -> None:
        """Take note of a conversation event, unless it is a repeat."""
        events = self.events.setdefault(number, [])
        if event not in events:
            events.append(event)
