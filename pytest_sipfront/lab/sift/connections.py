"""The connections of the account: their state, their JSON, and the pages of their list."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_sipfront.lab.sift.remote_party import RemoteParty

CONNECTING, CONNECTED, FAILED, FINISHED = "connecting", "connected", "failed", "finished"


@dataclass(eq=False, slots=True)
class LabConnection:
    """A connection and the tasks that work on it.

    Attributes:
        routine_number: Number of the routine in force. A reply to a callback of an earlier routine is outdated.
        pending_routine: Routine set before the connection was answered; it starts with the answer.
        routine_task: Performs the routine.
        hangup_watch: Waits for the remote party to hang up.
        callback_lock: Held while a callback is sent, so that callbacks arrive in order.
        current_command: The command being performed; empty between two commands.
    """

    to: str
    from_: str
    direction: str
    remote: RemoteParty
    status_url: str = ""
    client_data: Any = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    status: str = CONNECTING
    start: datetime | None = None
    end: datetime | None = None
    routine_number: int = 0
    pending_routine: list[dict[str, Any]] | None = None
    routine_task: asyncio.Task[None] | None = None
    hangup_watch: asyncio.Task[None] | None = None
    callback_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    commands: list[dict[str, Any]] = field(default_factory=list)
    current_command: dict[str, Any] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether the status is final."""
        return self.status in (FAILED, FINISHED)

    def set_status(self, status: str) -> None:
        """Change the status and set the start or end time that belongs to it."""
        self.status = status
        if status == CONNECTED:
            self.start = datetime.now(UTC)
        elif status == FINISHED:
            self.end = datetime.now(UTC)

    def stop_routine(self) -> None:
        """Cancel the routine."""
        if self.routine_task is not None:
            self.routine_task.cancel()
            self.routine_task = None

    def stop_hangup_watch(self) -> None:
        """Stop waiting for the remote party to hang up, unless the caller is that very task."""
        if self.hangup_watch is not None and self.hangup_watch is not asyncio.current_task():
            self.hangup_watch.cancel()
            self.hangup_watch = None

    def as_json(self) -> dict[str, Any]:
        """Return the connection as documented: `end_time` once finished, `client_data` if there is any."""
        fields: dict[str, Any] = {"connection_id": self.id, "status": self.status}
        fields |= {"start_time": timestamp(self.start)} if self.start else {}
        fields |= {"end_time": timestamp(self.end)} if self.end else {}
        fields |= {"from": self.from_, "to": self.to, "direction": self.direction}
        return fields | ({} if self.client_data is None else {"client_data": self.client_data})


class Connections:
    """All connections in the order of their creation. Pages list the newest first (an assumption)."""

    def __init__(self, page_size: int) -> None:
        self._page_size = page_size
        self._connections: list[LabConnection] = []
        self._by_id: dict[str, LabConnection] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[LabConnection]:
        return iter(self._connections)

    def add(self, connection: LabConnection) -> None:
        """Add a connection."""
        self._connections.append(connection)
        self._by_id[connection.id] = connection

    def find(self, connection_id: str) -> LabConnection | None:
        """Return the connection with an id."""
        return self._by_id.get(connection_id)

    def page(self, url: str, cursor: str) -> dict[str, Any] | None:
        """Return a page of the list at `url`; None if the cursor is invalid."""
        # a cursor is the index of the last entry of the page before it; newer connections do not change that index
        count = len(self._connections)
        end = count if not cursor else _decode_cursor(cursor)
        if end is None or not 0 <= end <= count:
            return None
        start = max(end - self._page_size, 0)
        newer = min(end + self._page_size, count)
        return {
            "next": f"{url}?cursor={_encode_cursor(start)}" if start else None,
            "previous": f"{url}?cursor={_encode_cursor(newer)}" if end < count else None,
            "results": [connection.as_json() for connection in reversed(self._connections[start:end])],
        }


def timestamp(moment: datetime) -> str:
    """Return a UTC time in Sift's format."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _encode_cursor(index: int) -> str:
    return base64.urlsafe_b64encode(f"p={index:08}".encode()).decode("ascii")


def _decode_cursor(cursor: str) -> int | None:
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode("ascii")
        return int(text.removeprefix("p=")) if text.startswith("p=") else None
    except ValueError:
        return None
