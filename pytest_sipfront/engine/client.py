"""The plugin's side of the channel to the engine process. Synchronous; standard library only.

A test may replace `socket.socket`, freeze time, fork or mock any HTTP library. Therefore this module keeps the
functions that it needs in `_Real` at import, opens its connection before the first test, and opens another one in a
forked child and in each further thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import Any

from pytest_sipfront.engine import wire
from pytest_sipfront.errors import EngineStopped

Progress = Mapping[str, Any]
OnProgress = Callable[[Progress | None], None]
_SLICE = 0.25
"""Seconds. The main thread wakes that often while it waits, for Ctrl-C on every platform."""
_LONGEST_SOCKET_PATH = 100
_LOG_SHOWN = 2_000
_INHERITED = (
    *("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    *("VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
_INHERITED_PREFIXES = ("PYTHON", "COVERAGE_")


class _Real:
    """Functions as they were at import. Libraries that freeze time replace attributes of modules, not of classes."""

    monotonic = staticmethod(time.monotonic)
    datetime = datetime
    getpid = staticmethod(os.getpid)
    socket = socket.socket


def monotonic() -> float:
    """Return monotonic seconds, also while a test has frozen time."""
    return _Real.monotonic()


@dataclass(frozen=True, slots=True)
class Address:
    """Where the engine listens.

    Attributes:
        family: "unix" or "inet".
        path: The path of a Unix socket; "" for TCP.
        port: The TCP port on 127.0.0.1; 0 for a Unix socket.
        token: The secret that each connection must present first.
        directory: The engine's private directory, with its log.
    """

    family: str
    path: str
    port: int
    token: str = field(repr=False)
    directory: str

    def connect(self, *, leads: bool) -> socket.socket:
        """Open a connection and present the token.

        Args:
            leads: Whether the engine ends when this connection ends, even if it has other clients.

        Raises:
            OSError: No engine listens there.
        """
        family = socket.AF_UNIX if self.family == "unix" else socket.AF_INET
        connection = _Real.socket(family, socket.SOCK_STREAM)
        try:
            connection.connect(self.path if self.family == "unix" else ("127.0.0.1", self.port))
            connection.sendall(wire.encode({"token": self.token, "leads": leads}))
        except BaseException:
            connection.close()
            raise
        return connection

    def log(self) -> str:
        """Return the end of the engine's standard error output."""
        try:
            return (
                Path(self.directory, "engine.log").read_text(encoding="utf-8", errors="replace").strip()[-_LOG_SHOWN:]
            )
        except OSError:
            return ""

    def remove_directory(self) -> None:
        """Remove the engine's directory. The engine does that itself, unless it was killed or crashed."""
        rmtree(self.directory, ignore_errors=True)

    def save(self, path: Path) -> None:
        """Write the address to `path`, readable by this user only, for the other processes of the session."""
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> Address | None:
        """Return the address that was saved to `path`; None if there is none."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None


class EngineProcess:
    """An engine process that this process started."""

    def __init__(self) -> None:
        """Start it. Connections are accepted at once, and answered when it has imported its modules."""
        directory = tempfile.mkdtemp(prefix="sipfront-")
        listening = listen(directory)
        token = secrets.token_urlsafe(24)
        name = listening.getsockname()
        is_unix = isinstance(name, str)
        self.address = Address(
            family="unix" if is_unix else "inet",
            path=name if is_unix else "",
            port=0 if is_unix else name[1],
            token=token,
            directory=directory,
        )
        with listening:
            self._process = spawn(listening, {"token": token, "directory": directory})

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait(self, seconds: float) -> None:
        """Return when the process has ended, or after `seconds`. Call it after the last connection was closed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.leave()

    def leave(self) -> None:
        """Let the process outlive this one: other workers of the session still use it."""
        if self._process.poll() is None:
            self._process.returncode = 0  # otherwise Popen warns when it is collected


def listen(directory: str) -> socket.socket:
    path = str(Path(directory, "engine.sock"))
    if hasattr(socket, "AF_UNIX") and len(path) < _LONGEST_SOCKET_PATH:
        listening = _Real.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(path)
    else:
        listening = _Real.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    return listening


def spawn(listening: socket.socket, start: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    """Start `python -m pytest_sipfront.engine` on a socket that already listens.

    The process leads a new process session, so that Ctrl-C in the terminal does not reach it. It inherits no variable
    that may hold a secret.
    """
    descriptors = () if os.name == "nt" else (listening.fileno(),)
    with Path(start["directory"], "engine.log").open("wb") as log:
        process = subprocess.Popen(
            # -P: a module in the current directory must not replace one of the standard library
            [sys.executable, "-P", "-m", "pytest_sipfront.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=descriptors,
            start_new_session=True,
            env=environment(),
        )
    given = dict(start) | ({"fd": descriptors[0]} if descriptors else {"share": listening.share(process.pid).hex()})  # type: ignore[attr-defined,unused-ignore]
    if process.stdin is not None:
        with process.stdin, contextlib.suppress(BrokenPipeError):
            process.stdin.write(wire.encode(given))
    return process


def environment() -> dict[str, str]:
    """Return the environment variables that the engine inherits."""
    return {
        name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }


def utcnow() -> datetime:
    """Return the wall-clock time in UTC, also while a test has frozen time."""
    return _Real.datetime.now(UTC)


class EngineClient:
    """Requests to the engine of this session, from any thread and from forked children."""

    def __init__(self, address: Address, *, leads: bool = True) -> None:
        """Connect to the engine.

        Args:
            address: Where it listens.
            leads: Whether the engine ends with this process, even if it has other clients.

        Raises:
            OSError: No engine listens there.
        """
        self.address = address
        self._leader = _Real.getpid() if leads else None
        self._local = threading.local()
        self._connections: list[_Connection] = []
        self._connection()

    def request(self, op: str, /, *, on_progress: OnProgress | None = None, **fields: Any) -> Any:
        """Send a request and return its result.

        Args:
            op: The operation, see `engine.server`.
            on_progress: Called several times a second while the engine works on the request, with its latest progress
                message or None. It may raise to abandon the request.
            **fields: The operation's arguments.

        Raises:
            SipfrontError: The engine's error.
            EngineStopped: The engine ended.
            KeyboardInterrupt: The session was interrupted in another process.
        """
        __tracebackhide__ = True
        try:
            answer = self._connection().exchange({"op": op, **fields}, on_progress)
        except (OSError, EOFError, ValueError) as error:
            raise self._died(op, error) from None
        if answer.get("interrupted"):
            raise KeyboardInterrupt
        if "error" in answer:
            raise wire.error_from_wire(answer["error"])
        return answer.get("result")

    def close(self) -> None:
        """Close the connections of this process."""
        for connection in self._connections:
            if connection.pid == _Real.getpid():
                connection.close()
        self._connections.clear()

    def _connection(self) -> _Connection:
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.pid != _Real.getpid() or connection.is_broken:
            connection = self._local.connection = _Connection(
                self.address.connect(leads=self._leader == _Real.getpid())
            )
            self._connections.append(connection)
        return connection

    def _died(self, op: str, error: Exception) -> EngineStopped:
        log = self.address.log()
        return EngineStopped(
            "the engine process, which launches and polls runs, ended unexpectedly",
            evidence={"request": op, "connection": f"{type(error).__name__}: {error}"} | ({"log": log} if log else {}),
            hint="The journal has its runs. --sipfront-resume follows them in another session and launches none twice.",
        )


_CONNECTIONS: weakref.WeakSet[_Connection] = weakref.WeakSet()


def _close_inherited() -> None:
    """In a forked child: close the parent's connections, which would otherwise outlive the parent."""
    for connection in tuple(_CONNECTIONS):
        connection.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)


class _Connection:
    """One connection, used by one thread of one process."""

    def __init__(self, connection: socket.socket) -> None:
        self.pid = _Real.getpid()
        self.is_broken = False
        self._socket = connection
        self._socket.settimeout(None)
        self._buffer = bytearray()
        self._number = 0
        _CONNECTIONS.add(self)

    def exchange(self, message: Mapping[str, Any], on_progress: OnProgress | None) -> dict[str, Any]:
        """Send a request and return the answer to it; answers to abandoned requests are dropped."""
        __tracebackhide__ = True
        self._number += 1
        number = self._number
        self._send({"id": number, **message})
        try:
            while True:
                answer = self._receive()
                if answer is not None and answer.get("id") != number:
                    continue
                if answer is not None and "progress" not in answer:
                    return answer
                if on_progress is not None:
                    on_progress(None if answer is None else answer["progress"])
        except (OSError, EOFError, ValueError):
            self.is_broken = True
            raise
        except BaseException:
            with contextlib.suppress(OSError):
                self._send({"op": "cancel", "cancel": number})
            raise

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self._socket.settimeout(None)
            self._socket.sendall(wire.encode(message))
        except BaseException:
            self.is_broken = True  # half a message may be out
            raise

    def _receive(self) -> dict[str, Any] | None:
        """Return the next message; None if none came in a quarter of a second."""
        while (end := self._buffer.find(b"\n")) < 0:
            self._socket.settimeout(_SLICE)
            try:
                received = self._socket.recv(1 << 16)
            except TimeoutError:
                return None
            if not received:
                raise EOFError("closed by the engine")
            self._buffer += received
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return wire.decode(line)

    def close(self) -> None:
        """Close it."""
        self._socket.close()
