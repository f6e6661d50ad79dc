"""Send one request and read its response within limits of time and size."""

from __future__ import annotations

import re
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import httpx

from pytest_sipfront.clients.http.timeouts import Timeouts
from pytest_sipfront.clients.json_fields import parse_json
from pytest_sipfront.errors import ConfigurationError

USER_AGENT = "pytest-sipfront"
BODY_LIMIT = 8 * 1024 * 1024
"""The largest body that is read, in bytes after unpacking."""

_HEADERS = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
_CONNECTIONS = 10
_CHARSETS = frozenset({"iso-8859-1", "latin-1", "windows-1252"})
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response as it arrived.

    Attributes:
        problem: Why the body could not be read; "" if it was. The body is empty then.
    """

    status: int
    reason: str
    headers: httpx.Headers
    body: bytes
    problem: str = ""

    def json(self) -> Any:
        """Return the parsed body.

        Raises:
            ValueError: The body could not be read, or is not usable JSON.
        """
        if self.problem:
            raise ValueError(self.problem)
        return parse_json(self.body)

    @property
    def text(self) -> str:
        """The body as text. UTF-8 unless the header names one of a few other encodings: some codecs are no charsets."""
        charset = re.search(r"charset=\"?([\w-]+)", self.headers.get("Content-Type", ""), re.IGNORECASE)
        named = charset[1].lower() if charset else ""
        return self.body.decode(named if named in _CHARSETS else "utf-8", "replace")


class Sender(Protocol):
    """Sends the requests of an `HttpClient`."""

    async def send(
        self, method: str, url: str, *, auth: Callable[[httpx.Request], httpx.Request], **content: Any
    ) -> RawResponse:
        """Send a request and read its response, see `Transport.send`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Connect(Protocol):
    """Returns a sender; `Transport` is one."""

    def __call__(
        self, timeouts: Timeouts, authorities: ssl.SSLContext, proxy: httpx.Proxy | None, *, keepalive: int
    ) -> Sender:
        """Return a sender, see `Transport`."""
        ...


class Transport:
    """Connections to one service. Requests beyond its limit of connections wait in order of arrival."""

    def __init__(
        self, timeouts: Timeouts, authorities: ssl.SSLContext, proxy: httpx.Proxy | None, *, keepalive: int
    ) -> None:
        """Prepare; no connection is opened before the first request.

        Args:
            timeouts: Time limits.
            authorities: Verifies the server's certificate.
            proxy: The proxy, or None for direct connections.
            keepalive: The number of idle connections to keep open.

        Raises:
            ConfigurationError: The proxy needs a package that is not installed.
        """
        __tracebackhide__ = True
        self._total = timeouts.total
        timeout = httpx.Timeout(timeouts.read, connect=timeouts.connect)
        self._extensions = {"timeout": timeout.as_dict()}
        # With every request that comes or goes, httpcore looks at each one that waits for a connection of its pool.
        self._turns = anyio.Semaphore(_CONNECTIONS)
        try:
            # Not a client: its redirects and cookies are unwanted, and take a tenth of the time of a request.
            self._transport = httpx.AsyncHTTPTransport(
                verify=authorities,
                trust_env=False,  # proxy and authorities are given; httpx misreads some forms of NO_PROXY
                proxy=proxy,
                limits=httpx.Limits(
                    max_connections=_CONNECTIONS, max_keepalive_connections=keepalive, keepalive_expiry=5.0
                ),
            )
        except ImportError as error:
            raise ConfigurationError(f"the environment's proxy is unusable: {error}") from None

    async def send(
        self, method: str, url: str, *, auth: Callable[[httpx.Request], httpx.Request], **content: Any
    ) -> RawResponse:
        """Send a request and read its response.

        Args:
            method: The HTTP method.
            url: An absolute URL.
            auth: Adds the Authorization header.
            content: `json`, `data`, `files` or `params`, as httpx takes them.

        Raises:
            httpx.HTTPError: The connection failed, or the response was not complete in time.
        """
        request = auth(httpx.Request(method, url, headers=_HEADERS, extensions=self._extensions, **content))
        async with self._turns:
            try:
                with anyio.fail_after(self._total):
                    response = await self._transport.handle_async_request(request)
                    try:
                        body, problem = await _read_body(response)
                    finally:
                        await response.aclose()
            except TimeoutError:
                raise httpx.ReadTimeout(f"no complete response within {self._total:g} s") from None
        return RawResponse(response.status_code, response.reason_phrase, response.headers, body, problem)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


async def _read_body(response: httpx.Response) -> tuple[bytes, str]:
    """Return the unpacked body, and why it could not be read."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "", "gzip", "x-gzip", "deflate"}:
        return b"", f"its Content-Encoding {encoding!r} is unknown"
    unpacker = None if encoding in {"identity", ""} else zlib.decompressobj(_GZIP_OR_ZLIB)
    body = bytearray()
    try:
        async for part in response.aiter_raw():
            body += part if unpacker is None else unpacker.decompress(part, BODY_LIMIT + 1 - len(body))
            if len(body) > BODY_LIMIT:
                return b"", f"its body is larger than {BODY_LIMIT // 1024**2} MB"
    except zlib.error as error:
        return b"", f"its body is not valid {encoding}: {error}"
    return bytes(body), ""
