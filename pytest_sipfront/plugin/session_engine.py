"""The engine process of this pytest session: started by the first process that needs it, shared by all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from pytest_sipfront.engine.client import Address, EngineClient, EngineProcess, Progress
from pytest_sipfront.errors import EngineStopped, SipfrontError
from pytest_sipfront.plugin.xdist import XdistSession

_CLOSE_SECONDS, _INTERRUPTED_SECONDS = 15.0, 1.0
"""How long pytest waits for the end of the engine."""


class SessionEngine:
    """Starts the engine at the first need, or connects to the one that another worker has started."""

    def __init__(self, processes: XdistSession) -> None:
        self._processes = processes
        self._started: EngineProcess | None = None
        self._client: EngineClient | None = None

    @property
    def is_connected(self) -> bool:
        """Whether this process is a client of the engine."""
        return self._client is not None

    def connect(self) -> None:
        """Become a client of the engine, and start it if it does not run yet. It answers as soon as it is ready.

        Raises:
            EngineStopped: It cannot be reached.
        """
        if self._client is None:
            with self._processes.engine_lock():
                path = self._processes.engine_file
                address = Address.load(path) if path is not None else None
                if address is None:
                    try:
                        self._started = EngineProcess()
                    except OSError as error:
                        raise EngineStopped(f"cannot start the engine process: {error}") from None
                    address = self._started.address
                    if path is not None:
                        address.save(path)
            self._connect_to(address)

    def connect_if_started(self) -> bool:
        """Become a client if a worker has started the engine; return whether this process is one."""
        path = self._processes.engine_file
        if self._client is None and path is not None:
            address = Address.load(path)
            if address is not None:
                self._connect_to(address)
        return self._client is not None

    def request(
        self, op: str, /, *, on_progress: Callable[[Progress | None], None] | None = None, **fields: Any
    ) -> Any:
        """Send a request to the engine and return the result, see `EngineClient.request`."""
        __tracebackhide__ = True
        self.connect()
        if self._client is None:
            raise RuntimeError("connect() leaves a client")
        return self._client.request(op, on_progress=on_progress, **fields)

    def notify(self, op: str) -> None:
        """Send a request whose failure does not matter, if this process is a client."""
        if self._client is not None:
            with contextlib.suppress(SipfrontError):
                self._client.request(op)

    def close(self, *, interrupted: bool) -> None:
        """Disconnect. The engine ends with the session; the only process of a session waits for that.

        Args:
            interrupted: Whether to wait for a short time only. A launch that is under way then stays with the engine.
        """
        client, self._client = self._client, None
        if client is not None:
            client.close()
        if self._started is not None:
            if self._processes.is_worker:
                self._started.leave()
            else:
                self._started.wait(_INTERRUPTED_SECONDS if interrupted else _CLOSE_SECONDS)
            self._started = None
        if client is not None and not self._processes.is_worker:
            client.address.remove_directory()

    def _connect_to(self, address: Address) -> None:
        try:
            self._client = EngineClient(address, leads=not self._processes.is_worker)
        except OSError as error:
            raise EngineStopped(
                "the engine process, which launches and polls runs, cannot be reached",
                evidence={"connection": str(error), "log": address.log() or "(empty)"},
            ) from None
