"""A platform of few lines that answers launches and polls by a script, and records each call that it placed.

It shares no code with the plugin or the lab. Time is compressed: a run ends after a number of polls.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

PUBLIC_KEY, SECRET_KEY = "pk-of-the-tests", "sentinel-7f3a9c-secret"
PAIR = base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
SECRET_TEXT, PAIR_TEXT = "@SECRET@", "@PAIR@"
"""Replaced in responses by the credentials of the client."""
LEFT_OUT = object()
"""The value of a field that a response lacks."""
_DRIP_SECONDS = 0.1

Fields = dict[str, Any]
Act = Literal["send", "reset", "close", "hang", "half", "half head", "drip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A response, or its absence.

    Attributes:
        status, reason, headers: The head.
        fields: Changes of the regular object: the launch's `data`, or the `run` of a status.
        body: Replaces the regular body.
        encoding: The charset, or how the body is packed or split.
        act: What happens to the response, or instead of it.
        raw: Replaces the whole response.
    """

    status: int = 200
    reason: str = "OK"
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    body: str | bytes | None = None
    encoding: Literal["", "gzip", "chunked", "utf-16"] = ""
    act: Act = "send"
    raw: bytes = b""


REGULAR = Reply()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchStep:
    """One response to a launch. `places_call` says whether a call is placed, whatever the client sees of it."""

    reply: Reply = REGULAR
    places_call: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScript:
    """The statuses of one run: `polls` responses, and then the end. The last response repeats."""

    verdict: str
    polls: Sequence[Reply] = ()
    ends: Sequence[Reply] = (REGULAR,)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptScript:
    """The launches of one attempt at a test until its last one, and the run that follows."""

    launches: Sequence[LaunchStep]
    run: RunScript


@dataclass(slots=True, kw_only=True)
class PlacedRun:
    """A run that the platform has started.

    Attributes:
        name, number, script: The test, its number and its statuses.
        launched_at, ended_at: Monotonic seconds. `ended_at` is when the client received the regular end.
    """

    name: str
    number: int
    script: RunScript
    launched_at: float
    ended_at: float | None = None
    polls: int = 0

    @property
    def session_id(self) -> str:
        return f"run-{self.number}"


@dataclass(slots=True)
class _Progress:
    """The position in the scripts of one test."""

    attempt: int = 0
    step: int = 0


class FaultServer:
    """Serves on 127.0.0.1 in a thread of this process until its block ends.

    Attributes:
        placed: The runs that were started, in order.
        launches: Time and test of each launch request.
    """

    def __init__(
        self,
        scripts: Mapping[str, Sequence[AttemptScript]],
        *,
        list_reply: Reply = REGULAR,
        listens_after: float = 0.0,
        reset_every: int = 0,
        requests_until_outage: int = 0,
    ) -> None:
        """Prepare.

        Args:
            scripts: The attempts by the name of the test. The last attempt repeats.
            list_reply: The response to a request for the list of tests.
            listens_after: Seconds for which connections are refused.
            reset_every: Each connection with a multiple of this number is reset unread; 0 for none.
            requests_until_outage: Number of requests after which every connection is refused; 0 for never.
        """
        self.placed: list[PlacedRun] = []
        self.launches: list[tuple[float, str]] = []
        self._scripts, self._list_reply = scripts, list_reply
        self._listens_after, self._reset_every, self._until_outage = listens_after, reset_every, requests_until_outage
        self._progress = {name: _Progress() for name in scripts}
        self._connections = self._requests = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        if not self._listens_after:
            self._socket.listen(128)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()

    # ---- connections --------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._listens_after or 1e-9)
        server = await asyncio.start_server(self._accept, sock=self._socket, backlog=128)
        self._server = server
        await self._stopping.wait()
        server.close()
        await asyncio.sleep(0)  # connections that were just accepted get their task
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for writer in list(self._writers):
                writer.transport.abort()
            await asyncio.wait(others, timeout=0.1)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        self._writers.add(writer)
        try:
            if self._reset_every and self._connections % self._reset_every == 0:
                _reset(writer)
                return
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer_one(reader, writer):
                    pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._writers.discard(writer)

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request and return whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (entry.partition(":") for entry in rest)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = line.split(" ")
        self._requests += 1
        if self._until_outage and self._requests > self._until_outage:
            self._server.close()
            for other in list(self._writers):
                _reset(other)
            return False
        if method == "POST":
            return await self._launch(_fields(headers, body), reader, writer)
        if path == "/api/v2/tests":
            names = [{"id": number, "name": name} for number, name in enumerate(self._scripts)]
            return await _send(self._list_reply, {"tests": names}, reader, writer)
        run = self._run(path)
        if run is None:
            return await _send(Reply(status=404, reason="Not Found"), {"error": "not found"}, reader, writer)
        return await self._status(run, reader, writer)

    # ---- the two requests ---------------------------------------------------------------------------------------

    async def _launch(self, request: Fields, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        name = request["test.name"]
        self.launches.append((time.monotonic(), name))
        progress, attempts = self._progress[name], self._scripts[name]
        attempt = attempts[min(progress.attempt, len(attempts) - 1)]
        step = attempt.launches[progress.step]
        progress.step += 1
        if progress.step == len(attempt.launches):
            progress.attempt, progress.step = progress.attempt + 1, 0
        number = len(self.placed) + 1
        if step.places_call:
            self.placed.append(PlacedRun(name=name, number=number, script=attempt.run, launched_at=time.monotonic()))
        data = {"session_id": f"run-{number}", "status_url": f"/api/v2/runs/run-{number}/status"}
        data |= {"report_url": f"{self.url}/report/{number}"}
        data = {key: value for key, value in (data | dict(step.reply.fields)).items() if value is not LEFT_OUT}
        return await _send(step.reply, {"data": data}, reader, writer)

    async def _status(self, run: PlacedRun, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        run.polls += 1
        script, late = run.script, run.polls - len(run.script.polls) - 1
        ended = late >= 0
        reply = script.ends[min(late, len(script.ends) - 1)] if ended else script.polls[run.polls - 1]
        fields: Fields = {"id": run.number, "session_id": run.session_id, "test_name": run.name, "status": "running"}
        if ended:
            passed = script.verdict == "passed"
            fields |= {"status": script.verdict, "has_passed": int(passed), "is_failed": int(not passed)}
            fields |= {"is_finished": 1, "result_description": "" if passed else "486 Busy Here"}
        fields = {key: value for key, value in (fields | dict(reply.fields)).items() if value is not LEFT_OUT}
        is_open = await _send(reply, {"run": fields}, reader, writer)
        if ended and late >= len(script.ends) - 1 and run.ended_at is None:
            run.ended_at = time.monotonic()
        return is_open

    def _run(self, path: str) -> PlacedRun | None:
        return next((run for run in self.placed if path == f"/api/v2/runs/{run.session_id}/status"), None)


def _fields(headers: Mapping[str, str], body: bytes) -> Fields:
    if headers["content-type"].startswith("application/json"):
        fields: Fields = json.loads(body)
        return fields
    return dict(urllib.parse.parse_qsl(body.decode()))


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _send(reply: Reply, regular: Fields, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send a response, or what `act` says, and return whether the connection stays open."""
    message = reply.raw or _message(reply, regular)
    if reply.act == "reset":
        _reset(writer)
    elif reply.act == "hang":
        await reader.read()
    elif reply.act == "drip":
        for start in range(len(message)):
            writer.write(message[start : start + 1])
            await writer.drain()
            await asyncio.sleep(_DRIP_SECONDS)
    elif reply.act != "close":
        head = message.index(b"\r\n\r\n") if reply.act in {"half", "half head"} else 0
        part = {"half": head + 8, "half head": head // 2}.get(reply.act, len(message))
        writer.write(message[:part])
        await writer.drain()
    return reply.act == "send" and not reply.raw


def _message(reply: Reply, regular: Fields) -> bytes:
    body = json.dumps(regular) if reply.body is None else reply.body
    if isinstance(body, str):
        body = _filled(body).encode("utf-16" if reply.encoding == "utf-16" else "utf-8", "surrogatepass")
    headers = {"Content-Type": "application/json"} | dict(reply.headers)
    if reply.encoding == "gzip":
        body, headers = gzip.compress(body, 1), headers | {"Content-Encoding": "gzip"}
    if reply.encoding == "chunked":
        body = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
        headers = {"Transfer-Encoding": "chunked"} | headers
    elif reply.status >= 200 and reply.status not in {204, 304}:
        headers = {"Content-Length": str(len(body))} | headers
    else:
        body = b""
    lines = [f"HTTP/1.1 {reply.status} {reply.reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return _filled("\r\n".join([*lines, "", ""])).encode("latin-1") + body


def _filled(text: str) -> str:
    return text.replace(SECRET_TEXT, SECRET_KEY).replace(PAIR_TEXT, PAIR)
