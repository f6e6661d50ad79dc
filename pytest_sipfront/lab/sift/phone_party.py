"""A remote party that is one of the lab's phones: SIP, RTP and DTMF on this machine.

Texts and sounds are played to the phone, its prompts are recognised from the catalogue, its digits are received. Audio
that arrives between two listening commands belongs to the next one; the documentation does not say whether Sift
listens then.
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
from pytest_sipfront.lab.calls.sound_files import SoundError, decode
from pytest_sipfront.lab.calls.switchboard import CalledSide, ExpectedLeg, Switchboard
from pytest_sipfront.lab.sift.remote_party import DEFAULT_TIMEOUT
from pytest_sipfront.lab.sift.scripted_callee import Answer, interpret
from pytest_sipfront.lab.sift.speech import has_paused, recognize, synthesize

CALLER = "sift"
RING_SECONDS = 60.0
LAST_DIGIT_SECONDS = 2.0
_POLL_SECONDS = 0.1
_CLOSING_SECONDS = 1.0


class PhoneParty:
    """A call to a phone of the lab file.

    Args:
        switchboard: The lab's phones.
        phone: Name of the phone.
        words: The words of its prompts, for prompts whose words the catalogue does not contain.

    Attributes:
        recordings: After the call: the audio that Sift received and the audio that the phone received, as WAV files.
        complaints: Sentences about sounds that could not be played.
    """

    def __init__(self, switchboard: Switchboard, phone: str, words: Mapping[str, str]) -> None:
        self.recordings: dict[str, bytes] = {}
        self.complaints: list[str] = []
        self._switchboard = switchboard
        self._phone = phone
        self._number = switchboard.plan.phones[phone].number
        self._words = words
        self._expected: ExpectedLeg | None = None
        self._leg: CallLeg | None = None
        self._audio_used = 0
        self._digits_used = 0

    async def ring(self) -> bool:
        """Call the phone and return whether it answered."""
        try:
            await self._switchboard.open()
            agent = await self._switchboard.caller(CALLER)
            self._expected = self._switchboard.expect(CalledSide(phones=frozenset({self._phone})))
            self._leg = await agent.dial(await self._switchboard.route(self._number), self._expected.tag)
        except (StackError, PromptError) as error:
            self.complaints.append(str(error))
            return False
        await self._leg.wait_for_answer(RING_SECONDS)
        return self._leg.answered_at is not None

    async def play(self, command: Mapping[str, Any]) -> None:
        """Play the text or sound of a command and return at its end."""
        if "sound_url" in command:
            await self._play(await self._fetch(str(command["sound_url"])))
        else:
            await self._play(await asyncio.to_thread(synthesize, str(command.get("text", ""))))

    async def listen(self, command: Mapping[str, Any]) -> Answer:
        """Play the command's prompt, if any; then return the digits or words that arrive before its timeout."""
        if command.get("prompt_url"):
            await self._play(await self._fetch(str(command["prompt_url"])))
        deadline = time.monotonic() + float(command.get("timeout_seconds", DEFAULT_TIMEOUT))
        if command["name"] == "GetDigits":
            return Answer(await self._receive_digits(command.get("count"), deadline))
        words = await self._receive_words(deadline)
        return Answer(interpret(words, command) if words else None, error="invalid" if words else "timeout")

    async def wait_for_hangup(self) -> None:
        """Return once the call is over."""
        if self._leg is not None:
            await self._leg.wait_for_end()

    async def hang_up(self) -> None:
        """Hang up, or cancel the call, and keep the recordings."""
        if self._leg is None:
            return
        await self._leg.hang_up()
        self.recordings["sift"] = wav(self._leg.receiver.audio)
        if self._expected is not None:
            if self._expected.callee is not None:
                await self._expected.callee.wait_for_end(_CLOSING_SECONDS)
                self.recordings["phone"] = wav(self._expected.callee.receiver.audio)
            self._switchboard.forget(self._expected)

    async def _play(self, pcm: bytes) -> None:
        await self._connected_leg().play(pcm)

    async def _receive_words(self, deadline: float) -> str:
        """Return the phone's words up to a pause, or up to the deadline."""
        leg = self._connected_leg()
        while not await asyncio.to_thread(has_paused, self._unused_audio()) and time.monotonic() < deadline:
            if await leg.wait_for_end(_POLL_SECONDS):
                break
        pcm = self._unused_audio()
        self._audio_used += len(pcm)
        prompts = await asyncio.to_thread(recognize, pcm, self._switchboard.prompts)
        return " ".join(map(self._text_of, prompts))

    async def _receive_digits(self, count: int | None, deadline: float) -> str | None:
        """Return `count` digits, or all up to a pause; None if too few arrive."""
        leg = self._connected_leg()
        while count is None or len(leg.digits) - self._digits_used < count:
            received = len(leg.digits)
            until = deadline
            if count is None and received > self._digits_used:
                until = min(deadline, time.monotonic() + LAST_DIGIT_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(until - time.monotonic(), 0.0)):
                    await leg.wait_for_digit(received)
            if len(leg.digits) == received:
                break
        digits = leg.digits[self._digits_used :][:count]
        if not digits or len(digits) < (count or 0):
            self._digits_used = len(leg.digits)  # as documented, too few digits are discarded
            return None
        self._digits_used += len(digits)
        return digits

    def _unused_audio(self) -> bytes:
        return self._connected_leg().receiver.audio[self._audio_used :]

    def _text_of(self, prompt: str) -> str:
        spec = self._switchboard.plan.prompts[prompt]
        return self._words.get(prompt) or spec.say or prompt

    def _connected_leg(self) -> CallLeg:
        if self._leg is None:
            raise RuntimeError("the phone was not called yet")
        return self._leg

    async def _fetch(self, url: str) -> bytes:
        """Download a sound file and return its audio; an unusable one is silence and a complaint."""
        import httpx  # noqa: PLC0415 - only calls that play a file need it

        try:
            async with httpx.AsyncClient(follow_redirects=True, timeout=10.0) as client:
                response = await client.get(url)
            response.raise_for_status()
            return await asyncio.to_thread(decode, response.content)
        except (httpx.HTTPError, httpx.InvalidURL, SoundError) as error:
            self.complaints.append(f"{url} cannot be played: {error}")
            return b""
