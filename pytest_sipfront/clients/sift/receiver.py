"""The HTTP server that receives Sift's callbacks.

Callbacks carry no authentication, so their URLs contain a secret segment for the session and one for each call. Bodies
do not name the command, so its number is in the URL. Every callback is accepted.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pytest_sipfront.clients.json_fields import parse_json
from pytest_sipfront.clients.sift.call_inbox import DONE, EVENT, INCOMING, STATUS, UNKNOWN

LARGEST_BODY = 1024 * 1024
MOST_SEGMENTS, MOST_FIELDS = 50, 1000
BACKLOG = 2048
_UNKNOWN_ADDRESS = "no callback has this address"


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 selects a free port.

    Raises:
        OSError: The address is in use or belongs to another machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio disables Nagle's algorithm only on sockets that name the protocol.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


class CallbackSink(Protocol):
    """Receives the callbacks of a receiver."""

    def deliver(self, kind: str, key: str, number: int, body: Any, raw: str) -> str:
        """Take a callback of a call."""
        ...

    def add(self, kind: str, raw: str, unmatched: str) -> None:
        """Take a request that is no callback."""
        ...


S = TypeVar("S", bound=CallbackSink)


class EmptyResponses:
    """The responses to callbacks: without a command, since a routine in a response starts at once."""

    async def respond(self, kind: str, key: str, body: Any) -> Mapping[str, Any]:  # noqa: ARG002 - of subclasses
        """Return the response to a callback of the call `key`. Only an incoming call requires a routine."""
        return {"routine": []} if kind == INCOMING else {}

    def sent(self, key: str, response: Mapping[str, Any]) -> None:
        """Note that a response of the call `key` was sent."""


class Receiver(Generic[S]):
    """Receives callbacks into a log. `start` and `stop` run on the event loop that serves it."""

    def __init__(
        self,
        log: S,
        listening: socket.socket,
        public_url: str = "",
        token: str = "",
        responses: EmptyResponses | None = None,
    ) -> None:
        """Prepare to serve a bound socket.

        Args:
            log: Receives all callbacks.
            listening: The bound socket.
            public_url: The URL of a tunnel or proxy that leads to the socket; "" if Sift can reach the socket itself.
            token: The secret segment of every callback URL; "" for a random one.
            responses: Returns the responses to callbacks; empty ones by default.
        """
        self.log = log
        self._responses = responses or EmptyResponses()
        self.token = token or secrets.token_urlsafe(24)
        self._listening = listening
        self._url = (public_url or _url_of(listening)).rstrip("/")
        self._server = _server(self._app())
        self._serving: asyncio.Task[None] | None = None

    def address(self, *segments: object) -> str:
        """Return the public URL of a callback: `address(call, "status")`, `address(call, "done", 3)`."""
        return "/".join([self._url, self.token, *map(str, segments)])

    @property
    def incoming_url(self) -> str:
        """The `on_incoming` URL of applications: Sift posts incoming calls to it."""
        return self.address(INCOMING)

    async def start(self) -> None:
        """Start to serve. Connections wait in the socket until the server is up."""
        self._serving = asyncio.create_task(self._server.serve([self._listening]))

    async def stop(self) -> None:
        """Stop serving and close the socket."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        self._listening.close()

    def _app(self) -> Starlette:
        return Starlette(routes=[Route("/{rest:path}", self._receive, methods=["GET", "POST", "PUT"])])

    async def _receive(self, request: Request) -> Response:
        segments = self._without_token(request.path_params["rest"].split("/"))
        if segments is None:
            self.log.add(UNKNOWN, f"{request.method} {request.url.path}", _UNKNOWN_ADDRESS)
            return Response(status_code=404)
        if segments[:1] == ["check"]:
            return JSONResponse({"check": segments[1:]})
        try:
            raw = await _body(request)
        except ClientDisconnect:
            raw = None
        if raw is None:
            self.log.add(UNKNOWN, request.url.path, "its body is too large or incomplete")
            return JSONResponse({"error": "the body is too large"}, 413)
        kind, key, number = _target(segments)
        if kind == UNKNOWN:
            self.log.add(kind, f"{request.url.path} {raw}", _UNKNOWN_ADDRESS)
            return JSONResponse({})
        body = read_body(raw)
        self.log.deliver(kind, key, number, body, raw)
        response = await self._responses.respond(kind, key, body)
        return JSONResponse(response, background=BackgroundTask(self._responses.sent, key, response))

    def _without_token(self, segments: list[str]) -> list[str] | None:
        """Return the segments after the secret one, or None without it. A proxy may add segments before it."""
        for index, segment in enumerate(segments[:MOST_SEGMENTS]):
            if secrets.compare_digest(segment.encode(), self.token.encode()):
                return segments[index + 1 :]
        return None


def read_body(raw: str) -> Any:
    """Return the parsed JSON of a body or the fields of a form; None for anything else.

    The content type is ignored, since the documentation misspells it.
    """
    try:
        return parse_json(raw)
    except ValueError:
        fields = _form(raw) if "=" in raw else {}
        return {name: values[0] for name, values in fields.items()} or None


def _form(raw: str) -> dict[str, list[str]]:
    try:
        return parse_qs(raw, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}


def _target(segments: list[str]) -> tuple[str, str, int]:
    match segments:
        case ["incoming"]:
            return INCOMING, "", 0
        case [key, "status"]:
            return STATUS, key, 0
        case [key, ("done" | "event") as kind, number] if number.isascii() and number.isdigit() and len(number) < 10:  # noqa: PLR2004
            return (DONE if kind == "done" else EVENT), key, int(number)
    return UNKNOWN, "", 0


async def _body(request: Request) -> str | None:
    """Return the body as text; None if it is too large."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            return None
        parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")


def _server(app: Starlette) -> uvicorn.Server:
    options: Mapping[str, Any] = {"log_level": "error", "log_config": None, "access_log": False, "lifespan": "off"}
    return uvicorn.Server(
        uvicorn.Config(
            app,
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
            **options,
        )
    )


def _url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
