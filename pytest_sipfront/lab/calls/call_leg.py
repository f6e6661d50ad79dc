"""One end of one call, as the lab drives and measures it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from pytest_sipfront.lab.calls.audio import BYTES_PER_SECOND, AudioReceiver, AudioSender
from pytest_sipfront.lab.calls.ladder import TAG_HEADER

_DTMF_SECONDS = 0.3
"""A digit takes a quarter of a second to arrive and is lost if the call ends before that."""
_RENEGOTIATION_SECONDS = 0.25
"""The stack renegotiates media about 0.1 s after the answer; digits sent across that may be lost."""
_BYE_SECONDS = 2.0
_READ_BYTES = 2 * BYTES_PER_SECOND
_BYE_RECEIVED = "Connection reset by peer"


class CallLeg:
    """One end of a call: its events, audio and digits. Times are of `time.monotonic()`.

    Args:
        call: The call object of the SIP stack.
        errors: The module with the exceptions of the SIP stack.
        hangup_lock: Held while a call is being ended, so that calls end one at a time.
        drops_incoming: Fault: ignore all audio and digits that arrive.
        lost_digit: Fault: position of a digit to ignore, counted from 1.
    """

    def __init__(
        self,
        call: Any,
        errors: Any,
        hangup_lock: asyncio.Lock,
        *,
        drops_incoming: bool = False,
        lost_digit: int | None = None,
    ) -> None:
        self._call = call
        self._errors = errors
        self._hangup_lock = hangup_lock
        self._lost_digit = lost_digit
        self._digits_arrived = 0
        self._dtmf_sent_at = float("-inf")
        self._decided = asyncio.Event()
        self._ended = asyncio.Event()
        self._digit_arrived = asyncio.Event()
        self.drops_incoming = drops_incoming
        self.started_at = time.monotonic()
        self.rang_at: float | None = None
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.end_reason = ""
        self.rtcp_at: float | None = None
        self.capture_drops = 0
        self.ended_here = False
        self.digits = ""
        self.digit_times: list[float] = []  # of each digit, in seconds since the answer
        self.receiver = AudioReceiver()
        self.sender = AudioSender()

    @property
    def handle(self) -> int:
        """The SIP stack's number for this leg."""
        return int(self._call.handle)

    @property
    def call_id(self) -> str:
        """The SIP Call-ID, or "" before the first message."""
        return self._call.call_id or ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the INVITE that the stack exposes."""
        return dict(self._call.headers)

    @property
    def is_over(self) -> bool:
        """Whether the call has ended."""
        return self._ended.is_set()

    @property
    def stats(self) -> Any:
        """The final statistics of the stack; None before the end of the call, or if it had no media."""
        return self._call.final_stats

    @property
    def ended_by_peer(self) -> bool:
        """Whether the other side hung up: the stack reports its BYE as a reset connection."""
        return not self.ended_here and self.end_reason.startswith(_BYE_RECEIVED)

    def on_event(self, name: str, text: str, now: float) -> None:
        """Process an event of the SIP stack."""
        if name in ("CALL_RINGING", "CALL_PROGRESS"):
            self.rang_at = self.rang_at or now
        elif name == "CALL_ESTABLISHED":
            self.answered_at = now
            self.receiver.start(now)
            self._decided.set()
        elif name == "CALL_DTMF_START" and text:
            self._on_digit(text, now)
        elif name == "CALL_RTCP":
            self.rtcp_at = now
        elif name == "CALL_CLOSED":
            self._on_end(text, now)

    def _on_digit(self, digit: str, now: float) -> None:
        self._digits_arrived += 1
        if not self.drops_incoming and self._digits_arrived != self._lost_digit:
            self.digits += digit
            self.digit_times.append(round(now - (self.answered_at or now), 3))
            self._digit_arrived.set()

    def _on_end(self, reason: str, now: float) -> None:
        self.ended_at, self.end_reason = now, reason
        self.receiver.finish(now)
        self._decided.set()
        self._ended.set()
        self._digit_arrived.set()

    def exchange_audio(self, now: float) -> None:
        """Move audio in both directions; called several times per second during the call."""
        audio = self._call.audio
        try:
            self._receive_audio(audio, now)
            self.sender.feed(audio, audio.info().tx_buffered)
        except self._errors.AudioRestarted:
            self.sender.rewind()
        except self._errors.AudioNotActive:
            pass  # not up yet, or just ended

    def _receive_audio(self, audio: Any, now: float) -> None:
        pcm = audio.read(_READ_BYTES)
        if not self.drops_incoming:
            stats = audio.stats()
            self.receiver.take(pcm, now, stats.rx_dropped_bytes + stats.rx_discarded_bytes)

    async def play(self, pcm: bytes) -> None:
        """Play audio; return when it has been sent or the call has ended. Cancelling stops the audio."""
        self.sender.play(pcm)
        waits = [asyncio.ensure_future(self.sender.finished()), asyncio.ensure_future(self.wait_for_end())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.stop_playing()
            raise
        finally:
            for wait in waits:
                wait.cancel()

    def stop_playing(self) -> None:
        """Stop the current audio at once."""
        self.sender.play(b"")
        with contextlib.suppress(self._errors.BaresipError):
            self._call.audio.flush_tx()

    async def wait_for_answer(self, timeout: float) -> bool:  # noqa: ASYNC109 - a limit of the call, not of the caller
        """Return whether the call was answered or ended within `timeout` seconds."""
        return await _is_set_within(timeout, self._decided)

    async def wait_for_end(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Return whether the call ended within `timeout` seconds (None: wait until it does)."""
        return await _is_set_within(timeout, self._ended)

    async def wait_for_digit(self, count: int) -> str:
        """Return the digit after the first `count`; "" if the call ends before it arrives."""
        while len(self.digits) <= count and not self.is_over:
            self._digit_arrived.clear()
            await self._digit_arrived.wait()
        return self.digits[count : count + 1]

    async def send_dtmf(self, digits: str) -> None:
        """Send DTMF digits; no effect on a call that has ended."""
        if self.answered_at is not None:
            await self.wait_for_end(max(0.0, self.answered_at + _RENEGOTIATION_SECONDS - time.monotonic()))
        with contextlib.suppress(self._errors.StaleHandleError):
            await self._call.send_dtmf(digits)
        self._dtmf_sent_at = time.monotonic()

    async def answer(self) -> None:
        """Answer the call; no effect if the caller has given up."""
        # The stack renegotiates 0.1 s after an answer without video and loses a packet or two over it. The lab's own
        # callers offer no video, so answering with it only avoids the renegotiation.
        with contextlib.suppress(self._errors.StaleHandleError):
            await self._call.answer(video=TAG_HEADER in self.headers)

    async def reject(self) -> None:
        """Reject the call with 486 Busy Here; no effect if the caller has given up."""
        self.ended_here = True
        with contextlib.suppress(self._errors.StaleHandleError):
            await self._call.reject()

    async def hang_up(self) -> None:
        """End the call with BYE, or with CANCEL before the answer, and return once the stack confirms it."""
        if self.is_over:
            return
        await self.wait_for_end(max(0.0, self._dtmf_sent_at + _DTMF_SECONDS - time.monotonic()))
        async with self._hangup_lock:
            if not self.is_over:
                self.ended_here = True
                with contextlib.suppress(self._errors.StaleHandleError):
                    await self._call.hangup()
        await self.wait_for_end(_BYE_SECONDS)


async def _is_set_within(seconds: float | None, event: asyncio.Event) -> bool:
    if seconds is not None and seconds <= 0:
        return event.is_set()
    try:
        async with asyncio.timeout(seconds):  # wait_for() may lose a cancellation that comes with the event
            await event.wait()
    except TimeoutError:
        return False
    return True
