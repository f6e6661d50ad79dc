"""Responses from recordings instead of from a service."""

from __future__ import annotations

import json
import ssl
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anyio.lowlevel
import httpx

from pytest_sipfront.clients.http.timeouts import Timeouts
from pytest_sipfront.clients.http.transport import RawResponse
from pytest_sipfront.clients.recordings import HttpRecording, RecordedExchange, masked, path_of, request_of
from pytest_sipfront.errors import ConfigurationError

_MAX_REPETITIONS = 200
"""How often the last response of a GET request is repeated: a run that was recorded while it was running never ends."""
_ERRORS: Mapping[str, type[httpx.TransportError]] = {
    error.__name__: error
    for error in (
        *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError),
        *(httpx.ReadTimeout, httpx.WriteError, httpx.WriteTimeout, httpx.RemoteProtocolError),
    )
}
_IRRELEVANT = frozenset({"report.mode"})


class Replay:
    """Answers each request with what was recorded for it, in order and without the recorded pauses.

    Requests are equal if their method, path and body are. A GET request whose responses are used up gets the last one
    again. A launch is answered as often as it was recorded.
    """

    def __init__(self, recordings: Iterable[HttpRecording]) -> None:
        """Use the latest recording that has a request.

        Args:
            recordings: The recordings, the latest first.
        """
        self._left: dict[str, deque[RecordedExchange]] = {}
        self._repeated: Counter[str] = Counter()
        self._launches: list[str] = []
        for recording in recordings:
            exchanges: dict[str, deque[RecordedExchange]] = {}
            for exchange in recording.exchanges:
                exchanges.setdefault(_key(exchange.method, exchange.path, exchange.request), deque()).append(exchange)
                if exchange.method == "POST":
                    self._launches.append(_shown(exchange.request))
            self._left = exchanges | self._left

    def connect(
        self,
        timeouts: Timeouts,  # noqa: ARG002
        authorities: ssl.SSLContext,  # noqa: ARG002
        proxy: httpx.Proxy | None,  # noqa: ARG002
        *,
        keepalive: int,  # noqa: ARG002
    ) -> Replay:
        """Return the transport, which opens no connection."""
        return self

    async def send(
        self,
        method: str,
        url: str,
        *,
        auth: Callable[[httpx.Request], httpx.Request],  # noqa: ARG002
        **content: Any,
    ) -> RawResponse:
        """Return the recorded response, or raise the recorded error.

        Raises:
            httpx.HTTPError: The connection failed in the recording.
            ConfigurationError: The request was not recorded.
        """
        await anyio.lowlevel.checkpoint()
        path, request = path_of(url, content.get("params")), masked(request_of(content), str)
        exchange = self._next(method, path, request)
        if exchange.error:
            name, _, text = exchange.error.partition(": ")
            raise _ERRORS.get(name, httpx.ReadError)(text)
        body = exchange.text if exchange.text or exchange.json is None else json.dumps(exchange.json)
        headers = {name: value for name, value in exchange.headers.items() if name.lower() != "retry-after"}
        return RawResponse(exchange.status, exchange.reason, httpx.Headers(headers), body.encode())

    async def close(self) -> None:
        """Nothing is open."""

    def _next(self, method: str, path: str, request: Any) -> RecordedExchange:
        key = _key(method, path, request)
        left = self._left.get(key)
        if left is None:
            others = sorted(set(self._launches))
            raise ConfigurationError(
                f"not in the recording: {method} {path}{f' {_shown(request)}' if request else ''}",
                evidence={"recorded launches": ", ".join(others) or "none"} if method == "POST" else {},
                hint="Record a session with the same tests and overrides.",
            )
        if len(left) > 1 or (left and method != "GET"):
            return left.popleft()
        if not left:
            raise ConfigurationError(f"the recording has no further launch: {method} {path} {_shown(request)}")
        self._repeated[key] += 1
        if self._repeated[key] > _MAX_REPETITIONS:
            raise ConfigurationError(f"the recording ends before the run of {path} has ended")
        return left[0]


def _key(method: str, path: str, request: Any) -> str:
    if isinstance(request, dict):
        request = {name: str(value) for name, value in request.items() if name not in _IRRELEVANT}
    return f"{method} {path} {json.dumps(request, sort_keys=True)}"


def _shown(request: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in request.items()) if isinstance(request, dict) else ""
