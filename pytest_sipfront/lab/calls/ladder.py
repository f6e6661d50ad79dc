"""The SIP messages and the SDP of each call, read from the message trace of the SIP stack."""

from __future__ import annotations

import logging
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.rtp import AudioMedia, audio_media

if TYPE_CHECKING:
    from pytest_sipfront.lab.run_record import RunRecord

TAG_HEADER = "X-Lab-Call"
"""SIP header that the lab's own callers add to the INVITE."""
TO_CALLEE = "->"
TO_CALLER = "<-"
_ADDRESSES = re.compile(r"\s*(TX|RX) \S+ (\S+) -> (\S+)\s+")
_CALL_ID = re.compile(r"^(?:Call-ID|i)\s*:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_FROM_TAG = re.compile(r"^(?:From|f)\s*:.*?;tag=([^;\s]+)", re.IGNORECASE | re.MULTILINE)
_CSEQ = re.compile(r"^CSeq\s*:\s*(\d+ \w+)", re.IGNORECASE | re.MULTILINE)
_TAG = re.compile(rf"^{TAG_HEADER}\s*:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_BRANCH = re.compile(r"^(?:Via|v)\s*:.*?;branch=([^;,\s]+)", re.IGNORECASE | re.MULTILINE)
_KEPT_CALLS = 500
_KEPT_MESSAGES = 500
_SIP_LOG = logging.getLogger("baresip.native.sip")


@dataclass(frozen=True, slots=True)
class Rung:
    """One SIP message.

    Args:
        at: Seconds of `time.monotonic()`.
        direction: `TO_CALLEE` or `TO_CALLER`.
        line: The first line; of a response also its CSeq.
        hop: The addresses of its sender and receiver.
        is_sent: Whether this SIP stack sent it.
        transaction: Identifies the message within its transaction; a retransmission has the same one.
        media: The audio section of its SDP.
    """

    at: float
    direction: str
    line: str
    hop: tuple[str, str] = ("", "")
    is_sent: bool = True
    transaction: str = ""
    media: AudioMedia | None = None


class Ladders:
    """The messages of the latest calls, by Call-ID.

    Args:
        kept: Number of calls to keep.
        on_local_port: Called with each port at which this SIP stack announces to receive RTP, and the Call-ID.
    """

    def __init__(self, kept: int = _KEPT_CALLS, on_local_port: Callable[[int, str], None] = lambda *_: None) -> None:
        self._rungs: OrderedDict[str, list[Rung]] = OrderedDict()
        self._caller_tags: dict[str, str] = {}
        self._call_ids: dict[str, str] = {}
        self._kept = kept
        self._on_local_port = on_local_port
        self._records: dict[str, RunRecord] = {}
        self._latest: deque[tuple[str, float, str, str, str]] = deque(maxlen=_KEPT_MESSAGES)
        self.aliases: Mapping[str, str] = {}
        """Addresses to replace in hops, those of the media relay by that of the SIP stack."""

    def add(self, text: str, at: float) -> None:
        """Add a traced message: a line with direction and addresses, then the message itself."""
        addresses = _ADDRESSES.match(text)
        call_id, tag = _CALL_ID.search(text), _FROM_TAG.search(text)
        if addresses is None or call_id is None or tag is None:
            return
        way, sender, receiver = addresses.groups()
        source, destination = (self.aliases.get(end, end) for end in (sender, receiver))
        if way == "RX" and source == destination:
            return  # the lab calls itself: the same message was traced when it was sent
        media = audio_media(text.replace("\r\n", "\n").partition("\n\n")[2]) if "m=audio" in text else None
        if media is not None and way == "TX":
            self._on_local_port(media.port, call_id[1])
        if tag_header := _TAG.search(text):
            self._call_ids.setdefault(tag_header[1], call_id[1])
            if tag_header[1] in self._records:
                self._records.setdefault(call_id[1], self._records[tag_header[1]])
        self._write(call_id[1], at, sender, receiver, text[addresses.end() :])
        line = text[addresses.end() :].split("\r\n", 1)[0].split("\n", 1)[0].strip()
        direction = self._direction(call_id[1], tag[1], is_response=line.startswith("SIP/2.0"))
        if line.startswith("SIP/2.0") and (cseq := _CSEQ.search(text)):
            line = f"{line} ({cseq[1]})"
        branch = _BRANCH.search(text)
        rung = Rung(
            at,
            direction,
            line,
            hop=(source, destination),
            is_sent=way == "TX",
            transaction=f"{line} {branch[1] if branch else at}",
            media=media,
        )
        self._rungs.setdefault(call_id[1], []).append(rung)
        self._discard_oldest()

    def record(self, key: str, record: RunRecord) -> None:
        """Write the messages of a call to a record, including its latest ones so far.

        Args:
            key: The Call-ID, or the tag that the INVITE of the call will have.
            record: The record.
        """
        if key not in self._records:
            self._records[key] = record
            for call_id, at, source, sink, text in list(self._latest):
                if call_id == key:
                    record.message(at, source, sink, text)

    def end_record(self, record: RunRecord) -> None:
        """Write no more messages to a record."""
        for key in [key for key, known in list(self._records.items()) if known is record]:
            self._records.pop(key, None)

    def _write(self, call_id: str, at: float, source: str, sink: str, text: str) -> None:
        record = self._records.get(call_id)
        if record is None:
            self._latest.append((call_id, at, source, sink, text))
        else:
            record.message(at, source, sink, text)

    def of(self, call_id: str) -> tuple[Rung, ...]:
        """Return the messages of a call in their order."""
        return tuple(self._rungs.get(call_id, ()))

    def call_id_of(self, tag: str) -> str:
        """Return the Call-ID of the INVITE with this tag, or ""."""
        return self._call_ids.get(tag, "")

    def media(self, call_id: str, sender: str) -> tuple[AudioMedia | None, AudioMedia | None]:
        """Return the audio that this stack announced in messages to `sender`'s other side, and the peer's audio.

        Args:
            call_id: The Call-ID.
            sender: The direction of the messages that the leg sends: `TO_CALLEE` for the calling leg.
        """
        with_media = [rung for rung in self.of(call_id) if rung.media is not None]
        local = [rung for rung in with_media if rung.direction == sender and rung.is_sent]
        remote = [rung for rung in with_media if rung.direction != sender]
        received = [rung for rung in remote if not rung.is_sent] or remote
        return local[-1].media if local else None, received[-1].media if received else None

    def local_ports(self, call_id: str, sender: str) -> set[int]:
        """Return all ports that the leg announced for RTP."""
        rungs = self.of(call_id)
        return {rung.media.port for rung in rungs if rung.media and rung.direction == sender and rung.is_sent}

    @property
    def call_ids(self) -> tuple[str, ...]:
        """The Call-IDs, the oldest first."""
        return tuple(self._rungs)

    def is_over(self, call_id: str, *, answered: bool) -> bool:
        """Whether the end of a call was confirmed: by the response to BYE, or before an answer by the final ACK."""
        lines = [rung.line for rung in self.of(call_id)]
        return any(line.endswith(" BYE)") if answered else line.startswith("ACK ") for line in lines)

    def _direction(self, call_id: str, tag: str, *, is_response: bool) -> str:
        # the first message of a call is its INVITE, so its From tag is the caller's
        from_caller = self._caller_tags.setdefault(call_id, tag) == tag
        return TO_CALLEE if from_caller is not is_response else TO_CALLER

    def _discard_oldest(self) -> None:
        while len(self._rungs) > self._kept:
            call_id, _ = self._rungs.popitem(last=False)
            self._caller_tags.pop(call_id, None)


class TraceHandler(logging.Handler):
    """Takes the message trace, which the SIP stack writes to a logger, from `install` to `remove`."""

    def __init__(self, ladders: Ladders) -> None:
        super().__init__(logging.DEBUG)
        self._ladders = ladders
        self._former = (_SIP_LOG.level, _SIP_LOG.propagate)

    def install(self) -> None:
        """Start to take messages and keep them from all other handlers."""
        self._former = (_SIP_LOG.level, _SIP_LOG.propagate)
        _SIP_LOG.setLevel(logging.DEBUG)
        _SIP_LOG.propagate = False
        _SIP_LOG.addHandler(self)

    def remove(self) -> None:
        """Restore the logger."""
        _SIP_LOG.removeHandler(self)
        level, _SIP_LOG.propagate = self._former
        _SIP_LOG.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Add a message; called by the thread of the SIP stack."""
        self._ladders.add(record.getMessage(), time.monotonic())
