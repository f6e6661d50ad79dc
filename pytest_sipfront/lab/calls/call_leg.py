"""One end of one call, as the lab drives and measures it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from pytest_sipfront.lab.calls.audio import BYTES_PER_SECOND, AudioReceiver, AudioSender

TAG_HEADER = "X-Lab-Call"
"""Stands in the INVITE of the lab's own callers."""
_SETTLE_AFTER_DTMF = 0.3
"""A digit still on its way when the call ends is lost: it takes a quarter of a second to reach the other side."""
_SETTLE_AFTER_ANSWER = 0.25
"""The stack renegotiates the media about 0.1 s after the answer; digits sent across that may be lost."""
_GOODBYE_SECONDS = 2.0
_READ_BYTES = 2 * BYTES_PER_SECOND
_BYE_RECEIVED = "Connection reset by peer"


class CallLeg:
    """One end of a call: its events, its audio, its digits. Times are of `time.monotonic()`.

    `errors` is the module that names the stack's exceptions, `ending` is held while a call is being ended. Two
    faults: `deaf` drops everything that arrives, `loses` is the number (from 1) of the digit that gets lost.
    """

    def __init__(
        self, call: Any, errors: Any, ending: asyncio.Lock, *, deaf: bool = False, loses: int | None = None
    ) -> None:
        self._call = call
        self._errors = errors
        self._ending = ending
        self._deaf = deaf
        self._loses = loses
        self._digits_arrived = 0
        self._spoke_dtmf_at = float("-inf")
        self._settled = asyncio.Event()
        self._closed = asyncio.Event()
        self._digit_came = asyncio.Event()
        self.started_at = time.monotonic()
        self.rang_at: float | None = None
        self.answered_at: float | None = None
        self.closed_at: float | None = None
        self.close_text = ""
        self.ended_here = False
        self.digits = ""
        self.ear = AudioReceiver()
        self.mouth = AudioSender()

    @property
    def handle(self) -> int:
        """The stack's number for this end."""
        return int(self._call.handle)

    @property
    def call_id(self) -> str:
        """The SIP Call-ID, once a message carried it."""
        return self._call.call_id or ""

    @property
    def headers(self) -> dict[str, str]:
        """The INVITE's headers that the stack was asked to show."""
        return dict(self._call.headers)

    @property
    def is_closed(self) -> bool:
        """Whether this end is over."""
        return self._closed.is_set()

    @property
    def is_deaf(self) -> bool:
        """Whether this end drops everything that arrives."""
        return self._deaf

    @property
    def stats(self) -> Any:
        """The stack's closing statistics; None before the end, or where no media was ever up."""
        return self._call.final_stats

    @property
    def dropped_by_peer(self) -> bool:
        """Whether the other side ended the call: its BYE reads as a reset connection."""
        return not self.ended_here and self.close_text.startswith(_BYE_RECEIVED)

    def on_event(self, name: str, text: str, now: float) -> None:
        """Take one event of the stack, by its name."""
        if name in ("CALL_RINGING", "CALL_PROGRESS"):
            self.rang_at = self.rang_at or now
        elif name == "CALL_ESTABLISHED":
            self.answered_at = now
            self.ear.start(now)
            self._settled.set()
        elif name == "CALL_DTMF_START" and text:
            self._take_digit(text)
        elif name == "CALL_CLOSED":
            self._close(text, now)

    def _take_digit(self, digit: str) -> None:
        self._digits_arrived += 1
        if not self._deaf and self._digits_arrived != self._loses:
            self.digits += digit
            self._digit_came.set()

    def _close(self, text: str, now: float) -> None:
        self.closed_at, self.close_text = now, text
        self.ear.finish(now)
        self._settled.set()
        self._closed.set()
        self._digit_came.set()

    def pump(self, now: float) -> None:
        """Move audio both ways; called several times a second while the call is up."""
        audio = self._call.audio
        try:
            self._listen(audio, now)
            self.mouth.feed(audio, audio.info().tx_buffered)
        except self._errors.AudioRestarted:
            self.mouth.rewind()
        except self._errors.AudioNotActive:
            pass  # not up yet, or just gone

    def _listen(self, audio: Any, now: float) -> None:
        pcm = audio.read(_READ_BYTES)
        if not self._deaf:
            stats = audio.stats()
            self.ear.take(pcm, now, stats.rx_dropped_bytes + stats.rx_discarded_bytes)

    def hush(self) -> None:
        """Stop speaking at once."""
        self.mouth.speak(b"")
        with contextlib.suppress(self._errors.BaresipError):
            self._call.audio.flush_tx()

    async def settled(self, timeout: float) -> bool:  # noqa: ASYNC109 - a bound of the call, not of the caller
        """Return whether the call was answered or ended within `timeout` seconds."""
        return await _within(timeout, self._settled)

    async def closed(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Return whether the call ended within `timeout` seconds (None: wait for its end)."""
        return await _within(timeout, self._closed)

    async def digit_after(self, count: int) -> str:
        """Return the digit that follows the first `count`; "" when the call ends before it comes."""
        while len(self.digits) <= count and not self.is_closed:
            self._digit_came.clear()
            await self._digit_came.wait()
        return self.digits[count : count + 1]

    async def press(self, digits: str) -> None:
        """Send DTMF digits; nothing happens on a call that has ended."""
        if self.answered_at is not None:
            await self.closed(max(0.0, self.answered_at + _SETTLE_AFTER_ANSWER - time.monotonic()))
        with contextlib.suppress(self._errors.StaleHandleError):
            await self._call.send_dtmf(digits)
        self._spoke_dtmf_at = time.monotonic()

    async def answer(self) -> None:
        """Accept the call; nothing happens when the caller has given up."""
        # The stack re-negotiates 0.1 s after an answer without video, and loses a packet or two over it. The lab's own
        # callers offer none, so that answering with it only spares them that.
        with contextlib.suppress(self._errors.StaleHandleError):
            await self._call.answer(video=TAG_HEADER in self.headers)

    async def reject(self) -> None:
        """Refuse the call with 486 Busy Here; nothing happens when the caller has given up."""
        self.ended_here = True
        with contextlib.suppress(self._errors.StaleHandleError):
            await self._call.reject()

    async def hang_up(self) -> None:
        """End the call with BYE, or CANCEL before it is answered, and return once the stack confirms it."""
        if self.is_closed:
            return
        await self.closed(max(0.0, self._spoke_dtmf_at + _SETTLE_AFTER_DTMF - time.monotonic()))
        async with self._ending:
            if not self.is_closed:
                self.ended_here = True
                with contextlib.suppress(self._errors.StaleHandleError):
                    await self._call.hangup()
        await self.closed(_GOODBYE_SECONDS)


async def _within(seconds: float | None, event: asyncio.Event) -> bool:
    if seconds is not None and seconds <= 0:
        return event.is_set()
    try:
        async with asyncio.timeout(seconds):  # wait_for() may lose a cancellation that comes with the event
            await event.wait()
    except TimeoutError:
        return False
    return True
