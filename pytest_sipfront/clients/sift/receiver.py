"""The HTTP server that Sift posts its callbacks to. It is quick, believes nothing, and says yes to everything.

Nothing about Sift's callbacks is authenticated, so their addresses cannot be guessed: one secret segment for the
session, one for each call, and one number for each command, since bodies do not name the command they belong to.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pytest_sipfront.clients.sift.callback_log import DONE, EVENT, INCOMING, STATUS, UNKNOWN, CallbackLog

LARGEST_BODY = 1024 * 1024
DEEPEST, MOST_FIELDS = 50, 1000
BACKLOG = 2048
_NOBODY = "no callback has this address"


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        OSError: The address is in use, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named because asyncio switches Nagle's delay off only where it is
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


class Receiver:
    """Receives callbacks into a record. `start` and `stop` run on the event loop that serves it."""

    def __init__(self, record: CallbackLog, listening: socket.socket, public_url: str = "", token: str = "") -> None:
        """Prepare to serve a socket that is already bound.

        Args:
            record: Where everything goes.
            listening: The socket.
            public_url: Where the outside world reaches it, behind a tunnel or proxy; "" for the socket's own address.
            token: The secret segment of every address; "" for one of this session.
        """
        self.record = record
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
        """Where an application posts calls to our numbers."""
        return self.address(INCOMING)

    async def start(self) -> None:
        """Serve from now on; connections queue in the socket until the server is up."""
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
        segments = self._own(request.path_params["rest"].split("/"))
        if segments is None:
            self.record.keep(UNKNOWN, f"{request.method} {request.url.path}", _NOBODY)
            return Response(status_code=404)
        if segments[:1] == ["check"]:
            return JSONResponse({"check": segments[1:]})
        try:
            raw = await _body(request)
        except ClientDisconnect:
            raw = None
        if raw is None:
            self.record.keep(UNKNOWN, request.url.path, "its body is too large or was cut off")
            return JSONResponse({"error": "the body is too large"}, 413)
        kind, call, number = _sorted(segments)
        if kind == UNKNOWN:
            self.record.keep(kind, f"{request.url.path} {raw}", _NOBODY)
        else:
            self.record.deliver(kind, call, number, read_body(raw), raw)
        # a routine in an answer would start one, so there is none; an incoming call's answer must have one
        return JSONResponse({"routine": []} if kind == INCOMING else {})

    def _own(self, segments: list[str]) -> list[str] | None:
        """Return what follows the secret segment; None without it. Before it may stand a path that a proxy left."""
        for place, segment in enumerate(segments[:DEEPEST]):
            if secrets.compare_digest(segment.encode(), self.token.encode()):
                return segments[place + 1 :]
        return None


def read_body(raw: str) -> Any:
    """Return a body's JSON, whatever its content type says; a form's fields; None for anything else."""
    try:
        body = json.loads(raw)
        return None if _is_deep(body) else body
    except (ValueError, RecursionError):
        fields = _form(raw) if "=" in raw else {}
        return {name: values[0] for name, values in fields.items()} or None


def _form(raw: str) -> dict[str, list[str]]:
    try:
        return parse_qs(raw, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}


def _is_deep(body: Any) -> bool:
    """Whether a body is nested so deeply that comparing or showing it could fail."""
    level = [body]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _sorted(segments: list[str]) -> tuple[str, str, int]:
    match segments:
        case ["incoming"]:
            return INCOMING, "", 0
        case [call, "status"]:
            return STATUS, call, 0
        case [call, ("done" | "event") as kind, number] if number.isascii() and number.isdigit() and len(number) < 10:  # noqa: PLR2004
            return (DONE if kind == "done" else EVENT), call, int(number)
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
