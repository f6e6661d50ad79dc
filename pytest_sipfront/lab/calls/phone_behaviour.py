"""What the lab's phones do with a call: answer, refuse, speak, listen to digits, hang up - and fail on purpose."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.calls.sip_stack import CODECS, UNOFFERED_CODECS
from pytest_sipfront.lab.file.calls_section import HANG_UP, MenuState, Phone

NOT_FOUND, NOT_ACCEPTABLE = 404, 488
_SETUP_SECONDS = 5.0


def codecs(phone: Phone) -> tuple[str, ...]:
    """Return what the phone speaks: nothing a caller offers where it is to refuse with 488."""
    return UNOFFERED_CODECS if phone.reject == NOT_ACCEPTABLE else CODECS


class PhoneBehaviour:
    """One call at one phone. `serve` behaves as the phone does until the call ends."""

    def __init__(self, phone: Phone, leg: CallLeg, prompts: Mapping[str, bytes]) -> None:
        self._phone = phone
        self._leg = leg
        self._prompts = prompts

    async def serve(self, answer_after: float | None = None) -> None:
        """Take the call, after `answer_after` seconds where that is given, and stay until it ends."""
        if self._phone.reject is not None:
            await self._leg.reject()
        elif not self._phone.never_answers:
            await self._take(self._phone.answer_after if answer_after is None else answer_after)
        await self._leg.closed()

    async def _take(self, answer_after: float) -> None:
        if await self._leg.closed(answer_after):
            return
        await self._leg.answer()
        await self._leg.settled(_SETUP_SECONDS)
        talking = asyncio.ensure_future(self._talk())
        try:
            await self._leg.closed(self._phone.hang_up_after)
            await self._leg.hang_up()
        finally:
            talking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await talking

    async def _talk(self) -> None:
        if self._phone.send_dtmf:
            await self._leg.press(self._phone.send_dtmf)
        if self._phone.menu:
            await self._walk()
        else:
            self._speak(self._phone.play)

    async def _walk(self) -> None:
        """Go through the menu, a digit at a time, until it or the caller ends the call."""
        name = next(iter(self._phone.menu))
        noticed = 0
        while name != HANG_UP:
            state = self._phone.menu[name]
            self._speak(state.play)
            if state.hang_up:
                await self._leg.mouth.finished()
                break
            name, noticed = await self._chosen(state, noticed)
            if not name:
                return
        await self._leg.hang_up()

    async def _chosen(self, state: MenuState, noticed: int) -> tuple[str, int]:
        """Return where the next digit that means something leads, and how many digits have come by then."""
        while digit := await self._leg.digit_after(noticed):
            noticed += 1
            if digit in state.digits:
                self._leg.hush()
                return state.digits[digit], noticed
        return "", noticed

    def _speak(self, prompt: str | None) -> None:
        if prompt is None or self._phone.silent:
            return
        spoken = self._phone.wrong_prompt.get(prompt, prompt)
        self._leg.mouth.speak(self._prompts[spoken], repeat=self._phone.repeat)
