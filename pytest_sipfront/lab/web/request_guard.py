"""Reject requests from web pages of other hosts (DNS rebinding), without the token, and with bodies over the limit."""

from __future__ import annotations

from ipaddress import ip_address
from secrets import compare_digest

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pytest_sipfront.lab.platform.http_requests import MAX_BODY_BYTES

CONTROL_PATH = "/lab/"
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class RequestGuard:
    """Middleware of the lab's application.

    On a loopback address the `Host` header must name this machine. A page whose host name resolves to 127.0.0.1 sends
    its own name there. On other addresses any name may lead to the lab.

    Args:
        app: The application.
        token: The bearer token that paths under `/lab/` require.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = _host(scope)
        server = (scope.get("server") or ("",))[0]
        if _is_loopback(server) and host not in (*_LOOPBACK_NAMES, server):
            text = f"The Host header names {host or 'no host'}. The lab is reached as {server} or localhost only."
            await PlainTextResponse(text, 421)(scope, receive, send)
            return
        if scope["path"].startswith(CONTROL_PATH) and not self._has_token(scope):
            text = f"{CONTROL_PATH} requires the header 'Authorization: Bearer TOKEN' with the token of this lab"
            await PlainTextResponse(text, 401, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, "The request body is too large")
            return message

        await self._app(scope, receive_limited, send)

    def _has_token(self, scope: Scope) -> bool:
        scheme, _, token = _header(scope, b"authorization").partition(b" ")
        return scheme.lower() == b"bearer" and compare_digest(token, self._token)


def _header(scope: Scope, name: bytes) -> bytes:
    value: bytes = next((value for key, value in scope["headers"] if key == name), b"")
    return value


def _host(scope: Scope) -> str:
    value = _header(scope, b"host").decode("latin-1").lower()
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0]


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
