"""Helpers of several test files: a scripted HTTP server, a clock that only sleeping advances, TLS certificates."""

from __future__ import annotations

import datetime as dt
import json
import socket
import socketserver
import ssl
import struct
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import anyio
import anyio.lowlevel
import pytest

from pytest_sipfront.clients.http import Basic, HttpClient, Timeouts, Timing
from pytest_sipfront.secret import Secret

T = TypeVar("T")
TIMEOUT = 300
"""Seconds after which anything is considered hung. A busy machine needs a minute for the slowest session."""
PUBLIC_KEY, SECRET_KEY = "pk-of-the-tests", "sentinel-7f3a9c-secret"
NOON = dt.datetime(2026, 1, 15, 12, 0, 0, tzinfo=dt.UTC)
_ENVIRONMENT_OF_HTTP = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")


def credentials() -> Basic:
    """The key pair of the tests."""
    return Basic(Secret(PUBLIC_KEY), Secret(SECRET_KEY))


def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove proxies and certificate authorities of the developer from the environment."""
    for name in _ENVIRONMENT_OF_HTTP:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class FakeTime:
    """A clock that only `sleep` advances. Every random number is `random`."""

    def __init__(self, *, start: float = 1000.0, random: float = 0.0) -> None:
        self.start = start
        self.seconds = start
        self.sleeps: list[float] = []
        self._random = random

    def clock(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.seconds += seconds
        await anyio.lowlevel.checkpoint()

    @property
    def timing(self) -> Timing:
        return Timing(
            now=self.clock,
            sleep=self.sleep,
            random=lambda: self._random,
            utcnow=lambda: NOON + dt.timedelta(seconds=self.seconds - self.start),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A response, sent after `latency` seconds. Strings and bytes are sent unchanged, other bodies as JSON.

    `act` replaces the response.
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    act: Literal["answer", "reset", "close", "hang"] = "answer"
    latency: float = 0.0


RESET = Reply(act="reset")
CLOSE = Reply(act="close")
HANG = Reply(act="hang")


@dataclass(frozen=True, slots=True)
class Received:
    """A request. `connection` is the number of its connection."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


class Server:
    """An HTTP server on 127.0.0.1 that sends the replies of a script. The last one repeats.

    After its `with` block, `requests` has all requests, including those of clients that did not wait for the response.
    """

    def __init__(self, *script: Reply, tls: tuple[Path, Path] | None = None) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self._script = script or (Reply(),)
        self._lock = threading.Lock()
        self._server = _Threads(self)
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))

    @property
    def port(self) -> int:
        port: int = self._server.server_address[1]
        return port

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def connected(self) -> int:
        """Count a connection and return its number."""
        with self._lock:
            self.connections += 1
            return self.connections

    def received(self, request: Received) -> Reply:
        """Record a request and return its reply."""
        with self._lock:
            reply = self._script[min(len(self.requests), len(self._script) - 1)]
            self.requests.append(request)
            return reply

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._server.errors and error is None:
            raise self._server.errors[0]


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, owner: Server) -> None:
        self.owner = owner
        self.errors: list[BaseException] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # without a farewell, so that a lingering socket resets

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):
            self.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    server: _Threads
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one packet: two wait 40 ms for each other

    def setup(self) -> None:
        super().setup()
        self.number = self.server.owner.connected()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Log no request."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(self.command, self.path, headers, self.rfile.read(length), self.number)
        reply = self.server.owner.received(request)
        threading.Event().wait(reply.latency)
        if reply.act == "answer":
            self._answer(reply)
            return
        self.close_connection = True
        if reply.act == "hang":
            self.rfile.read(1)
        elif reply.act == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _answer(self, reply: Reply) -> None:
        kind = "text/plain" if isinstance(reply.body, str | bytes) else "application/json"
        body = reply.body if isinstance(reply.body, str | bytes) else json.dumps(reply.body)
        content = body.encode() if isinstance(body, str) else body
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type or kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def talk(
    base_url: str,
    use: Callable[[HttpClient], Awaitable[T]],
    *,
    time: FakeTime | None = None,
    limits: Timeouts | None = None,
    ca_bundle: str | None = None,
    trust_env: bool = True,
) -> T:
    """Return the result of `use` with an `HttpClient` for `base_url`, on a new event loop with a `FakeTime`."""

    async def main() -> T:
        timing = (time or FakeTime()).timing
        async with HttpClient(
            base_url, credentials(), limits=limits, ca_bundle=ca_bundle, trust_env=trust_env, timing=timing
        ) as http:
            return await use(http)

    return anyio.run(main)


def assert_only_user_frames(output: str) -> None:
    """Check that an output has a line of `test_it.py`, no frame of an installed package, and no cause."""
    assert "test_it.py:" in output
    for text in ("pytest_sipfront/", "site-packages", "All traceback entries are hidden", "During handling of the"):
        assert text not in output


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port that refuses connections: it is bound, but not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def silent_port() -> Iterator[int]:
    """A port whose backlog is full, so that a client waits for its connection until it times out."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The certificate of an authority, and a certificate for 127.0.0.1 that it signed, with its key."""

    authority: Path
    certificate: Path
    key: Path


@contextmanager
def tls_files() -> Iterator[TlsFiles]:
    """Write the certificates to files."""
    with TemporaryDirectory() as directory:
        files = TlsFiles(*(Path(directory, name) for name in ("authority.pem", "certificate.pem", "key.pem")))
        files.authority.write_text(_AUTHORITY)
        files.certificate.write_text(_CERTIFICATE)
        files.key.write_text(_KEY)
        yield files


@contextmanager
def expired_tls_files() -> Iterator[TlsFiles]:
    """Write a self-signed certificate for 127.0.0.1 that expired in 2021, and its key."""
    with TemporaryDirectory() as directory:
        certificate, key = Path(directory, "certificate.pem"), Path(directory, "key.pem")
        certificate.write_text(_EXPIRED_CERTIFICATE)
        key.write_text(_EXPIRED_KEY)
        yield TlsFiles(authority=certificate, certificate=certificate, key=key)


# Valid from 2020 to 2120, for 127.0.0.1 and localhost.
_AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjAiMSAwHgYDVQQDDBdweXRlc3Qt
c2lwZnJvbnQgdGVzdCBDQTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAw
MFowIjEgMB4GA1UEAwwXcHl0ZXN0LXNpcGZyb250IHRlc3QgQ0EwWTATBgcqhkjO
PQIBBggqhkjOPQMBBwNCAAQoNLelUV03PGlg+FMUFP2e5S8NxIznycif+KqdglLi
V1mnKIujK3jwBnZ5eWPVWTdJlKJqwZfpNSBIvnLF9V+no0IwQDAdBgNVHQ4EFgQU
J/11U6hO353yGojBzovML//LlzQwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8E
BAMCAQYwCgYIKoZIzj0EAwIDSAAwRQIgMrz0BOIdZelaLIZQKOCEWRAga/1jHXMJ
M7/Cesx9ol8CIQCcvmjEed/KGqRlHTBbm9VEnl8Z+MxKLU6VKGa4Y2cioQ==
-----END CERTIFICATE-----
"""
_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBuzCCAWCgAwIBAgIBAjAKBggqhkjOPQQDAjAiMSAwHgYDVQQDDBdweXRlc3Qt
c2lwZnJvbnQgdGVzdCBDQTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAw
MFowFDESMBAGA1UEAwwJMTI3LjAuMC4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
QgAExCXWNcngPu02LrMdr2nZp3axF+a4Ii+fPiTx17/TiYp/cb8iX87RjDl5Fe7Z
m4hGqFe2w5EUjEX9h0tvnNkBLKOBkjCBjzAaBgNVHREEEzARhwR/AAABgglsb2Nh
bGhvc3QwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwEwYDVR0lBAwwCgYI
KwYBBQUHAwEwHQYDVR0OBBYEFOpSvi6JhcWqFRXF7Yt/MsxKcsCEMB8GA1UdIwQY
MBaAFCf9dVOoTt+d8hqIwc6LzC//y5c0MAoGCCqGSM49BAMCA0kAMEYCIQC0CBKf
jvjFzccFJzgF4PV2sNM89GhSUjStNRugbjqFHAIhAIlBQ72n6IWAChChYKlXLtRT
m5PlwMlGWqzCiZ0gbSRb
-----END CERTIFICATE-----
"""
_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZ2xLkB2Yh64SfvWG
tLIT5n9XQIpc4s+X4VnTSGd91BuhRANCAATEJdY1yeA+7TYusx2vadmndrEX5rgi
L58+JPHXv9OJin9xvyJfztGMOXkV7tmbiEaoV7bDkRSMRf2HS2+c2QEs
-----END PRIVATE KEY-----
"""
_EXPIRED_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBWTCCAQCgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAkxMjcuMC4w
LjEwHhcNMjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjAUMRIwEAYDVQQDDAkx
MjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARFVeDGpqRxrmwSIbSq
kQM98ODIG2PutMj2JYI3lhHTFS5AY/dMQaci0hTxaxFMmPMPiDwyOCKeuKkE/iEK
zrafo0MwQTAPBgNVHREECDAGhwR/AAABMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0O
BBYEFJHxvq7JET9eDEtos4XPRrCwx0OLMAoGCCqGSM49BAMCA0cAMEQCIDMGrVxg
RKojgkIHNpn9uJ9/N/Tf4BnA1scgEsj7QSdLAiBuCZDiFrs6wo/KkMZH5+oNpqGK
o6b2A8G1SCM0q1w0YA==
-----END CERTIFICATE-----
"""
_EXPIRED_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg43C7szWl+Dc/yqbq
iHTAnFCK9paxkoq7yIwTXRwINW6hRANCAARFVeDGpqRxrmwSIbSqkQM98ODIG2Pu
tMj2JYI3lhHTFS5AY/dMQaci0hTxaxFMmPMPiDwyOCKeuKkE/iEKzraf
-----END PRIVATE KEY-----
"""
