"""Commands that begin a conversation: a second leg bridged to the first, or a conference room; and their events."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any

from pytest_sipfront.lab.sift.connections import CONNECTED, FAILED, FINISHED, LabConnection
from pytest_sipfront.lab.sift.remote_party import ScriptedParty

if TYPE_CHECKING:
    from pytest_sipfront.lab.sift.call_server import CallServer

CONVERSING = ("CallPhone", "CallClient", "JoinConference")
PROCESSING, PROCESSED = "processing", "processed"


@dataclass(eq=False, slots=True)
class ConversationState:
    """One conversation. `members` are those in a conference room now, with where each wants its events."""

    conference: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    start: datetime = field(default_factory=lambda: datetime.now(UTC))
    end: datetime | None = None
    recorded: bool = False
    members: dict[LabConnection, str] = field(default_factory=dict)
    asked: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the conversation as its page shows it; recordings are processed by the second time one asks."""
        self.asked += 1
        ready = self.end is not None and self.asked > 1
        shown: dict[str, Any] = {"conversation_id": self.id, "start_time": _stamp(self.start)}
        shown |= {"status": PROCESSED if ready else PROCESSING}
        if self.end is not None:
            shown["end_time"] = _stamp(self.end)
            if self.recorded:
                duration = int((self.end - self.start).total_seconds() * 1000)
                audio = {"duration_ms": duration, "snr": 30.0, "rt60": 0.2}
                shown["mixed_audio"] = {"wav_file": f"{self.id}.wav", **audio}
                shown["channels"] = [
                    {"start_ms": 0, "end_ms": duration, "audio": {"wave_file": f"{self.id}-{n}.wav", **audio}}
                    for n in range(2)
                ]
        return shown


class Conversations:
    """All conversations of one lab."""

    def __init__(self, exchange: CallServer) -> None:
        self._exchange = exchange
        self._rooms: dict[str, ConversationState] = {}
        self.talks: list[ConversationState] = []

    async def hold(self, leg: LabConnection, command: Mapping[str, Any]) -> None:
        """Carry out a command that begins a conversation, until the conversation ends for this connection."""
        if command["name"] == "JoinConference":
            await self._join(leg, command)
        else:
            to = command.get("phone_number") or f"webrtc:{command.get('client_name')}"
            await self._bridge(leg, command, str(to))

    async def _bridge(self, leg: LabConnection, command: Mapping[str, Any], to: str) -> None:
        callee = self._exchange.spec.callee(to)
        far = ScriptedParty(callee)
        second = LabConnection(to, leg.from_, "incoming", far)
        self._exchange.connections.add(second)
        if not await far.ring():
            second.enter(FAILED)
            return
        second.enter(CONNECTED)
        talk = self._begin(command)
        url = str(command.get("event_callback", ""))
        try:
            await self._talk(talk, second, far.listener.remaining_words(), command, url)
        finally:
            second.enter(FINISHED)
            self._finish(talk)
            self._tell(leg, talk, url)

    async def _talk(
        self, talk: ConversationState, second: LabConnection, said: list[str], command: Mapping[str, Any], url: str
    ) -> None:
        for words in said if command.get("live_transcripts") else ():
            body = {
                "conversation_id": talk.id,
                "event_type": "transcript",
                "timestamp_ms": int(time() * 1000),
                "duration_ms": 80 * len(words),
                "connection_id": second.id,
                "transcript": words,
            }
            await self._post(second, url, body)
        # whoever has no more to say stays on the line until the other hangs up, unless its script says when it leaves
        script = self._exchange.spec.callee(second.to)
        leaves = [turn.hangs_up for turn in script.script if turn.hangs_up is not None] if script else []
        await (asyncio.sleep(leaves[0]) if leaves else asyncio.Event().wait())

    async def _join(self, leg: LabConnection, command: Mapping[str, Any]) -> None:
        name = str(command.get("conference_name"))
        talk = self._rooms.get(name) or self._begin(command, name)
        self._rooms[name] = talk
        talk.members[leg] = str(command.get("event_callback", ""))
        try:
            await asyncio.Event().wait()
        finally:
            urls = list(talk.members.values())
            del talk.members[leg]
            if not talk.members:
                del self._rooms[name]
                self._finish(talk)
                self._tell(leg, talk, *urls)

    def _begin(self, command: Mapping[str, Any], conference: str = "") -> ConversationState:
        talk = ConversationState(conference, recorded=bool(command.get("do_record")))
        self.talks.append(talk)
        return talk

    def _finish(self, talk: ConversationState) -> None:
        talk.end = datetime.now(UTC)

    def _tell(self, leg: LabConnection, talk: ConversationState, *urls: str) -> None:
        """Post `ended`, also when the task that held the conversation is being cancelled."""
        body = {
            "conversation_id": talk.id,
            "event_type": "ended",
            "start_time": _stamp(talk.start),
            "end_time": _stamp(talk.end or talk.start),
            "status": PROCESSING,
        }
        for url in urls:
            named = {**body, "conference_name": talk.conference} if talk.conference else body
            self._exchange.postman.spawn(self._post(leg, url, named))

    async def _post(self, leg: LabConnection, url: str, body: Mapping[str, Any]) -> None:
        if url:
            await self._exchange.postman.post("event", leg, url, body)


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
