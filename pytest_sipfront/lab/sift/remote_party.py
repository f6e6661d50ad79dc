"""The other end of a connection, as Sift sees it, and the one that follows a script. A real phone is in `phone`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pytest_sipfront.lab.file.sift_section import CONNECTS, Callee
from pytest_sipfront.lab.sift.scripted_callee import Listener, Reply

DEFAULT_TIMEOUT = 10


class RemoteParty(Protocol):
    """Whoever was called, or calls. Cancelling what waits here ends it."""

    @property
    def recordings(self) -> Mapping[str, bytes]:
        """WAV files by whose ears heard them; none of a call that made no sound."""

    @property
    def complaints(self) -> Sequence[str]:
        """What could not be done, in words."""

    async def ring(self) -> bool:
        """Be called, and return whether the call was answered."""
        ...

    async def hear(self, command: Mapping[str, Any]) -> None:
        """Be told what a Say or Play has to tell, to its end."""
        ...

    async def ask(self, command: Mapping[str, Any]) -> Reply:
        """Be asked what a Get... asks, and return what was answered within its time."""
        ...

    async def gone(self) -> None:
        """Return once this end has hung up by itself."""
        ...

    async def end(self) -> None:
        """Be hung up on."""
        ...


class ScriptedParty:
    """An end that follows a script. `timeout_scale` shortens what is waited for in vain."""

    recordings: Mapping[str, bytes] = {}
    complaints: Sequence[str] = ()

    def __init__(self, callee: Callee | None, timeout_scale: float = 1.0) -> None:
        self.listener = Listener(callee.script if callee else ())
        self._callee = callee
        self._timeout_scale = timeout_scale
        self._gone = asyncio.Event()
        self._leaving: asyncio.TimerHandle | None = None

    async def ring(self) -> bool:
        """Ring as long as the script says; a number that nobody has is not answered."""
        if self._callee is None:
            return False
        await asyncio.sleep(self._callee.rings)
        return self._callee.answer == CONNECTS

    async def hear(self, command: Mapping[str, Any]) -> None:
        """Go on in the script if it waits for these words."""
        self.listener.hear(str(command.get("text", command.get("sound_url", ""))))
        self._watch()

    async def ask(self, command: Mapping[str, Any]) -> Reply:
        """Answer as the script has it, or be silent for the command's time."""
        reply = self.listener.ask(command)
        silent = reply.value is None and reply.error == "timeout"
        seconds = command.get("timeout_seconds", DEFAULT_TIMEOUT) * self._timeout_scale
        await asyncio.sleep(seconds if silent else reply.takes)
        self._watch()
        return reply

    async def gone(self) -> None:
        """Return when the script hangs up; its seconds begin when its turn has come."""
        self._watch()
        await self._gone.wait()

    async def end(self) -> None:
        """Follow the script no longer."""
        if self._leaving is not None:
            self._leaving.cancel()

    def _watch(self) -> None:
        seconds = self.listener.leaves_after()
        if seconds is not None and self._leaving is None:
            self._leaving = asyncio.get_running_loop().call_later(seconds, self._gone.set)
