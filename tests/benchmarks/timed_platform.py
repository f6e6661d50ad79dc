"""A small, correct platform for benchmarks: a run passes after the seconds at the end of the name of its test.

It is a process, shares no code with the plugin or the lab, and takes little CPU time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

KEY_PAIR = {"SIPFRONT_PUBLIC_KEY": "pk-of-the-benchmarks", "SIPFRONT_SECRET_KEY": "sk-of-the-benchmarks"}
_RUNNING = b'{"run": {"status": "running"}, "status": 200}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the platform has received: the number of status polls, and the end of each run by id, in Unix seconds."""

    polls: int
    ends: dict[str, float]


@dataclass(frozen=True, slots=True)
class TimedPlatform:
    """A running platform at `url`."""

    url: str

    def counts(self) -> Counts:
        """Return the counts."""
        return Counts(**self._request("/counts"))

    def reset(self, *, has_history: bool = False) -> None:
        """Forget all runs; `has_history` says whether the platform knows the last run of each test from now on."""
        self._request(f"/reset/{int(has_history)}")

    def _request(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path) as response:
            return json.load(response)


@contextlib.contextmanager
def timed_platform() -> Iterator[TimedPlatform]:
    """Start the platform in a process that ends with this block."""
    command = [sys.executable, "-m", "tests.benchmarks.timed_platform"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield TimedPlatform(process.stdout.readline().strip())
        process.stdin.close()


class _Runs:
    """The runs of the platform."""

    def __init__(self) -> None:
        self.reset(has_history=False)

    def reset(self, *, has_history: bool) -> None:
        self.has_history = has_history
        self.names: list[str] = []
        self.began: list[float] = []
        self.polls = 0

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """Return the body of a response, or b"" for an unknown path."""
        parts = path.split("/")
        if method == "POST" and path == "/api/v2/tests/run":
            return self._launch(json.loads(body)["test.name"])
        if path.startswith("/api/v2/runs/"):
            self.polls += 1
            return self._status(int(parts[4]))
        if path == "/api/v2/tests":
            return json.dumps([{"id": n, "name": name} for n, name in enumerate(self._known)]).encode()
        if path.startswith("/api/v2/tests/") and self.has_history:
            return self._final(0, self._known[int(parts[4])], 0.0)
        return self._control(parts)

    def _control(self, parts: list[str]) -> bytes:
        if parts[1] == "reset":
            self.reset(has_history=parts[2] == "1")
            return b"{}"
        if parts[1] == "counts":
            offset = time.time() - time.monotonic()
            ends = {str(n): offset + self._end(n) for n in range(len(self.names))}
            return json.dumps({"polls": self.polls, "ends": ends}).encode()
        return b""

    @property
    def _known(self) -> list[str]:
        return list(dict.fromkeys(self.names)) if self.has_history else []

    def _launch(self, name: str) -> bytes:
        number = len(self.names)
        self.names.append(name)
        self.began.append(time.monotonic())
        data = {"session_id": str(number), "status_url": f"/api/v2/runs/{number}/status", "report_url": f"/{number}"}
        return json.dumps({"data": data, "status": 200}).encode()

    def _status(self, number: int) -> bytes:
        if time.monotonic() < self._end(number):
            return _RUNNING
        return self._final(number, self.names[number], self.began[number])

    def _end(self, number: int) -> float:
        return self.began[number] + _seconds(self.names[number])

    def _final(self, number: int, name: str, began: float) -> bytes:
        stopped = began + _seconds(name)
        run = {"id": number, "session_id": str(number), "status": "passed", "is_finished": 1, "is_failed": 0}
        run |= {"has_passed": 1, "test_name": name, "result_description": "", "testcase_name": "Basic call"}
        run |= {"started_at": _text(began), "stopped_at": _text(stopped), "tags": "[]", "agentpool_name": "pool"}
        return json.dumps({"run": run, "status": 200}).encode()


def _seconds(name: str) -> float:
    return float(name.rsplit(maxsplit=1)[-1])


def _text(moment: float) -> str:
    return datetime.fromtimestamp(time.time() - time.monotonic() + moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


class _Connection(asyncio.Protocol):
    def __init__(self, runs: _Runs) -> None:
        self._runs, self._received = runs, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).decode("latin-1").lower()
            _, _, length = head.partition("content-length:")
            complete = end + 4 + (int(length.split("\r\n")[0]) if length else 0)
            if len(self._received) < complete:
                return
            method, path, _ = bytes(self._received[:end]).split(b"\r\n")[0].decode().split(" ")
            body = bytes(self._received[end + 4 : complete])
            del self._received[:complete]
            self._answer(self._runs.answer(method, path, body))

    def _answer(self, body: bytes) -> None:
        status = b"200 OK" if body else b"404 Not Found"
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        self._transport.write(head + body)


async def main() -> None:
    """Print the URL, and serve until standard input ends."""
    runs = _Runs()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(runs), "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
