"""The engine's end of the channel: accepts the processes of one session, and ends when they are gone.

It ends with its last client. It also ends with the process that leads the session, which is the controller of
pytest-xdist or the only process: workers and forked children may live on for seconds after `kill -9` of that process.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from pytest_sipfront.engine import wire
from pytest_sipfront.engine.run_service import RunService
from pytest_sipfront.engine.sift_service import SiftOperations
from pytest_sipfront.errors import DetailedError, SipfrontError

Operation = Callable[..., Awaitable[Any]]
_FIRST_CLIENT_SECONDS = 60.0
_LAST_ANSWERS_SECONDS = 10.0
"""How long the engine waits for the answers to launches when pytest is gone, so that none stays in doubt."""
_TERMINATED_SECONDS = 4.0
"""How long clients may still ask for their runs after SIGTERM."""


class Server:
    """Serves the operations of a `RunService` to clients that know the token."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._runs, self._sift = RunService(), SiftOperations()
        self._operations: Mapping[str, Operation] = {
            name: getattr(self._runs, name)
            for name in (
                "open",
                "ahead",
                "claim",
                "submit",
                "follow",
                "ask",
                "drain",
                "interrupt",
                "untaken",
                "awaited",
                "close",
                "finish",
            )
        } | {
            name: getattr(self._sift, name)
            for name in (
                *("sift_open", "sift_check", "sift_call", "sift_list", "sift_next"),
                *("sift_own", "sift_first", "sift_fetch", "sift_claim"),
            )
        }
        self._with_progress = {
            name for name, call in self._operations.items() if "send" in inspect.signature(call).parameters
        }
        self._clients = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._stopped = asyncio.Event()

    async def serve(self, listening: socket.socket) -> None:
        """Accept clients on `listening` until the session has ended, or until SIGTERM."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows has no such handlers
            loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(self._terminate()))
        start = asyncio.start_unix_server if listening.family != socket.AF_INET else asyncio.start_server
        server = await start(self._accept, sock=listening, limit=wire.LARGEST_MESSAGE)
        loop.call_later(_FIRST_CLIENT_SECONDS, self._stop_without_client)
        async with server:
            await self._stopped.wait()
            server.close()
            for writer in self._writers:  # so that no client waits any longer
                writer.close()
            await asyncio.gather(self._runs.end(_LAST_ANSWERS_SECONDS), self._sift.end())

    async def _terminate(self) -> None:
        await self._runs.close()
        await asyncio.sleep(_TERMINATED_SECONDS)
        self._stopped.set()

    def _stop_without_client(self) -> None:
        if self._clients == 0:
            self._stopped.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            greeting = await _first_message(reader)
            if not self._is_authorised(greeting):
                return
            self._clients += 1
            try:
                await self._answer_all(reader, writer)
            finally:
                self._clients -= 1
                if self._clients == 0 or greeting.get("leads"):
                    self._stopped.set()
        finally:
            self._writers.discard(writer)
            writer.close()

    def _is_authorised(self, greeting: Mapping[str, Any]) -> bool:
        token = greeting.get("token")
        return isinstance(token, str) and secrets.compare_digest(
            token.encode(errors="surrogatepass"), self._token.encode()
        )

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks: dict[int, asyncio.Task[None]] = {}
        try:
            with contextlib.suppress(ConnectionError):
                while line := await reader.readline():
                    message = wire.decode(line)
                    if message["op"] == "cancel":
                        if task := tasks.get(message["cancel"]):
                            task.cancel()
                        continue
                    number = message["id"]
                    tasks[number] = asyncio.create_task(self._answer(message, writer))
                    tasks[number].add_done_callback(partial(_forget, tasks, number))
        finally:
            for task in list(tasks.values()):
                task.cancel()

    async def _answer(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        number, name = message.pop("id"), message.pop("op")

        async def send(progress: Mapping[str, Any]) -> None:
            await _write(writer, {"id": number, "progress": progress})

        try:
            operation = self._operations[name]
            if name in self._with_progress:
                message["send"] = send
            answer: dict[str, Any] = {"result": await operation(**message)}
        except DetailedError as error:
            answer = {"error": wire.error_to_wire(error)}
        except Exception as error:  # noqa: BLE001 - a defect of the engine must not leave a test waiting for ever
            defect = SipfrontError(f"internal error: {type(error).__name__}: {error}")
            answer = {"error": wire.error_to_wire(defect)}
        await _write(writer, {"id": number, **answer})


async def _first_message(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Return the first message of a connection; an empty one if it cannot be read."""
    with contextlib.suppress(ValueError, ConnectionError, RecursionError):
        return wire.decode(await reader.readline())
    return {}


def _forget(tasks: dict[int, asyncio.Task[None]], number: int, _: asyncio.Task[None]) -> None:
    tasks.pop(number, None)


async def _write(writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
    with contextlib.suppress(ConnectionError):
        writer.write(wire.encode(message))
        await writer.drain()
