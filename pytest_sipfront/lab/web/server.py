"""Runs a lab under uvicorn on a socket that is already bound, until a signal or the end of its starter."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.web.app import build_app

BACKLOG = 2048
KEEP_ALIVE = 75  # seconds; a client that polls slowly keeps its connection


class _LendingProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # which class it is depends on what is installed
    """Lends each request its connection in the request's state, so that a fault can close it."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class LabServer(uvicorn.Server):
    """A uvicorn server that tells when it listens and ends quietly on SIGINT and SIGTERM."""

    def __init__(self, lab: Lab, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                build_app(lab),
                http=_LendingProtocol,
                ws="none",
                lifespan="on",
                log_level="error",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=1,
            )
        )
        self._lab = lab
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then tell."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go what a fault holds back, then end."""
        self._lab.release()
        await super().shutdown(sockets)

    def stop(self, *_: object) -> None:
        """End the server soon; callable from any thread and as a signal handler."""
        self.should_exit = True

    def stop_on_signals(self) -> None:
        """Let SIGINT and SIGTERM end the server; uvicorn raises them again afterwards, and so finds them harmless."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def stop_with_parent(self) -> None:
        """End the server when standard input closes, as it does when whoever holds its other end is gone."""
        threading.Thread(target=self._await_parent, daemon=True).start()

    def _await_parent(self) -> None:
        # os.read, since a blocked buffered read would hold a lock that the interpreter wants at its end
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        self.stop()


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        OSError: The address is in use, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named because asyncio switches Nagle's delay off only where it is; unnamed costs 40 ms a request
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def url_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket, without a slash at its end."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
