"""Reject requests from web pages of other hosts (DNS rebinding), and bodies over the limit."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pytest_sipfront.lab.platform.http_requests import MAX_BODY_BYTES

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class RequestGuard:
    """Middleware of the lab's application.

    On a loopback address the `Host` header must name this machine. A page whose host name resolves to 127.0.0.1 sends
    its own name there. On other addresses any name may lead to the lab.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, "The request body is too large")
            return message

        await self._app(scope, receive_limited, send)


def _host(scope: Scope) -> str:
    value = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0]


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
