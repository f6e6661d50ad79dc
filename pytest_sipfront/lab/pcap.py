"""Writes UDP datagrams over IPv4 to a capture file that Wireshark, tshark and sngrep read.

Source: the pcap file format (draft-ietf-opsawg-pcap) with link type 101, which is raw IP without a link layer.
"""

from __future__ import annotations

import socket
import struct
from typing import IO, NamedTuple, TypeAlias

_MAGIC, _VERSION, _LINK_TYPE_RAW = 0xA1B2C3D4, (2, 4), 101
_SNAPSHOT_BYTES = 65_535
_IP_HEADER_BYTES, _UDP_HEADER_BYTES = 20, 8
_UDP = 17
_MAX_PAYLOAD = _SNAPSHOT_BYTES - _IP_HEADER_BYTES - _UDP_HEADER_BYTES

FILE_HEADER = struct.pack("<IHHiIII", _MAGIC, *_VERSION, 0, 0, _SNAPSHOT_BYTES, _LINK_TYPE_RAW)


Address: TypeAlias = tuple[str, int]
"""Host and port."""


class Datagram(NamedTuple):
    """A UDP datagram: its time in seconds, the addresses of its sender and receiver, and its payload."""

    at: float
    source: Address
    sink: Address
    data: bytes


def write_datagram(file: IO[bytes], datagram: Datagram) -> int:
    """Append a datagram, whose time is in POSIX seconds, to a capture file that begins with `FILE_HEADER`.

    Returns:
        The number of bytes written; 0 if an address is not IPv4 or the payload is too long for a datagram.
    """
    at, source, sink, payload = datagram
    try:
        addresses = socket.inet_aton(source[0]) + socket.inet_aton(sink[0])
    except OSError:
        return 0
    if len(payload) > _MAX_PAYLOAD:
        return 0
    udp_bytes = _UDP_HEADER_BYTES + len(payload)
    total = _IP_HEADER_BYTES + udp_bytes
    # the checksum 0 of UDP means that there is none
    udp = struct.pack(">HHHH", source[1], sink[1], udp_bytes, 0)
    seconds, microseconds = divmod(round(at * 1_000_000), 1_000_000)
    return file.write(struct.pack("<IIII", seconds, microseconds, total, total) + _ip(addresses, total) + udp + payload)


def _ip(addresses: bytes, total: int) -> bytes:
    start = struct.pack(">BBHHHBB", 0x45, 0, total, 0, 0, 64, _UDP)
    words = struct.unpack(">10H", start + b"\0\0" + addresses)
    folded = sum(words)
    folded = (folded & 0xFFFF) + (folded >> 16)
    folded = (folded & 0xFFFF) + (folded >> 16)
    return start + struct.pack(">H", ~folded & 0xFFFF) + addresses
