"""A relay between the lab's callers and its phones, for two purposes.

It impairs the RTP of a call by the line profile of its test or phone. It also records RTP for processes that may not
capture packets. It needs no privileges: the caller dials the relay, which passes SIP on and puts its own ports into the
SDP.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import re
import selectors
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.ladder import TAG_HEADER
from pytest_sipfront.lab.calls.rtp import RtpPacket, parse_packet
from pytest_sipfront.lab.pcap import Datagram

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.calls_section import LineProfile

_MAX_DATAGRAM = 65_535
_KEPT_CALLS = 250
_POLL_SECONDS = 0.2
_REORDER_SECONDS = 0.03
_MAX_EVENT_BYTES = 20
_CALL_ID = re.compile(rb"^(?:Call-ID|i)\s*:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_USER = re.compile(rb"[A-Z]+ sip:([^@\s]+)@")
_TAG = re.compile(rf"^{TAG_HEADER}\s*:\s*(\S+)".encode(), re.IGNORECASE | re.MULTILINE)
_AUDIO = re.compile(rb"^(m=audio )(\d+)", re.MULTILINE)
_RTCP = re.compile(rb"^(a=rtcp:)(\d+)", re.MULTILINE)
_LENGTH = re.compile(rb"^((?:Content-Length|l)\s*:\s*)\d+", re.IGNORECASE | re.MULTILINE)


class MediaRelay:
    """The relay of one SIP stack. It has the methods of `RtpCapture` that read packets.

    Args:
        host: The address of the SIP stack.
        port: Its port.
        line_of: Returns the line profile of a call by the dialled number and the tag of its INVITE ("" without one).
    """

    dropped = 0
    """The number of packets that were not recorded."""

    def __init__(self, host: str, port: int, line_of: Callable[[str, str], LineProfile | None]) -> None:
        self._host = host
        self._stack_port = port
        self._line_of = line_of
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._calls: OrderedDict[bytes, _RelayedCall] = OrderedDict()
        self._recorded: dict[tuple[int, str], list[Datagram]] = {}
        self._delayed: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._closed = False
        self._to_phones, self._to_callers = self.open_port(self._on_response), self.open_port(self._on_request)
        self._thread = threading.Thread(target=self._run, name="lab media relay", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port that callers dial."""
        return _text(self._to_callers)

    @property
    def addresses(self) -> frozenset[str]:
        """The addresses from which the relay sends SIP."""
        return frozenset((_text(self._to_callers), _text(self._to_phones)))

    def watch(self, port: int, call_id: str) -> None:
        """Accept a port. The relay records every stream that it passes on, so there is nothing to start."""

    def packets(self, port: int, call_id: str) -> list[RtpPacket]:
        """Return the packets passed on to a port of a call so far."""
        parsed = (parse_packet(datagram.data, datagram.at) for datagram in self.datagrams(port, call_id))
        return [packet for packet in parsed if packet is not None]

    def datagrams(self, port: int, call_id: str, start: int = 0) -> list[Datagram]:
        """Return the datagrams passed on to a port of a call so far, from the one at index `start`."""
        with self._lock:
            return self._recorded.get((port, call_id), [])[start:]

    def forget(self, port: int, call_id: str) -> None:
        """Discard the packets to a port of a call."""
        with self._lock:
            self._recorded.pop((port, call_id), None)

    def close(self) -> None:
        """Stop the relay."""
        self._closed = True
        self._thread.join()
        for call in self._calls.values():
            call.close()
        self._to_callers.close()
        self._to_phones.close()
        self._selector.close()

    # ---- for calls

    def open_port(self, handle: Callable[[bytes], None]) -> socket.socket:
        """Open a port whose datagrams go to `handle`, in the thread of the relay."""
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.bind((self._host, 0))
        end.setblocking(False)
        self._selector.register(end, selectors.EVENT_READ, handle)
        return end

    def close_port(self, end: socket.socket) -> None:
        """Close a port."""
        self._selector.unregister(end)
        end.close()

    def send(self, sender: socket.socket, port: int, call_id: str, data: bytes, delay: float = 0.0) -> None:
        """Send a datagram to a port of the SIP stack after a delay in seconds, and record it for a call then."""
        if delay:
            again = (time.monotonic() + delay, next(self._order), lambda: self.send(sender, port, call_id, data))
            heapq.heappush(self._delayed, again)
            return
        with contextlib.suppress(OSError):
            sender.sendto(data, (self._host, port))
        datagram = Datagram(time.monotonic(), sender.getsockname(), (self._host, port), data)
        with self._lock:
            self._recorded.setdefault((port, call_id), []).append(datagram)

    def _run(self) -> None:
        while not self._closed:
            while self._delayed and self._delayed[0][0] <= time.monotonic():
                heapq.heappop(self._delayed)[2]()
            wait = self._delayed[0][0] - time.monotonic() if self._delayed else _POLL_SECONDS
            for key, _ in self._selector.select(max(0.0, min(wait, _POLL_SECONDS))):
                end = key.fileobj
                assert isinstance(end, socket.socket)  # noqa: S101 - only sockets are registered
                with contextlib.suppress(OSError):
                    while True:
                        key.data(end.recv(_MAX_DATAGRAM))

    # ---- SIP

    def _on_request(self, data: bytes) -> None:
        first, separator, rest = data.partition(b"\r\n")
        stack = f"@{self._host}:{self._stack_port}".encode()
        data = first.replace(f"@{self.address}".encode(), stack) + separator + rest
        found = (_USER.match(first), _TAG.search(rest))
        number, tag = (match[1].decode("ascii", "replace") if match is not None else "" for match in found)
        self._pass_on(data, self._to_phones, self._line_of(number, tag), from_caller=True)

    def _on_response(self, data: bytes) -> None:
        self._pass_on(data, self._to_callers, None, from_caller=False)

    def _pass_on(self, data: bytes, sender: socket.socket, line: LineProfile | None, *, from_caller: bool) -> None:
        head, separator, body = data.partition(b"\r\n\r\n")
        call_id, audio, rtcp = _CALL_ID.search(head), _AUDIO.search(body), _RTCP.search(body)
        if call_id is not None and audio is not None and int(audio[2]):
            ports = (int(audio[2]), int(rtcp[2]) if rtcp is not None else int(audio[2]) + 1)
            own = self._call(call_id[1], line).set_media(ports, from_caller=from_caller)
            body = _RTCP.sub(rb"\g<1>%d" % own[1], _AUDIO.sub(rb"\g<1>%d" % own[0], body))
            head = _LENGTH.sub(rb"\g<1>%d" % len(body), head)
        with contextlib.suppress(OSError):
            sender.sendto(head + separator + body, (self._host, self._stack_port))

    def _call(self, call_id: bytes, line: LineProfile | None) -> _RelayedCall:
        if call_id not in self._calls:
            self._calls[call_id] = _RelayedCall(self, call_id.decode("ascii", "replace"), line)
            if len(self._calls) > _KEPT_CALLS:
                self._calls.popitem(last=False)[1].close(self)
        return self._calls[call_id]


class _RelayedCall:
    """The ports of one call: a pair for RTP and RTCP towards the caller, and a pair towards the phone."""

    def __init__(self, relay: MediaRelay, call_id: str, line: LineProfile | None) -> None:
        self._relay = relay
        self._call_id = call_id
        self._line = line
        seed = line.seed if line is not None else 0
        self._draws = {True: random.Random(seed), False: random.Random(seed + 1)}  # noqa: S311 - repeatable
        self._ports: dict[bool, tuple[int, int]] = {}
        self._sockets = {
            from_caller: tuple(relay.open_port(self._handler(from_caller=from_caller, rtcp=rtcp)) for rtcp in (0, 1))
            for from_caller in (True, False)
        }

    def set_media(self, ports: tuple[int, int], *, from_caller: bool) -> tuple[int, int]:
        """Set the ports of one party, and return the ports that the relay announces to the other party for it."""
        self._ports[from_caller] = ports
        rtp, rtcp = self._sockets[not from_caller]
        return rtp.getsockname()[1], rtcp.getsockname()[1]

    def close(self, relay: MediaRelay | None = None) -> None:
        """Close the ports; `relay` also stops to listen at them."""
        for end in (*self._sockets[True], *self._sockets[False]):
            if relay is not None:
                relay.close_port(end)
            else:
                end.close()

    def _handler(self, *, from_caller: bool, rtcp: int) -> Callable[[bytes], None]:
        def pass_on(data: bytes) -> None:
            ports = self._ports.get(not from_caller)
            if ports is None:
                return
            sender = self._sockets[not from_caller][rtcp]
            delays = [0.0] if rtcp or self._line is None else _delays(self._line, self._draws[from_caller], data)
            for delay in delays:
                self._relay.send(sender, ports[rtcp], self._call_id, data, delay)

        return pass_on


def _delays(line: LineProfile, draw: random.Random, data: bytes) -> list[float]:
    """Return the delay in seconds of each copy of a packet that arrives; no copy arrives of a lost one."""
    lost, duplicated, reordered, jitter = draw.random(), draw.random(), draw.random(), draw.random()
    if lost * 100 < line.loss:
        return []
    if len(data) <= _MAX_EVENT_BYTES:  # the SIP stack takes reordered packets of one DTMF digit for several digits
        return [line.delay / 1000]
    delay = (line.delay + jitter * line.jitter) / 1000
    if reordered * 100 < line.reorder:
        delay += _REORDER_SECONDS
    return [delay, delay + 0.001] if duplicated * 100 < line.duplicate else [delay]


def _text(end: socket.socket) -> str:
    host, port = end.getsockname()
    return f"{host}:{port}"
