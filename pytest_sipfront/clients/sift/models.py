"""Responses and callbacks of Sift as frozen values.

Reading is tolerant, since the pages disagree. Absent and mistyped fields become the empty value; `raw` keeps all.
Sources: the pages "Connections", "Conversations", "Conversation Events", "Applications" and "Phone Numbers" of the
Gridspace REST reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pytest_sipfront.clients.json_fields import EMPTY, frozen, mapping, moment, number, objects, text, texts

CONNECTING, CONNECTED, FAILED, FINISHED = "connecting", "connected", "failed", "finished"
OVER = frozenset({FAILED, FINISHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One media connection between an end user and Sift.

    Attributes:
        connection_id: The unique id.
        status: "connecting", "connected", "failed" or "finished", in lower case.
        start_time: When it was established, UTC.
        end_time: When it ended, UTC. Documented for finished connections only, but one sample is connected and has it.
        from_: The endpoint that initiated it: a phone number, or a name such as "webrtc:jimmy".
        to: The endpoint that received it.
        direction: "incoming" or "outgoing". The pages disagree on the meaning, so assert on `from_` and `to` instead.
        client_data: The argument of a VoIP client's `connect()`; None if there is none.
        raw: The whole object.
    """

    connection_id: str = ""
    status: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    from_: str = ""
    to: str = ""
    direction: str = ""
    client_data: Any = None
    raw: Mapping[str, Any] = field(default_factory=lambda: EMPTY)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Connection:
        """Read a Connection object."""
        return cls(
            connection_id=text(data.get("connection_id")),
            status=text(data.get("status")).strip().lower(),
            start_time=moment(data.get("start_time")),
            end_time=moment(data.get("end_time")),
            from_=text(data.get("from")),
            to=text(data.get("to")),
            direction=text(data.get("direction")),
            client_data=data.get("client_data"),
            raw=frozen(data),
        )

    @property
    def is_over(self) -> bool:
        """True if the connection failed or finished. No page documents a status after these."""
        return self.status in OVER

    @property
    def seconds(self) -> float | None:
        """The duration of a finished connection in whole seconds, by Sift's times; None if they are missing."""
        if self.status != FINISHED or self.start_time is None or self.end_time is None:
            return None
        return max((self.end_time - self.start_time).total_seconds(), 0.0)


def find_connection(body: Any) -> Connection | None:
    """Return the connection in a response or callback, bare or under `connection`; None if there is none.

    The bodies of status callbacks and of the response to `POST /connections` are not documented.
    """
    data = mapping(body)
    inner = mapping(data.get("connection")) or data
    connection = Connection.read({"connection_id": data.get("connection_id"), **inner})
    return connection if connection.connection_id or connection.status else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A conversation event, as posted to an `event_callback`.

    Attributes:
        type: "ended", "transcript" or another type, from `event_type` or `type`, since the pages differ.
        conversation_id: The id of the conversation.
        conference_name: The name of the conference; "" for a call between two.
        connection_id: The speaker of a transcript.
        transcript: The words of a transcript.
        fields: The event's fields, flat or from `event`.
        raw: The whole body.
    """

    type: str = ""
    conversation_id: str = ""
    conference_name: str = ""
    connection_id: str = ""
    transcript: str = ""
    fields: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    raw: Mapping[str, Any] = field(default_factory=lambda: EMPTY)

    @classmethod
    def read(cls, body: Any) -> Event:
        """Read an event's body."""
        data = mapping(body)
        fields = {**data, **mapping(data.get("event"))}
        return cls(
            type=text(fields.get("event_type")) or text(fields.get("type")),
            conversation_id=text(fields.get("conversation_id")),
            conference_name=text(fields.get("conference_name")),
            connection_id=text(fields.get("connection_id")),
            transcript=text(fields.get("transcript")),
            fields=frozen(fields),
            raw=frozen(data),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """A recording and its quality.

    Attributes:
        wav_file: The URL of the WAV file, from `wav_file` or `wave_file`.
        duration_ms: The duration in milliseconds.
        snr: Signal-to-noise ratio; higher is better.
        rt60: Reverberation time; lower is better.
    """

    wav_file: str = ""
    duration_ms: float | None = None
    snr: float | None = None
    rt60: float | None = None

    @classmethod
    def read(cls, value: Any) -> Audio:
        """Read an audio object."""
        data = mapping(value)
        return cls(
            wav_file=text(data.get("wav_file")) or text(data.get("wave_file")),
            duration_ms=number(data.get("duration_ms")),
            snr=number(data.get("snr")),
            rt60=number(data.get("rt60")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One speaker's part of a conversation, in milliseconds from its start."""

    start_ms: float | None = None
    end_ms: float | None = None
    audio: Audio = Audio()

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Channel:
        """Read a channel."""
        audio = Audio.read(data.get("audio"))
        return cls(start_ms=number(data.get("start_ms")), end_ms=number(data.get("end_ms")), audio=audio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A recorded or observed conversation. `status` "processing" means that recordings are not ready yet."""

    conversation_id: str = ""
    status: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    audio: Audio = Audio()
    channels: tuple[Channel, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=lambda: EMPTY)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Conversation:
        """Read a Conversation object; its audio is `mixed_audio` on one page and `audio` on another."""
        return cls(
            conversation_id=text(data.get("conversation_id")),
            status=text(data.get("status")).lower(),
            start_time=moment(data.get("start_time")),
            end_time=moment(data.get("end_time")),
            audio=Audio.read(data.get("mixed_audio") or data.get("audio")),
            channels=tuple(map(Channel.read, objects(data.get("channels")))),
            raw=frozen(data),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application, which receives calls to numbers of the account. Sift posts them to the URL `on_incoming`."""

    name: str = ""
    on_incoming: str = ""
    phone_numbers: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=lambda: EMPTY)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Application:
        """Read an Application object."""
        return cls(
            name=text(data.get("name")),
            on_incoming=text(data.get("on_incoming")),
            phone_numbers=texts(data.get("phone_numbers")),
            raw=frozen(data),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNumber:
    """A number of the account. Its fields are not documented: `number` is the first string that begins with "+"."""

    number: str = ""
    raw: Mapping[str, Any] = field(default_factory=lambda: EMPTY)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> PhoneNumber:
        """Read a number object."""
        values = (data.get("phone_number"), data.get("number"), *data.values())
        numbers = (value for value in values if isinstance(value, str) and value.startswith("+"))
        return cls(number=next(numbers, ""), raw=frozen(data))
