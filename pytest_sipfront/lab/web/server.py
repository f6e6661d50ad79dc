"""Runs the lab's application under uvicorn on a bound socket, until a signal or until the starting process ends."""

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
from starlette.applications import Starlette
from uvicorn.protocols.http.auto import AutoHTTPProtocol

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75  # a client that polls slowly keeps its connection


class _TransportProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # the class depends on what is installed
    """Puts the transport of the connection into each request's state, so that a fault can close it."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class LabServer(uvicorn.Server):
    """A uvicorn server that stops quietly on SIGINT and SIGTERM.

    Args:
        app: The application.
        on_ready: Called once the server listens.
        on_shutdown: Called before the server waits for open responses.
    """

    def __init__(self, app: Starlette, on_ready: Callable[[], None], on_shutdown: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_TransportProtocol,
                ws="none",
                lifespan="on",
                log_level="error",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
            )
        )
        self._on_ready = on_ready
        self._on_shutdown = on_shutdown

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then call `on_ready`."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Call `on_shutdown`, then stop."""
        self._on_shutdown()
        await super().shutdown(sockets)

    def stop(self, *_: object) -> None:
        """Stop the server soon. Safe to call from any thread and as a signal handler."""
        self.should_exit = True

    def stop_on_signals(self) -> None:
        """Stop on SIGINT and SIGTERM. uvicorn raises the signal again after the end, and this handler ignores it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def stop_with_parent(self) -> None:
        """Stop when standard input closes, which happens at the latest when the starting process ends."""
        threading.Thread(target=self._wait_for_parent, daemon=True).start()

    def _wait_for_parent(self) -> None:
        # a blocked buffered read would hold a lock that the interpreter needs at exit; os.read holds none
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        self.stop()


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 selects a free port.

    Raises:
        OSError: The address is in use, or belongs to another machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio disables Nagle's algorithm only on sockets that name their protocol; without, a request takes 40 ms
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
    """Return the URL of a listening socket, without a trailing slash."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
