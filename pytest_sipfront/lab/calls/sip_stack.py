"""The SIP stack, as the lab needs it: one runtime, agents that call and are called, every event at its call.

What `baresip` itself does not tell, and what follows from it here:

* A refusal that comes back before `dial()` returns never reaches its `Call`, so events are collected from the
  runtime and handed to the call they name, also when its object is made later.
* One process has one runtime, and a runtime whose thread died cannot be started again.
* It says no BYE when the process is terminated, so a handler for SIGTERM ends the calls first.
* Port 0 cannot be read back, so a free port is chosen before.
* Ending a call stops its thread for a packet's time, and with it the reception of all other calls. So calls are ended
  one at a time, and the jitter buffer, which would throw away what comes late, is off.
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
from pathlib import Path
from typing import Any

from pytest_sipfront.lab.calls.audio import wav
from pytest_sipfront.lab.calls.call_leg import TAG_HEADER, CallLeg
from pytest_sipfront.lab.calls.ladder import Ladders
from pytest_sipfront.lab.calls.sip_trace import Trace

LOOPBACK = "127.0.0.1"
CODECS = ("pcmu", "pcma")
UNOFFERED_CODECS = ("opus/48000/2",)
"""What a phone speaks that refuses every call with 488: the lab's callers offer G.711 only."""
_PUMP_SECONDS = 0.04
_PORT_TRIES = 5
_PARTING_SECONDS = 0.5
_POLL_SECONDS = 0.01
_KEPT_CALLS = 200
_CONFIG = """\
sip_listen {host}:{port}
sip_transports udp,tcp
call_hold_other_calls no
audio_jitter_buffer_type off
"""


class StackError(Exception):
    """The SIP stack cannot do what was asked. The text is one sentence for the report."""


class NoStackError(StackError):
    """The SIP stack itself is not there, so that nothing can be learned of whoever is to be called."""


class SipAgent:
    """One SIP identity of the lab. `user` and `domain` are the two halves of its address."""

    def __init__(self, stack: SipStack, ua: Any, user: str, domain: str) -> None:
        self._stack = stack
        self._ua = ua
        self.user = user
        self.domain = domain

    async def dial(self, uri: str, tag: str = "") -> CallLeg:
        """Place a call and return its near end at once.

        Cancelling ends the call that may be on its way already.

        Raises:
            StackError: No INVITE could be sent; a NoStackError where that is the stack's own fault.
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
        """Withdraw the registration, if the registrar still answers."""
        with contextlib.suppress(self._stack.errors.BaresipError):
            await self._ua.unregister()

    def on_call(self, take: Callable[[CallLeg], None], **faults: Any) -> None:
        """Hand every call to this agent to `take`, as soon as it rings; `faults` are those of a `CallLeg`."""
        self._ua.on_incoming(lambda call: take(self._stack.adopt(call, **faults)))


class SipStack:
    """The running SIP stack of this process. Made by `start`, ended by `close`."""

    def __init__(self, host: str) -> None:
        self.errors: Any = import_module("baresip")
        self.host = host
        self.port = 0
        self.ladders = Ladders()
        self._legs: dict[int, CallLeg] = {}
        self._ending = asyncio.Lock()
        self._early: OrderedDict[int, list[tuple[str, str, float]]] = OrderedDict()
        self._runtime: Any = None
        self._pump: asyncio.Task[None] | None = None
        self._ended: deque[tuple[str, bool]] = deque(maxlen=_KEPT_CALLS)
        self._trace = Trace(self.ladders)
        self._files = tempfile.TemporaryDirectory(prefix="sipfront-lab-")
        self._handles_sigterm = False

    @classmethod
    async def start(cls, host: str = LOOPBACK) -> SipStack:
        """Start the stack on a free port of `host`, which is this machine's address towards everything it calls.

        Raises:
            NoStackError: Another stack runs in this process, or one has died in it.
        """
        stack = cls(host)
        for attempt in range(_PORT_TRIES):
            try:
                await stack._start()
            except stack.errors.BaresipError as error:
                if attempt == _PORT_TRIES - 1 or "another Runtime" in str(error) or "died" in str(error):
                    stack._files.cleanup()
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
                expose_headers=(TAG_HEADER,),
                native_log_level="error",
                extra_config_text=_CONFIG.format(host=self.host, port=self.port),
            )
        )
        self._runtime.subscribe(self._on_event)
        self._trace.install()
        self._pump = asyncio.create_task(self._keep_pumping(), name="lab audio")
        self._hang_up_on_sigterm()

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
        """Make an identity: `user` at `domain` (empty: this stack itself), registering for `expires` seconds.

        A mute agent sends no RTP beyond its first packet.

        Raises:
            NoStackError: The stack refuses the identity.
        """
        domain = domain or f"{self.host}:{self.port}"
        try:
            account = self.errors.Account(
                user=user,
                domain=domain,
                password=password,
                reg_interval=expires,
                transport=transport,
                audio_codecs=codecs,
                extra_params=(f"audio_source=aufile,{self._silent_file()}",) if mute else (),
            )
            ua = await self.errors.UserAgent.create(self._runtime, account)
        except (ValueError, self.errors.BaresipError) as error:
            raise NoStackError(f"the SIP stack refuses the agent '{user}': {error}") from None
        return SipAgent(self, ua, user, domain)

    def _silent_file(self) -> Path:
        # a source that ends at once: the stack then has nothing to send, which is what being mute means in RTP
        path = Path(self._files.name) / "nothing.wav"
        path.write_bytes(wav(b""))
        return path

    async def place(self, ua: Any, uri: str, tag: str) -> CallLeg:
        """Send an INVITE; see `SipAgent.dial`."""
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

    def adopt(self, call: Any, **faults: Any) -> CallLeg:
        """Return the leg of a call that the stack has made, with the events that came before it."""
        leg = CallLeg(call, self.errors, self._ending, **faults)
        self._legs[leg.handle] = leg
        for name, text, at in self._early.pop(leg.handle, ()):
            self._tell(leg, name, text, at)
        return leg

    async def close(self) -> None:
        """End every call, then the stack. Calling it again does nothing."""
        runtime, self._runtime = self._runtime, None
        if runtime is None:
            return
        await asyncio.gather(*(leg.hang_up() for leg in list(self._legs.values())), return_exceptions=True)
        await self._part()
        if self._pump is not None:
            self._pump.cancel()
        if self._handles_sigterm:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        try:
            await runtime.close()
        finally:
            self._trace.remove()
            self._files.cleanup()

    async def _part(self) -> None:
        """Let what was ended here end in good order: a BYE may have to be repeated, and so is a 487 without its ACK."""
        deadline = time.monotonic() + _PARTING_SECONDS
        while self._still_ending() and time.monotonic() < deadline:  # noqa: ASYNC110 - the trace sets no event
            await asyncio.sleep(_POLL_SECONDS)

    def _still_ending(self) -> bool:
        return not all(self.ladders.is_over(call_id, answered=answered) for call_id, answered in self._ended)

    def _on_event(self, event: Any) -> None:
        if not event.call:
            return
        name, text, now = event.event.name, event.text or "", time.monotonic()
        leg = self._legs.get(event.call)
        if leg is not None:
            self._tell(leg, name, text, now)
            return
        self._early.setdefault(event.call, []).append((name, text, now))
        if len(self._early) > _KEPT_CALLS:
            self._early.popitem(last=False)

    def _tell(self, leg: CallLeg, name: str, text: str, now: float) -> None:
        if name == "CALL_CLOSED":
            leg.pump(now)
            self._legs.pop(leg.handle, None)
            if leg.ended_here:
                self._ended.append((leg.call_id, leg.answered_at is not None))
        leg.on_event(name, text, now)

    async def _keep_pumping(self) -> None:
        while True:
            now = time.monotonic()
            for leg in list(self._legs.values()):
                leg.pump(now)
            await asyncio.sleep(_PUMP_SECONDS)

    def _hang_up_on_sigterm(self) -> None:
        # only where nobody else minds the signal; a server's own handler closes the lab itself
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
