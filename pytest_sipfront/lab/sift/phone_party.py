"""The other end of a connection that is one of the lab's real phones: SIP, RTP and DTMF on this machine.

What is said is played to the phone, what it plays is recognised from the catalogue, the digits it sends are received.
What it says while nobody asks is kept for the next question: whether Sift hears it is on no page.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from pytest_sipfront.lab.calls.audio import wav
from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.calls.prompt_catalogue import PromptError
from pytest_sipfront.lab.calls.sip_stack import StackError
from pytest_sipfront.lab.calls.switchboard import ExpectedLeg, Switchboard
from pytest_sipfront.lab.sift.remote_party import DEFAULT_TIMEOUT
from pytest_sipfront.lab.sift.scripted_callee import Reply, understood
from pytest_sipfront.lab.sift.speech import SoundError, converted, has_paused, recognised, spoken

CALLER = "sift"
RINGS_FOR = 60.0
LAST_DIGIT_SECONDS = 2.0
_LOOK_SECONDS = 0.1
_CLOSING_SECONDS = 1.0


class PhoneCall:
    """A call to a phone of the lab file.

    Attributes:
        recordings: Once the call is over: what Sift heard, and what the phone heard, as WAV files.
        complaints: What could not be done, in words.
    """

    def __init__(self, exchange: Switchboard, phone: str, words: Mapping[str, str]) -> None:
        """Prepare a call to `phone`; `words` says what its prompts say, where the catalogue does not."""
        self.recordings: dict[str, bytes] = {}
        self.complaints: list[str] = []
        self._exchange = exchange
        self._number = exchange.plan.phones[phone].number
        self._words = words
        self._expected: ExpectedLeg | None = None
        self._leg: CallLeg | None = None
        self._heard_until = 0
        self._digits_until = 0

    async def ring(self) -> bool:
        """Dial the phone and return whether it answered."""
        try:
            await self._exchange.open()
            agent = await self._exchange.caller(CALLER)
            self._expected = self._exchange.expect({})
            self._leg = await agent.dial(self._exchange.uri(self._number), self._expected.tag)
        except (StackError, PromptError) as error:
            self.complaints.append(str(error))
            return False
        await self._leg.settled(RINGS_FOR)
        return self._leg.answered_at is not None

    async def hear(self, command: Mapping[str, Any]) -> None:
        """Play what is to be said, to its end."""
        if "sound_url" in command:
            await self._play(await self._fetched(str(command["sound_url"])))
        else:
            await self._play(await asyncio.to_thread(spoken, str(command.get("text", ""))))

    async def ask(self, command: Mapping[str, Any]) -> Reply:
        """Play the question's prompt if it has one, then take the digits or the words that come in its time."""
        if command.get("prompt_url"):
            await self._play(await self._fetched(str(command["prompt_url"])))
        deadline = time.monotonic() + float(command.get("timeout_seconds", DEFAULT_TIMEOUT))
        if command["name"] == "GetDigits":
            return Reply(await self._digits(command.get("count"), deadline))
        words = await self._said(deadline)
        return Reply(understood(words, command) if words else None, error="invalid" if words else "timeout")

    async def gone(self) -> None:
        """Return once the call is over."""
        if self._leg is not None:
            await self._leg.closed()

    async def end(self) -> None:
        """Hang up, or give up ringing, and keep what was heard."""
        if self._leg is None:
            return
        await self._leg.hang_up()
        self.recordings["sift"] = wav(self._leg.ear.audio)
        if self._expected is not None:
            if self._expected.callee is not None:
                await self._expected.callee.closed(_CLOSING_SECONDS)
                self.recordings["phone"] = wav(self._expected.callee.ear.audio)
            self._exchange.forget(self._expected)

    async def _play(self, pcm: bytes) -> None:
        leg = self._connected()
        leg.mouth.speak(pcm)
        waits = [asyncio.ensure_future(leg.mouth.finished()), asyncio.ensure_future(leg.closed())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            leg.hush()  # another routine was set
            raise
        finally:
            for wait in waits:
                wait.cancel()

    async def _said(self, deadline: float) -> str:
        """Return what the phone said up to a pause, or up to the deadline."""
        leg = self._connected()
        while not await asyncio.to_thread(has_paused, self._unheard()) and time.monotonic() < deadline:
            if await leg.closed(_LOOK_SECONDS):
                break
        pcm = self._unheard()
        self._heard_until += len(pcm)
        names = await asyncio.to_thread(recognised, pcm, self._exchange.prompts)
        return " ".join(map(self._text_of, names))

    async def _digits(self, count: int | None, deadline: float) -> str | None:
        """Return the keys that were pressed: `count` of them, or all up to a pause; None for too few."""
        leg = self._connected()
        while count is None or len(leg.digits) - self._digits_until < count:
            came = len(leg.digits)
            waits_until = deadline
            if count is None and came > self._digits_until:
                waits_until = min(deadline, time.monotonic() + LAST_DIGIT_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(waits_until - time.monotonic(), 0.0)):
                    await leg.digit_after(came)
            if len(leg.digits) == came:
                break
        pressed = leg.digits[self._digits_until :][:count]
        if not pressed or len(pressed) < (count or 0):
            self._digits_until = len(leg.digits)  # too few are lost
            return None
        self._digits_until += len(pressed)
        return pressed

    def _unheard(self) -> bytes:
        return self._connected().ear.audio[self._heard_until :]

    def _text_of(self, prompt: str) -> str:
        spec = self._exchange.plan.prompts[prompt]
        return self._words.get(prompt) or spec.say or prompt

    def _connected(self) -> CallLeg:
        if self._leg is None:
            raise RuntimeError("the phone was not called yet")
        return self._leg

    async def _fetched(self, url: str) -> bytes:
        """Fetch a sound file as Sift would; what cannot be played is silence, and a complaint."""
        import httpx  # noqa: PLC0415 - only calls that play something need it

        try:
            async with httpx.AsyncClient(follow_redirects=True, timeout=10.0) as client:
                answer = await client.get(url)
            answer.raise_for_status()
            return await asyncio.to_thread(converted, answer.content)
        except (httpx.HTTPError, httpx.InvalidURL, SoundError) as error:
            self.complaints.append(f"{url} cannot be played: {error}")
            return b""
