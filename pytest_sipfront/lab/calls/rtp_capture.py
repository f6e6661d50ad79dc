"""Capture the RTP packets that arrive at this machine, with the packet socket of Linux (CAP_NET_RAW needed).

The kernel adds the time of arrival, so a busy process does not distort the jitter.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import threading
import time
from collections import deque
from functools import lru_cache

from pytest_sipfront.lab.calls.rtp import RtpPacket, parse_packet
from pytest_sipfront.lab.pcap import Datagram

_ETH_P_IP = 0x0800
_SO_ATTACH_FILTER = 26
_SO_TIMESTAMPNS = 35
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_BUFFER_BYTES = 8 << 20
_MAX_DATAGRAM = 2048
_RECENT_PACKETS = 4096
_RECENT_SECONDS = 2.0
_UDP_HEADER_BYTES = 8
_POLL_SECONDS = 0.2
# UDP over IPv4 that is not outgoing, not a fragment, and has the version bits of RTP in its first byte
_FILTER = (
    (0x28, 0, 0, 0xFFFFF004),  # packet type
    (0x15, 9, 0, 4),  # outgoing: drop
    (0x30, 0, 0, 9),  # IP protocol
    (0x15, 0, 7, 17),  # UDP
    (0x28, 0, 0, 6),  # fragment offset
    (0x45, 5, 0, 0x1FFF),
    (0xB1, 0, 0, 0),  # length of the IP header
    (0x50, 0, 0, 8),  # first byte of the UDP payload
    (0x54, 0, 0, 0xC0),
    (0x15, 0, 1, 0x80),
    (0x06, 0, 0, 0x40000),
    (0x06, 0, 0, 0),
)


class RtpCapture:
    """The RTP packets that arrive at watched ports of this machine."""

    def __init__(self, packets: socket.socket) -> None:
        self._socket = packets
        self._lock = threading.Lock()
        self._calls: dict[int, str] = {}
        self._kept: dict[tuple[int, str], list[Datagram]] = {}
        self._recent: deque[Datagram] = deque(maxlen=_RECENT_PACKETS)
        self._closed = False
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="lab RTP capture", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls) -> RtpCapture | None:
        """Start to capture on all interfaces; return None if this process or platform does not allow it."""
        if not hasattr(socket, "AF_PACKET"):
            return None
        try:
            packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
        except OSError:
            return None
        packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        with contextlib.suppress(OSError):  # beyond the limit for processes without CAP_NET_ADMIN
            packets.setsockopt(socket.SOL_SOCKET, 33, _BUFFER_BYTES)  # SO_RCVBUFFORCE
        packets.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        program = b"".join(struct.pack("HBBI", *instruction) for instruction in _FILTER)
        memory = ctypes.create_string_buffer(program)
        address = struct.pack("HP", len(_FILTER), ctypes.addressof(memory))
        packets.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, address)
        packets.settimeout(_POLL_SECONDS)
        return cls(packets)

    def close(self) -> None:
        """Stop the capture."""
        self._closed = True
        self._thread.join()
        self._socket.close()

    @property
    def dropped(self) -> int:
        """The number of packets that the kernel could not deliver to this process so far."""
        with contextlib.suppress(OSError):
            data = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
            self._dropped += struct.unpack("II", data)[1]  # reading resets the counter of the kernel
        return self._dropped

    def watch(self, port: int, call_id: str) -> None:
        """Keep the packets to a port for a call, also those that have just arrived; an earlier call gets no more."""
        with self._lock:
            earlier = self._calls.get(port)
            if earlier == call_id:
                return
            since = time.monotonic() - _RECENT_SECONDS
            received = self._recent if earlier is None else self._kept.get((port, earlier), ())
            fresh = [datagram for datagram in received if datagram.sink[1] == port and datagram.at >= since]
            self._kept[port, call_id] = fresh
            self._calls[port] = call_id

    def packets(self, port: int, call_id: str) -> list[RtpPacket]:
        """Return the packets to a port of a call so far."""
        parsed = (parse_packet(datagram.data, datagram.at) for datagram in self.datagrams(port, call_id))
        return [packet for packet in parsed if packet is not None]

    def datagrams(self, port: int, call_id: str, start: int = 0) -> list[Datagram]:
        """Return the datagrams to a port of a call so far, from the one at index `start`."""
        with self._lock:
            return self._kept.get((port, call_id), [])[start:]

    def forget(self, port: int, call_id: str) -> None:
        """Discard the packets to a port of a call."""
        with self._lock:
            self._kept.pop((port, call_id), None)
            if self._calls.get(port) == call_id:
                del self._calls[port]

    def _run(self) -> None:
        ancillary = socket.CMSG_SPACE(16)
        while not self._closed:
            try:
                packet, control, _, _ = self._socket.recvmsg(_MAX_DATAGRAM, ancillary)
            except TimeoutError:
                continue
            except OSError:
                return
            start = 4 * (packet[0] & 0x0F)
            source = _address(packet[12:16], packet[start : start + 2])
            sink = _address(packet[16:20], packet[start + 2 : start + 4])
            datagram = Datagram(_arrival(control), source, sink, packet[start + _UDP_HEADER_BYTES :])
            with self._lock:
                call_id = self._calls.get(sink[1])
                (self._recent if call_id is None else self._kept[sink[1], call_id]).append(datagram)


@lru_cache(maxsize=1024)
def _address(host: bytes, port: bytes) -> tuple[str, int]:
    """Return an address as text and number; all packets of a stream share the result."""
    return socket.inet_ntoa(host), int.from_bytes(port)


def _arrival(control: list[tuple[int, int, bytes]]) -> float:
    """Return the kernel's time of arrival, in seconds of `time.monotonic()`."""
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= 16:  # noqa: PLR2004
            seconds, nanoseconds = map(int, struct.unpack_from("qq", data))
            return time.monotonic() - (time.time() - seconds - nanoseconds / 1e9)
    return time.monotonic()
