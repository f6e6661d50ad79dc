"""RTP streams with known impairments, and the pcap files from which SIPp plays them."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from itertools import pairwise

PACKET_SECONDS = 0.02
SSRC = 0x5EED


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    """Loss, duplication and reordering in percent of all packets, uniform random delay in milliseconds."""

    loss: float = 0.0
    duplicates: float = 0.0
    reordered: float = 0.0
    jitter_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a received stream: loss in percent, packets, and mean interarrival jitter in milliseconds."""

    loss_percent: float
    duplicates: int
    jitter_ms: float | None


@dataclass(frozen=True, slots=True)
class Stream:
    """A sent stream: departure time and datagram of each packet, and the figures that a receiver must measure."""

    packets: list[tuple[float, bytes]]
    figures: Figures


def impaired_stream(count: int, impairment: Impairment, audio: bytes = b"", seed: int = 1) -> Stream:
    """Return `count` packets of G.711 (PCMU) with the impairment; the first and the last packet are never lost."""
    draw = random.Random(seed)
    sent: list[tuple[float, int]] = []
    for number in range(count):
        inner = 0 < number < count - 1
        if inner and draw.random() * 100 < impairment.loss:
            continue
        at = number * PACKET_SECONDS + draw.uniform(0, impairment.jitter_ms / 1000)
        if inner and draw.random() * 100 < impairment.reordered:
            at += 1.5 * PACKET_SECONDS
        sent.append((at, number))
        if inner and draw.random() * 100 < impairment.duplicates:
            sent.append((at + 0.001, number))
    sent.sort()
    payloads = [audio[160 * number : 160 * (number + 1)].ljust(160, b"\xff") for number in range(count)]
    return Stream([(at, _datagram(number, payloads[number])) for at, number in sent], figures_of(sent, count))


def figures_of(arrivals: list[tuple[float, int]], count: int) -> Figures:
    """Return the figures of `count` packets, of which those in `arrivals` arrive: seconds and number of each copy."""
    numbers = {number for _, number in arrivals}
    firsts: list[tuple[float, int]] = []
    for at, number in sorted(arrivals):
        if number not in {earlier for _, earlier in firsts[-9:]}:
            firsts.append((at, number))
    steps = pairwise(firsts)
    deviations = [abs(b - a - (m - n) * PACKET_SECONDS) * 1000 for (a, n), (b, m) in steps]
    return Figures(
        loss_percent=100 * (1 - len(numbers) / count),
        duplicates=len(arrivals) - len(numbers),
        jitter_ms=sum(deviations) / max(1, len(deviations)),
    )


def _datagram(number: int, payload: bytes) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, (65_000 + number) % 65_536, 160 * number, SSRC) + payload


def pcap(packets: list[tuple[float, bytes]]) -> bytes:
    """Return a pcap file with datagrams as UDP over IPv4 over Ethernet."""
    file = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
    for at, datagram in packets:
        udp = struct.pack("!HHHH", 4000, 4000, 8 + len(datagram), 0) + datagram
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1") + udp
        frame = bytes(12) + b"\x08\0" + ip
        microseconds = round(at * 1e6)
        file += struct.pack("<IIII", microseconds // 10**6, microseconds % 10**6, len(frame), len(frame)) + frame
    return bytes(file)
