"""The SIP stack of this process: one runtime, its agents, and the events of every call.

Limitations of `baresip` and their workarounds:

* A rejection that arrives before `dial()` returns does not reach its `Call`. Events are therefore taken from the
  runtime and passed to the call they name, even if its object is created later.
* A process has one runtime. A runtime whose thread died cannot be restarted.
* A terminated process sends no BYE, so a handler for SIGTERM ends the calls first.
* Port 0 cannot be read back, so a free port is chosen in advance.
* Ending a call blocks its thread for the length of a packet, and with it the reception of all other calls. Calls are
  therefore ended one at a time, and the jitter buffer is off unless nothing else counts lost packets.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sipfront.lab.addresses import escaped
from pytest_sipfront.lab.calls.audio import wav
from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.calls.ladder import TAG_HEADER, TO_CALLEE, TO_CALLER, Ladders, TraceHandler
from pytest_sipfront.lab.calls.media_relay import MediaRelay
from pytest_sipfront.lab.calls.rtp_capture import RtpCapture

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.calls_section import LineProfile

LOOPBACK = "127.0.0.1"
CODECS = ("pcmu", "pcma")
UNOFFERED_CODECS = ("opus/48000/2",)
"""Codecs of a phone that rejects every call with 488: the lab's callers offer G.711 only."""
_AUDIO_SECONDS = 0.04
_PORT_TRIES = 5
_CLOSING_SECONDS = 0.5
_INVITE_SECONDS = 0.01
_POLL_SECONDS = 0.01
_VIDEO_SIZE = (16, 16)
"""An answer with video (see `CallLeg.answer`) reserves four frames of this size."""
_KEPT_CALLS = 200
_KEPT_PACKETS_SECONDS = 30.0
_CONFIG = """\
sip_listen {host}:{port}
sip_transports udp,tcp
call_hold_other_calls no
audio_jitter_buffer_type {jitter_buffer}
"""
_JITTER_BUFFER = """\
fixed
audio_jitter_buffer_ms 100-300
audio_jitter_buffer_size 200"""
EXTRA = 'pip install "pytest-sipfront[lab]"'
_PACKAGES = {
    "baresip": "baresip-python, which has wheels for Linux with glibc and for macOS only",
    "numpy": "numpy",
}
_LATE_MODULES = ("baresip.call", "numpy.fft", "numpy.random")  # modules that their packages import on first use
_importing = threading.Lock()


def unavailable() -> str:
    """Return why this machine cannot place calls, in one sentence, or "" if it can."""
    missing = [package for module, package in _PACKAGES.items() if find_spec(module) is None]
    return f"it needs {' and '.join(missing)} ({EXTRA})" if missing else ""


def import_all() -> None:
    """Import the packages that calls need. Threads that call this at the same time wait for the first."""
    with _importing:  # two threads that import parts of numpy in different orders get incomplete modules
        for module in _LATE_MODULES:
            import_module(module)


class StackError(Exception):
    """The SIP stack cannot carry out a request. The text is one sentence for the report."""


class NoStackError(StackError):
    """The SIP stack does not work, so the run has no verdict on the called side."""


class SipAgent:
    """One SIP identity of the lab. `user` and `domain` are the two halves of its address."""

    def __init__(self, stack: SipStack, ua: Any, user: str, domain: str) -> None:
        self._stack = stack
        self._ua = ua
        self.user = user
        self.domain = domain

    async def dial(self, uri: str, tag: str = "") -> CallLeg:
        """Place a call and return its calling leg at once. Cancelling also ends a call that was already placed.

        Raises:
            StackError: No INVITE could be sent; a NoStackError if the stack does not work.
        """
        placing = asyncio.ensure_future(self._stack.place(self._ua, uri, tag))
        try:
            return await asyncio.shield(placing)
        except asyncio.CancelledError:
            with contextlib.suppress(StackError):
                await (await placing).hang_up()
            raise

    async def register(self) -> None:
        """Register with the agent's registrar.

        Raises:
            StackError: The registrar refused or did not answer.
        """
        try:
            await self._ua.register()
        except self._stack.errors.BaresipError as error:
            raise StackError(f"{self.user} could not register at {self.domain}: {error}") from None

    async def unregister(self) -> None:
        """Remove the registration, if the registrar still answers."""
        with contextlib.suppress(self._stack.errors.BaresipError):
            await self._ua.unregister()

    def on_call(self, take: Callable[[CallLeg], None], **faults: Any) -> None:
        """Pass every incoming call to `take` when it rings; `faults` are arguments of `CallLeg`."""
        self._ua.on_incoming(lambda call: take(self._stack.adopt(call, **faults)))


class SipStack:
    """The running SIP stack of this process, created by `start`."""

    def __init__(self, host: str, *, has_relay: bool = False) -> None:
        self.errors: Any = import_module("baresip")
        self.host = host
        self.port = 0
        self.relay: MediaRelay | None = None
        self.capture: RtpCapture | MediaRelay | None = RtpCapture.open()
        self.has_jitter_buffer = self.capture is None and not has_relay
        self.ladders = Ladders(on_local_port=self.capture.watch if self.capture else lambda *_: None)
        self._legs: dict[int, CallLeg] = {}
        self._hangup_lock = asyncio.Lock()
        self._early_events: OrderedDict[int, list[tuple[str, str, float]]] = OrderedDict()
        self._runtime: Any = None
        self._audio_task: asyncio.Task[None] | None = None
        self._ended: deque[tuple[str, bool]] = deque(maxlen=_KEPT_CALLS)
        self._trace = TraceHandler(self.ladders)
        self._files = tempfile.TemporaryDirectory(prefix="sipfront-lab-")
        self._handles_sigterm = False
        self._next_invite = 0.0

    @classmethod
    async def start(cls, host: str = LOOPBACK, *, has_relay: bool = False) -> SipStack:
        """Start the stack on a free port of `host`, the address of this machine for all of its calls.

        Args:
            host: The address.
            has_relay: Whether `open_relay` will follow if this process may not capture packets.

        Raises:
            NoStackError: Another stack runs in this process, or one has died.
        """
        stack = cls(host, has_relay=has_relay)
        for attempt in range(_PORT_TRIES):
            try:
                await stack._start()
            except stack.errors.BaresipError as error:
                if attempt == _PORT_TRIES - 1 or "another Runtime" in str(error) or "died" in str(error):
                    stack._release()
                    raise NoStackError(f"the SIP stack does not start: {error}") from None
            else:
                return stack
        raise AssertionError("unreachable")

    async def _start(self) -> None:
        self.port = _free_port(self.host)
        self._runtime = self.errors.Runtime()
        await self._runtime.start(
            self.errors.Config(
                net_interface=self.host,
                sip_trace=True,
                max_concurrent_calls=None,
                video_size=_VIDEO_SIZE,
                expose_headers=(TAG_HEADER,),
                native_log_level="error",
                extra_config_text=_CONFIG.format(
                    host=self.host, port=self.port, jitter_buffer=_JITTER_BUFFER if self.has_jitter_buffer else "off"
                ),
            )
        )
        self._runtime.subscribe(self._on_event)
        self._trace.install()
        self._audio_task = asyncio.create_task(self._exchange_audio(), name="lab audio")
        self._hang_up_on_sigterm()

    def open_relay(self, line_of: Callable[[str, str], LineProfile | None]) -> MediaRelay:
        """Open the media relay, which also records packets if this process may not capture them."""
        self.relay = MediaRelay(self.host, self.port, line_of)
        self.ladders.aliases = dict.fromkeys(self.relay.addresses, f"{self.host}:{self.port}")
        self.capture = self.capture or self.relay
        return self.relay

    async def agent(
        self,
        user: str,
        *,
        domain: str = "",
        password: str = "",
        expires: int = 0,
        transport: str = "udp",
        codecs: tuple[str, ...] = CODECS,
        mute: bool = False,
    ) -> SipAgent:
        """Create an identity.

        Args:
            user: The user part of its address.
            domain: The domain of its address; empty for this stack.
            password: The password for digest authentication.
            expires: Lifetime of its registrations in seconds.
            transport: "udp" or "tcp".
            codecs: The codecs that it offers and accepts.
            mute: Send no RTP after the first packet.

        Raises:
            NoStackError: The stack rejects the identity.
        """
        domain = domain or f"{self.host}:{self.port}"
        try:
            account = self.errors.Account(
                user=escaped(user),
                domain=domain,
                password=password,
                reg_interval=expires,
                transport=transport,
                audio_codecs=codecs,
                extra_params=(f"audio_source=aufile,{self._silent_file()}",) if mute else (),
            )
            ua = await self.errors.UserAgent.create(self._runtime, account)
        except (ValueError, self.errors.BaresipError) as error:
            raise NoStackError(f"the SIP stack rejects the agent '{user}': {error}") from None
        return SipAgent(self, ua, user, domain)

    def _silent_file(self) -> Path:
        # the stack sends no RTP once its audio source has ended
        path = Path(self._files.name) / "nothing.wav"
        path.write_bytes(wav(b""))
        return path

    async def place(self, ua: Any, uri: str, tag: str) -> CallLeg:
        """Send an INVITE; see `SipAgent.dial`."""
        await self._wait_for_turn()
        started_at = time.monotonic()
        try:
            call = await ua.dial(uri, {TAG_HEADER: tag} if tag else None)
        except (self.errors.RuntimeDead, self.errors.CommandTimeout, self.errors.CommandQueueFull) as error:
            raise NoStackError(f"the SIP stack does not work: {error}") from None
        except (ValueError, self.errors.BaresipError) as error:
            raise StackError(f"no INVITE could be sent to {uri}: {error}") from None
        leg = self.adopt(call)
        leg.started_at = started_at
        return leg

    async def _wait_for_turn(self) -> None:
        """Space the INVITEs of many calls: a burst overflows the socket of a stack that calls itself."""
        now = time.monotonic()
        self._next_invite = max(now, self._next_invite + _INVITE_SECONDS)
        await asyncio.sleep(self._next_invite - now)

    def adopt(self, call: Any, **faults: Any) -> CallLeg:
        """Return the leg of a call that the stack has created, with the events that arrived before."""
        leg = CallLeg(call, self.errors, self._hangup_lock, **faults)
        leg.capture_drops = self.capture.dropped if self.capture else 0
        self._legs[leg.handle] = leg
        for name, text, at in self._early_events.pop(leg.handle, ()):
            self._pass_event(leg, name, text, at)
        return leg

    async def close(self) -> None:
        """End every call, then the stack. Further calls have no effect."""
        runtime, self._runtime = self._runtime, None
        if runtime is None:
            return
        await asyncio.gather(*(leg.hang_up() for leg in list(self._legs.values())), return_exceptions=True)
        await self._wait_for_confirmations()
        if self._audio_task is not None:
            self._audio_task.cancel()
        if self._handles_sigterm:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        try:
            await runtime.close()
        finally:
            self._trace.remove()
            self._release()

    def _release(self) -> None:
        self._files.cleanup()
        if self.relay is not None:
            self.relay.close()
        if isinstance(self.capture, RtpCapture):
            self.capture.close()

    async def _wait_for_confirmations(self) -> None:
        """Give the peers time to confirm: the stack repeats a lost BYE, and answers a repeated 487 with its ACK."""
        deadline = time.monotonic() + _CLOSING_SECONDS
        while self._is_ending() and time.monotonic() < deadline:  # noqa: ASYNC110 - the trace sets no event
            await asyncio.sleep(_POLL_SECONDS)

    def _is_ending(self) -> bool:
        return not all(self.ladders.is_over(call_id, answered=answered) for call_id, answered in self._ended)

    def _on_event(self, event: Any) -> None:
        if not event.call:
            return
        name, text, now = event.event.name, event.text or "", time.monotonic()
        leg = self._legs.get(event.call)
        if leg is not None:
            self._pass_event(leg, name, text, now)
            return
        self._early_events.setdefault(event.call, []).append((name, text, now))
        if len(self._early_events) > _KEPT_CALLS:
            self._early_events.popitem(last=False)

    def _pass_event(self, leg: CallLeg, name: str, text: str, now: float) -> None:
        if name == "CALL_CLOSED":
            leg.exchange_audio(now)
            self._legs.pop(leg.handle, None)
            asyncio.get_running_loop().call_later(_KEPT_PACKETS_SECONDS, self._forget_packets, leg.call_id)
            if leg.ended_here:
                self._ended.append((leg.call_id, leg.answered_at is not None))
        leg.on_event(name, text, now)

    def _forget_packets(self, call_id: str) -> None:
        for direction in (TO_CALLEE, TO_CALLER):
            for port in self.ladders.local_ports(call_id, direction):
                if self.capture is not None:
                    self.capture.forget(port, call_id)

    async def _exchange_audio(self) -> None:
        while True:
            now = time.monotonic()
            for leg in list(self._legs.values()):
                leg.exchange_audio(now)
            await asyncio.sleep(_AUDIO_SECONDS)

    def _hang_up_on_sigterm(self) -> None:
        # a program with its own handler for the signal closes the lab itself
        in_main = threading.current_thread() is threading.main_thread()
        if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._terminated)
            self._handles_sigterm = True

    def _terminated(self) -> None:
        self._closing = asyncio.ensure_future(self.close())
        self._closing.add_done_callback(lambda _: os.kill(os.getpid(), signal.SIGTERM))


def _free_port(host: str) -> int:
    """Return a port of `host` that is free for UDP and for TCP."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind((host, 0))
            port = int(tcp.getsockname()[1])
            with contextlib.suppress(OSError):
                udp.bind((host, port))
                return port
