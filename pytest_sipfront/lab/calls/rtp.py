"""Parse SDP and RTP, and measure a received RTP stream: loss, jitter, duplicates, reordering, gaps and audio.

Everything here works on the packets alone, so the results do not depend on the SIP stack or on RTCP.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLOCK_RATE = 8000
TELEPHONE_EVENT = "telephone-event"
COMFORT_NOISE = "cn"
STATIC_TYPES = {0: "pcmu", 8: "pcma", 13: COMFORT_NOISE}
DEFAULT_PTIME_MS = 20
_HEADER_BYTES = 12
_VERSION = 2
_WRAP = 1 << 16
_MAX_JUMP = 3000
"""A larger step in the sequence numbers is a restarted stream, not loss (RFC 3550, MAX_DROPOUT)."""
_MAX_DRIFT_SECONDS = 1.0
_MAX_EVENT_SECONDS = 5.0


# ---- SDP


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioMedia:
    """The audio section of an SDP body.

    Args:
        address: The address that RTP is sent to.
        port: The port that RTP is sent to; 0 rejects the audio.
        formats: Codec names in lower case by payload type.
        ptime_ms: Length of a packet in milliseconds.
    """

    address: str
    port: int
    formats: Mapping[int, str] = field(default_factory=dict)
    ptime_ms: int = DEFAULT_PTIME_MS

    @property
    def codecs(self) -> set[str]:
        """The codecs for audio, without telephone-event and comfort noise."""
        return set(self.formats.values()) - {TELEPHONE_EVENT, COMFORT_NOISE}

    @property
    def accepts_dtmf(self) -> bool:
        """Whether the media accept DTMF as telephone-event."""
        return TELEPHONE_EVENT in self.formats.values()


def audio_media(sdp: str) -> AudioMedia | None:
    """Return the first audio section of an SDP body; None if there is none."""
    session, *sections = re.split(r"^(?=m=)", sdp, flags=re.MULTILINE)
    section = next((section for section in sections if section.startswith("m=audio ")), None)
    if section is None:
        return None
    words = section.split("\n", 1)[0].split()
    port, types = words[1].partition("/")[0], [word for word in words[3:] if word.isdigit()]
    names = dict(re.findall(r"^a=rtpmap:(\d+) ([^/\s]+)", section, re.MULTILINE))
    addresses = re.findall(r"^c=IN IP[46] ([^/\s]+)", section + session, re.MULTILINE)
    ptime = re.search(r"^a=ptime:(\d+)", section, re.MULTILINE)
    return AudioMedia(
        address=addresses[0] if addresses else "",
        port=int(port) if port.isdigit() else 0,
        formats={int(word): names.get(word, STATIC_TYPES.get(int(word), word)).lower() for word in types},
        ptime_ms=int(ptime[1]) if ptime and int(ptime[1]) else DEFAULT_PTIME_MS,
    )


# ---- RTP


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """An RTP packet and its time of arrival in seconds."""

    time: float
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_packet(data: bytes, time: float) -> RtpPacket | None:
    """Return the RTP packet in a datagram; None if it contains none, for example RTCP."""
    if len(data) < _HEADER_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    payload_type = second & 0x7F
    if first >> 6 != _VERSION or 72 <= payload_type <= 76:  # noqa: PLR2004 - RTCP packet types without the top bit
        return None
    start = _HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10 and len(data) >= start + 4:  # header extension
        start += 4 + 4 * struct.unpack_from("!H", data, start + 2)[0]
    end = len(data) - (data[-1] if first & 0x20 else 0)
    return RtpPacket(time, payload_type, sequence, timestamp, ssrc, data[start:end])


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpMeasurement:
    """The quality of a received stream.

    Args:
        packets: Packets received, without duplicates; telephone-event and comfort noise included.
        lost: Missing sequence numbers.
        duplicates: Packets received more than once.
        reordered: Packets that arrived after a later one.
        jitter_ms: Mean interarrival jitter (RFC 3550) in milliseconds; None for fewer than two audio packets.
        longest_gap: The longest part of the call that no packet covers, in seconds.
        audio: The timeline of the call with silence for missing packets: PCM, 16 bit, mono, 8000 samples per second.
    """

    packets: int = 0
    lost: int = 0
    duplicates: int = 0
    reordered: int = 0
    jitter_ms: float | None = None
    longest_gap: float = 0.0
    audio: bytes = field(default=b"", repr=False)


def measure(packets: Sequence[RtpPacket], formats: Mapping[int, str], *, start: float, end: float) -> RtpMeasurement:
    """Measure the packets of a stream that arrived between `start` and `end`, in seconds of their clock."""
    arrived = sorted((packet for packet in packets if packet.time <= end), key=lambda packet: packet.time)
    streams = _streams(arrived)
    unique = [packet for stream in streams for packet in stream.packets]
    jitters = [deviation for stream in streams for deviation in _deviations_ms(stream.packets, formats)]
    placed = _placed(streams, formats, start)
    return RtpMeasurement(
        packets=len(unique),
        lost=sum(stream.lost for stream in streams),
        duplicates=sum(stream.duplicates for stream in streams),
        reordered=sum(stream.reordered for stream in streams),
        jitter_ms=sum(jitters) / len(jitters) if jitters else None,
        longest_gap=_longest_gap(placed, end - start),
        audio=_timeline(placed, formats, end - start),
    )


@dataclass(slots=True)
class _Stream:
    """Packets of one source with continuous sequence numbers, without duplicates, in their order of arrival."""

    packets: list[RtpPacket] = field(default_factory=list)
    sequences: set[int] = field(default_factory=set)
    highest: int = 0
    duplicates: int = 0
    reordered: int = 0

    @property
    def lost(self) -> int:
        return max(self.sequences) - min(self.sequences) + 1 - len(self.sequences)

    def extended(self, sequence: int) -> int:
        """Return the sequence number nearest to the highest so far, without the wrap at 16 bit."""
        step = (sequence - self.highest + _WRAP // 2) % _WRAP - _WRAP // 2
        return self.highest + step

    def add(self, packet: RtpPacket) -> None:
        number = self.extended(packet.sequence)
        if number in self.sequences:
            self.duplicates += 1
            return
        self.reordered += number < self.highest
        self.highest = max(self.highest, number)
        self.sequences.add(number)
        self.packets.append(packet)


def _streams(packets: Iterable[RtpPacket]) -> list[_Stream]:
    streams: list[_Stream] = []
    current: dict[int, _Stream] = {}
    for packet in packets:
        stream = current.get(packet.ssrc)
        if stream is None or abs(stream.extended(packet.sequence) - stream.highest) > _MAX_JUMP:
            stream = current[packet.ssrc] = _Stream(highest=packet.sequence)
            streams.append(stream)
        stream.add(packet)
    return streams


def _deviations_ms(packets: Sequence[RtpPacket], formats: Mapping[int, str]) -> list[float]:
    """Return |D(i-1, i)| of RFC 3550 for successive audio packets, in milliseconds."""
    audio = [packet for packet in packets if formats.get(packet.payload_type) not in (TELEPHONE_EVENT, COMFORT_NOISE)]
    deviations = []
    for before, packet in pairwise(audio):
        sent = _step(before.timestamp, packet.timestamp) / CLOCK_RATE
        deviations.append(abs(packet.time - before.time - sent) * 1000)
    return deviations


def _step(first: int, second: int) -> int:
    return (second - first + (1 << 31)) % (1 << 32) - (1 << 31)


def _placed(
    streams: Sequence[_Stream], formats: Mapping[int, str], start: float
) -> list[tuple[float, float, RtpPacket]]:
    """Return each packet with its start and end in the timeline of the call, in seconds."""
    placed = []
    for stream in streams:
        anchor = stream.packets[0]
        for packet in stream.packets:
            at = anchor.time - start + _step(anchor.timestamp, packet.timestamp) / CLOCK_RATE
            arrived = packet.time - start
            is_event = formats.get(packet.payload_type) == TELEPHONE_EVENT
            if is_event:  # all packets of an event have the timestamp of its start
                placed.append((min(max(at, arrived - _MAX_EVENT_SECONDS), arrived), arrived + 0.02, packet))
                continue
            if abs(at - arrived) > _MAX_DRIFT_SECONDS:
                anchor, at = packet, arrived
            placed.append((at, at + max(len(packet.payload), DEFAULT_PTIME_MS * 8) / CLOCK_RATE, packet))
    return sorted(placed, key=lambda entry: entry[0])


def _longest_gap(placed: Sequence[tuple[float, float, RtpPacket]], duration: float) -> float:
    longest, covered = 0.0, 0.0
    for start, end, _ in placed:
        longest = max(longest, min(start, duration) - covered)
        covered = max(covered, end)
    return max(longest, duration - covered, 0.0)


def _timeline(placed: Sequence[tuple[float, float, RtpPacket]], formats: Mapping[int, str], duration: float) -> bytes:
    import numpy as np  # noqa: PLC0415 - the lab starts without it

    samples = np.zeros(max(0, round(duration * CLOCK_RATE)), "<i2")
    for start, _, packet in placed:
        codec = formats.get(packet.payload_type, STATIC_TYPES.get(packet.payload_type, ""))
        if codec not in ("pcmu", "pcma"):
            continue
        decoded = _g711_table(codec)[np.frombuffer(packet.payload, "u1")]
        first = round(start * CLOCK_RATE)
        decoded, first = decoded[max(0, -first) :], max(0, first)
        room = samples[first : first + len(decoded)]
        room[:] = decoded[: len(room)]
    return bytes(samples.tobytes()) if len(placed) else b""


@lru_cache(maxsize=2)
def _g711_table(codec: str) -> NDArray[np.int16]:
    """Return the linear value of each of the 256 codes of G.711."""
    import numpy as np  # noqa: PLC0415

    code = np.arange(256)
    if codec == "pcmu":
        code = ~code & 0xFF
        magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
        values = np.where(code & 0x80, -magnitude, magnitude)
    else:
        code ^= 0x55
        segment = (code & 0x70) >> 4
        magnitude = ((code & 0x0F) << 4) + 8
        magnitude = np.where(segment > 0, (magnitude + 0x100) << np.maximum(segment - 1, 0), magnitude)
        values = np.where(code & 0x80, magnitude, -magnitude)
    result: NDArray[np.int16] = values.astype("<i2")
    return result
