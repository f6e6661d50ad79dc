"""The account's connections: what each is, how it is shown, and how the list is paged."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pytest_sipfront.lab.sift.remote_party import RemoteParty

CONNECTING, CONNECTED, FAILED, FINISHED = "connecting", "connected", "failed", "finished"


@dataclass(eq=False, slots=True)
class LabConnection:
    """One connection.

    `routine` numbers the routine that is in force, so that a reply to an older one's callback can be told from the
    present. `pending` is a routine given before anybody answered: it starts once connected. `order` lets callbacks
    out one after the other. `doing` is the command under way, empty between two.
    """

    to: str
    from_: str
    direction: str
    far: RemoteParty
    status_url: str = ""
    client_data: Any = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    status: str = CONNECTING
    start: datetime | None = None
    end: datetime | None = None
    routine: int = 0
    pending: list[dict[str, Any]] | None = None
    work: asyncio.Task[None] | None = None
    leaving: asyncio.Task[None] | None = None
    order: asyncio.Lock = field(default_factory=asyncio.Lock)
    commands: list[dict[str, Any]] = field(default_factory=list)
    doing: dict[str, Any] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether nothing more can happen on it."""
        return self.status in (FAILED, FINISHED)

    def enter(self, status: str) -> None:
        """Take on a status, with the time that goes with it."""
        self.status = status
        if status == CONNECTED:
            self.start = datetime.now(UTC)
        elif status == FINISHED:
            self.end = datetime.now(UTC)

    def as_json(self) -> dict[str, Any]:
        """Return the connection as its page shows it: `end_time` once finished, `client_data` if there is any."""
        shown: dict[str, Any] = {"connection_id": self.id, "status": self.status}
        shown |= {"start_time": _stamp(self.start)} if self.start else {}
        shown |= {"end_time": _stamp(self.end)} if self.end else {}
        shown |= {"from": self.from_, "to": self.to, "direction": self.direction}
        return shown | ({} if self.client_data is None else {"client_data": self.client_data})


class Connections:
    """All connections in the order of their creation, listed newest first (assumption), with an opaque cursor."""

    def __init__(self, page_size: int) -> None:
        self._page_size = page_size
        self._legs: list[LabConnection] = []
        self._by_id: dict[str, LabConnection] = {}

    def __len__(self) -> int:
        return len(self._legs)

    def __iter__(self) -> Iterator[LabConnection]:
        return iter(self._legs)

    def add(self, leg: LabConnection) -> None:
        """Keep a connection."""
        self._legs.append(leg)
        self._by_id[leg.id] = leg

    def find(self, connection_id: str) -> LabConnection | None:
        """Return the connection with an id."""
        return self._by_id.get(connection_id)

    def page(self, url: str, cursor: str) -> dict[str, Any] | None:
        """Return a page of the list at `url`; None for a cursor that is none of ours."""
        # a cursor names the last entry of the page before it by its place from the beginning, which stays when
        # newer connections come in front of it
        upto = len(self._legs) if not cursor else _decoded(cursor)
        if upto is None or not 0 <= upto <= len(self._legs):
            return None
        least = max(upto - self._page_size, 0)
        newer = upto + self._page_size
        return {
            "next": f"{url}?cursor={_encoded(least)}" if least else None,
            "previous": f"{url}?cursor={_encoded(min(newer, len(self._legs)))}" if upto < len(self._legs) else None,
            "results": [leg.as_json() for leg in reversed(self._legs[least:upto])],
        }


def _encoded(place: int) -> str:
    return base64.urlsafe_b64encode(f"p={place:08}".encode()).decode("ascii")


def _decoded(cursor: str) -> int | None:
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode("ascii")
        return int(text.removeprefix("p=")) if text.startswith("p=") else None
    except ValueError:
        return None


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
