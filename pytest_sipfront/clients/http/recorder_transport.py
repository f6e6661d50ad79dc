"""Writes the exchange of an `HttpClient` to a recording."""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import httpx

from pytest_sipfront.clients.http.connection_errors import explain
from pytest_sipfront.clients.http.timeouts import Timeouts
from pytest_sipfront.clients.http.transport import RawResponse, Sender, Transport
from pytest_sipfront.clients.recordings import FORMAT, VERSION, masked, path_of, request_of
from pytest_sipfront.errors import ConfigurationError

_KEPT_HEADERS = ("Content-Type", "Retry-After")
_LONGEST_TEXT = 100_000


class HttpRecorder:
    """Writes the exchange of one session to a file, which is created with the first request."""

    def __init__(self, path: Path, *, service: str, base_url: str, scrub: Callable[[str], str]) -> None:
        """Write nothing yet.

        Args:
            path: The file.
            service: The name of the service.
            base_url: Its URL.
            scrub: Removes credentials from text.
        """
        self._path = path
        self._header = {"format": FORMAT, "version": VERSION, "service": service, "base_url": base_url}
        self._scrub = scrub
        self._file: IO[str] | None = None
        self._failure: OSError | None = None
        self._started = time.monotonic()

    def connect(
        self, timeouts: Timeouts, authorities: ssl.SSLContext, proxy: httpx.Proxy | None, *, keepalive: int
    ) -> Sender:
        """Return a transport whose requests are recorded."""
        return _RecordingTransport(self, Transport(timeouts, authorities, proxy, keepalive=keepalive))

    def prepare(self, method: str) -> None:
        """Create the file before the first request, so that a launch is not sent without its record.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        try:
            if self._file is None:
                self._open()
        except OSError as error:
            self._failure = error
        if self._failure is not None and method != "GET":
            raise ConfigurationError(f"cannot write the recording {self._path}: {self._failure.strerror}")

    def write(self, method: str, url: str, content: Mapping[str, Any], sent_at: float, outcome: Any) -> None:
        """Append an exchange. An error is raised before the next launch: the outcome of this request must not be lost.

        Args:
            method: The HTTP method.
            url: The absolute URL.
            content: The arguments of `Transport.send`.
            sent_at: When the request was sent, in monotonic seconds.
            outcome: A `RawResponse`, or the error.
        """
        entry: dict[str, Any] = {
            "method": method,
            "path": self._scrub(path_of(url, content.get("params"))),
            "at": round(sent_at - self._started, 3),
            "seconds": round(time.monotonic() - sent_at, 3),
        }
        if (request := request_of(content)) is not None:
            entry["request"] = masked(request, self._scrub)
        if isinstance(outcome, RawResponse):
            entry |= self._response(outcome)
        else:
            entry["error"] = masked(_described(outcome), self._scrub)
        try:
            self._append(entry)
        except OSError as error:
            self._failure = error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _response(self, raw: RawResponse) -> dict[str, Any]:
        headers = {name: self._scrub(raw.headers[name]) for name in _KEPT_HEADERS if name in raw.headers}
        entry: dict[str, Any] = {"status": raw.status, "reason": self._scrub(raw.reason), "headers": headers}
        try:
            return {**entry, "json": masked(raw.json(), self._scrub)}
        except ValueError:
            return {**entry, "text": masked(raw.problem or raw.text, self._scrub)[:_LONGEST_TEXT]}

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "a", encoding="utf-8")
        self._append({**self._header, "recorded_at": datetime.now(UTC).isoformat(timespec="seconds")})

    def _append(self, entry: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()  # a session that is killed keeps what it has recorded


def _described(error: httpx.HTTPError) -> str:
    """Return the class of an error and its cause in words, since some of httpx's errors have no text."""
    name = type(error).__name__
    cause, _ = explain(error, "", is_plain=False, has_proxy=False)
    return f"{name}: {cause.removeprefix(name).removeprefix(': ')}"


class _RecordingTransport:
    def __init__(self, recorder: HttpRecorder, transport: Transport) -> None:
        self._recorder, self._transport = recorder, transport

    async def send(
        self, method: str, url: str, *, auth: Callable[[httpx.Request], httpx.Request], **content: Any
    ) -> RawResponse:
        self._recorder.prepare(method)
        sent_at = time.monotonic()
        try:
            response = await self._transport.send(method, url, auth=auth, **content)
        except httpx.HTTPError as error:
            self._recorder.write(method, url, content, sent_at, error)
            raise
        self._recorder.write(method, url, content, sent_at, response)
        return response

    async def close(self) -> None:
        await self._transport.close()
        self._recorder.close()
