"""The behaviour of the lab's phones: answer, reject, play prompts, follow a menu, hang up, and their faults."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.file.calls_section import HANG_UP, MenuState, Phone

_SETUP_SECONDS = 5.0


class PhoneBehaviour:
    """One call at one phone.

    Args:
        phone: The phone.
        leg: The called leg.
        prompts: The audio of all prompts, by name.
    """

    def __init__(self, phone: Phone, leg: CallLeg, prompts: Mapping[str, bytes]) -> None:
        self._phone = phone
        self._leg = leg
        self._prompts = prompts

    async def run(self, answer_after: float | None = None) -> None:
        """Handle the call until it ends; `answer_after` replaces the phone's own seconds of ringing."""
        if self._phone.reject is not None:
            await self._leg.reject()
        elif not self._phone.never_answers:
            await self._answer(self._phone.answer_after if answer_after is None else answer_after)
        await self._leg.wait_for_end()

    async def _answer(self, answer_after: float) -> None:
        if await self._leg.wait_for_end(answer_after):
            return
        await self._leg.answer()
        await self._leg.wait_for_answer(_SETUP_SECONDS)
        talk = asyncio.ensure_future(self._talk())
        try:
            await self._leg.wait_for_end(self._phone.hang_up_after)
            await self._leg.hang_up()
        finally:
            talk.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await talk

    async def _talk(self) -> None:
        if self._phone.send_dtmf:
            await self._leg.send_dtmf(self._phone.send_dtmf)
        if self._phone.menu:
            await self._follow_menu()
        else:
            self._play(self._phone.play)

    async def _follow_menu(self) -> None:
        """Follow the caller's digits through the menu until one of the two ends the call."""
        name = next(iter(self._phone.menu))
        digits_read = 0
        while name != HANG_UP:
            state = self._phone.menu[name]
            self._play(state.play)
            if state.hang_up:
                await self._leg.sender.finished()
                break
            name, digits_read = await self._next_state(state, digits_read)
            if not name:
                return
        await self._leg.hang_up()

    async def _next_state(self, state: MenuState, digits_read: int) -> tuple[str, int]:
        """Return the state that the next valid digit leads to ("" at the end of the call), and the digits read."""
        while digit := await self._leg.wait_for_digit(digits_read):
            digits_read += 1
            if digit in state.digits:
                self._leg.stop_playing()
                return state.digits[digit], digits_read
        return "", digits_read

    def _play(self, prompt: str | None) -> None:
        if prompt is None or self._phone.silent:
            return
        prompt = self._phone.wrong_prompt.get(prompt, prompt)
        self._leg.sender.play(self._prompts[prompt], repeat=self._phone.repeat)
