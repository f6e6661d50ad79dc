"""The responses to the status callbacks `connected`, with the routine that Sift expects in them.

The documentation says that such a response "should contain a routine telling Sift what to do with the connection". It
names no command that waits. `GetDigits` does: it is silent, and a routine that is sent later stops it. This assumes
that Sift does not hang up after a GetDigits that collects no keys, and that keys which the other side presses before
the test's first command are not needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pytest_sipfront.clients.sift.call_inbox import STATUS
from pytest_sipfront.clients.sift.models import CONNECTED, find_connection
from pytest_sipfront.clients.sift.receiver import EmptyResponses
from pytest_sipfront.clients.sift.routine import GetDigits

COMMAND_SECONDS = 3.0
"""How long a response waits for the first command of the test."""
KEEP_UP = [GetDigits(timeout_seconds=60).as_json()] * 60
"""A routine that keeps a call up for an hour. The bounds of `timeout_seconds` are not documented."""


@dataclass(slots=True)
class _Call:
    """What is known about the response to one call.

    Attributes:
        commands: Set to the first command while a response waits for it; None before the first callback.
        is_sent: Whether the test sends its commands by request.
        is_waiting: False if the test sends no command for now.
        sent: Set when the response with the command was sent.
    """

    commands: asyncio.Future[list[Any]] | None = None
    is_sent: bool = False
    is_waiting: bool = True
    sent: asyncio.Event = field(default_factory=asyncio.Event)


class RoutineResponses(EmptyResponses):
    """The responses to callbacks. Those to `connected` of outgoing calls contain a routine."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}

    def expect(self, key: str) -> None:
        """Note that the call `key` is about to be placed."""
        self._calls[key] = _Call()

    async def hand_over(self, key: str, commands: list[Any]) -> bool:
        """Put the first command of a call into the response that waits for it, and wait until that is sent.

        Args:
            key: The call.
            commands: The routine; empty if the test sends no command for now.

        Returns:
            False if no response waits, so that the routine must be sent by request.
        """
        call = self._calls.get(key)
        if call is None:
            return False
        if call.commands is None:
            call.is_sent = call.is_sent or bool(commands)
            call.is_waiting = False
            return False
        if call.commands.done():
            return False
        call.commands.set_result(commands)
        if commands:  # a later routine must not overtake this one
            with suppress(TimeoutError):
                await asyncio.wait_for(call.sent.wait(), COMMAND_SECONDS)
        return bool(commands)

    async def respond(self, kind: str, key: str, body: Any) -> Mapping[str, Any]:
        """Return the response to a callback of the call `key`."""
        connection = find_connection(body) if kind == STATUS else None
        if connection is not None and connection.status == CONNECTED:
            routine = await self._routine(key)
            return {} if routine is None else {"routine": routine}
        return await super().respond(kind, key, body)

    def sent(self, key: str, response: Mapping[str, Any]) -> None:
        """Note that a response of the call `key` was sent."""
        call = self._calls.get(key)
        if call and call.commands and call.commands.done() and call.commands.result() is response.get("routine"):
            call.sent.set()

    async def _routine(self, key: str) -> list[Any] | None:
        """Return the routine for a response to `connected`; None for a response without one.

        The first response waits for the test's first command. Without a command, and for repeated callbacks, the
        routine keeps the call up. A routine that was sent by request is not replaced.
        """
        call = self._calls.get(key)
        if call is None or call.is_sent:
            return None
        if call.commands is not None:
            return KEEP_UP
        call.commands = asyncio.get_running_loop().create_future()
        if not call.is_waiting:
            call.commands.set_result([])
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(call.commands), COMMAND_SECONDS)
        if not call.commands.done():
            call.commands.set_result([])
        return call.commands.result() or KEEP_UP
