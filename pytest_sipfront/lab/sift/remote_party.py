"""The remote end of a connection, and its implementation by a script. `phone_party` implements it by a SIP call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pytest_sipfront.lab.sift.scripted_callee import Answer, ScriptedCallee

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.sift_section import Callee

DEFAULT_TIMEOUT = 10


class RemoteParty(Protocol):
    """The party that Sift called, or that called Sift. Every coroutine can be cancelled."""

    @property
    def recordings(self) -> Mapping[str, bytes]:
        """WAV files by the end that received them; empty for a call without audio."""

    @property
    def complaints(self) -> Sequence[str]:
        """Sentences about commands that could not be carried out."""

    async def ring(self) -> bool:
        """Call the party and return whether it answered."""
        ...

    async def play(self, command: Mapping[str, Any]) -> None:
        """Play the text or sound of a Say or Play command and return at its end."""
        ...

    async def listen(self, command: Mapping[str, Any]) -> Answer:
        """Return the answer to a listening command, or silence after its timeout."""
        ...

    async def wait_for_hangup(self) -> None:
        """Return once the party has hung up."""
        ...

    async def hang_up(self) -> None:
        """End the call from Sift's side."""
        ...


class ScriptedParty:
    """A remote party that follows a script. `timeout_scale` shortens its silences."""

    recordings: Mapping[str, bytes] = {}
    complaints: Sequence[str] = ()

    def __init__(self, callee: Callee | None, timeout_scale: float = 1.0) -> None:
        self.script = ScriptedCallee(callee.script if callee else ())
        self._callee = callee
        self._timeout_scale = timeout_scale
        self._hung_up = asyncio.Event()
        self._hangup_timer: asyncio.TimerHandle | None = None

    async def ring(self) -> bool:
        """Ring as long as the script says; a number without a callee is not answered."""
        if self._callee is None:
            return False
        await asyncio.sleep(self._callee.rings)
        return self._callee.answer == "connects"

    async def play(self, command: Mapping[str, Any]) -> None:
        """Move on in the script if it waits for this text or sound URL."""
        self.script.hear(str(command.get("text", command.get("sound_url", ""))))
        self._start_hangup_timer()

    async def listen(self, command: Mapping[str, Any]) -> Answer:
        """Answer from the script, or stay silent until the command times out."""
        answer = self.script.answer(command)
        is_silent = answer.value is None and answer.error == "timeout"
        seconds = command.get("timeout_seconds", DEFAULT_TIMEOUT) * self._timeout_scale
        await asyncio.sleep(seconds if is_silent else answer.takes)
        self._start_hangup_timer()
        return answer

    async def wait_for_hangup(self) -> None:
        """Return when the script hangs up; its delay starts when that turn is reached."""
        self._start_hangup_timer()
        await self._hung_up.wait()

    async def hang_up(self) -> None:
        """Stop following the script."""
        if self._hangup_timer is not None:
            self._hangup_timer.cancel()

    def _start_hangup_timer(self) -> None:
        seconds = self.script.hangup_delay
        if seconds is not None and self._hangup_timer is None:
            self._hangup_timer = asyncio.get_running_loop().call_later(seconds, self._hung_up.set)
