"""Commands that start a conversation: a second connection bridged to the first, or a conference; and their events."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any

from pytest_sipfront.lab.sift.connections import CONNECTED, FAILED, FINISHED, Connections, LabConnection, timestamp
from pytest_sipfront.lab.sift.remote_party import ScriptedParty

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.sift_section import SiftSpec
    from pytest_sipfront.lab.sift.callback_sender import CallbackSender

PROCESSING, PROCESSED = "processing", "processed"


@dataclass(eq=False, slots=True)
class ConversationState:
    """A conversation.

    Attributes:
        members: The current members of a conference, each with the URL for its events.
        views: How many times the conversation was shown.
    """

    conference: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    start: datetime = field(default_factory=lambda: datetime.now(UTC))
    end: datetime | None = None
    recorded: bool = False
    members: dict[LabConnection, str] = field(default_factory=dict)
    views: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the conversation as documented; recordings are processed by the second view after its end."""
        self.views += 1
        is_processed = self.end is not None and self.views > 1
        fields: dict[str, Any] = {"conversation_id": self.id, "start_time": timestamp(self.start)}
        fields |= {"status": PROCESSED if is_processed else PROCESSING}
        if self.end is not None:
            fields["end_time"] = timestamp(self.end)
            if self.recorded:
                duration = int((self.end - self.start).total_seconds() * 1000)
                audio = {"duration_ms": duration, "snr": 30.0, "rt60": 0.2}
                fields["mixed_audio"] = {"wav_file": f"{self.id}.wav", **audio}
                fields["channels"] = [
                    {"start_ms": 0, "end_ms": duration, "audio": {"wave_file": f"{self.id}-{n}.wav", **audio}}
                    for n in range(2)
                ]
        return fields


class Conversations:
    """All conversations of one lab, in the order of their start."""

    def __init__(self, spec: SiftSpec, connections: Connections, callbacks: CallbackSender) -> None:
        self._spec = spec
        self._connections = connections
        self._callbacks = callbacks
        self._conferences: dict[str, ConversationState] = {}
        self.all: list[ConversationState] = []

    async def perform(self, connection: LabConnection, command: Mapping[str, Any]) -> None:
        """Perform a command that starts a conversation; return when it ends for this connection."""
        if command["name"] == "JoinConference":
            await self._join(connection, command)
        else:
            to = command.get("phone_number") or f"webrtc:{command.get('client_name')}"
            await self._bridge(connection, command, str(to))

    async def _bridge(self, connection: LabConnection, command: Mapping[str, Any], to: str) -> None:
        remote = ScriptedParty(self._spec.callee(to))
        second = LabConnection(to, connection.from_, "incoming", remote)
        self._connections.add(second)
        if not await remote.ring():
            second.set_status(FAILED)
            return
        second.set_status(CONNECTED)
        conversation = self._start(command)
        url = str(command.get("event_callback", ""))
        try:
            if command.get("live_transcripts"):
                await self._send_transcripts(conversation, second, remote.script.remaining_words(), url)
            await self._wait_for_hangup(to)
        finally:
            second.set_status(FINISHED)
            self._end(conversation, connection, url)

    async def _send_transcripts(
        self, conversation: ConversationState, second: LabConnection, texts: Sequence[str], url: str
    ) -> None:
        for text in texts:
            body = {
                "conversation_id": conversation.id,
                "event_type": "transcript",
                "timestamp_ms": int(time() * 1000),
                "duration_ms": 80 * len(text),
                "connection_id": second.id,
                "transcript": text,
            }
            await self._send(second, url, body)

    async def _wait_for_hangup(self, to: str) -> None:
        """Return when the script of the second party hangs up; otherwise the first party ends the conversation."""
        callee = self._spec.callee(to)
        delays = [turn.hangs_up for turn in callee.script if turn.hangs_up is not None] if callee else []
        await (asyncio.sleep(delays[0]) if delays else asyncio.Event().wait())

    async def _join(self, connection: LabConnection, command: Mapping[str, Any]) -> None:
        name = str(command.get("conference_name"))
        conversation = self._conferences.get(name) or self._start(command, name)
        self._conferences[name] = conversation
        conversation.members[connection] = str(command.get("event_callback", ""))
        try:
            await asyncio.Event().wait()
        finally:
            urls = list(conversation.members.values())
            del conversation.members[connection]
            if not conversation.members:
                del self._conferences[name]
                self._end(conversation, connection, *urls)

    def _start(self, command: Mapping[str, Any], conference: str = "") -> ConversationState:
        conversation = ConversationState(conference, recorded=bool(command.get("do_record")))
        self.all.append(conversation)
        return conversation

    def _end(self, conversation: ConversationState, connection: LabConnection, *urls: str) -> None:
        """Send `ended`. The task of the conversation may be cancelled, so separate tasks send it."""
        conversation.end = datetime.now(UTC)
        body = {
            "conversation_id": conversation.id,
            "event_type": "ended",
            "start_time": timestamp(conversation.start),
            "end_time": timestamp(conversation.end),
            "status": PROCESSING,
        }
        if conversation.conference:
            body["conference_name"] = conversation.conference
        for url in urls:
            self._callbacks.spawn(self._send(connection, url, body))

    async def _send(self, connection: LabConnection, url: str, body: Mapping[str, Any]) -> None:
        if url:
            await self._callbacks.send("event", connection, url, body)
