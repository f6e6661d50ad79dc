"""HTTP that the stand-ins for Sipfront and Sift share: log, credentials, bodies, refusals, dropped connections."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_URL_PATH = re.compile(r"^(https?://[^/?#]+)[/?#].+", re.DOTALL)
MAX_REQUESTS = 100_000
MAX_BODY_BYTES = 8 * 1024 * 1024
DROPPED = "dropped"
"""Logged in place of a status code if a fault closed the connection."""


class Refusal(Exception):
    """The platform refuses a request with this HTTP status, `error` text and further headers."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}


@dataclass(slots=True)
class LoggedRequest:
    """One request.

    `time` is in seconds since the lab's start. `authorization` is the scheme only, so that the log holds no secret.
    `status` is set with the response.
    """

    method: str
    path: str
    time: float
    authorization: str
    content_type: str
    body: Any = None
    status: int | str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as `GET /lab/requests` shows it."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {**values, "body": _with_short_urls(self.body)}


class RequestLog:
    """Keeps the latest requests and counts all of them, so that tests can assert on them."""

    def __init__(self, clock: Callable[[], float] = monotonic, started: float = 0.0) -> None:
        self._clock = clock
        self._started = started
        self.entries: deque[LoggedRequest] = deque(maxlen=MAX_REQUESTS)
        self.requests = 0
        self.by_kind: Counter[str] = Counter()
        self.by_path: Counter[str] = Counter()

    def record(self, method: str, path: str, authorization: str, content_type: str) -> LoggedRequest:
        """Log the arrival of a request and return its entry, which the caller completes with body and status."""
        entry = LoggedRequest(method, path, self._clock() - self._started, authorization, content_type)
        self.entries.append(entry)
        self.requests += 1
        return entry

    def count(self, kind: str, route: str) -> None:
        """Count a request by its kind ("launch", "status", ...) and by its endpoint's path."""
        self.by_kind[kind] += 1
        self.by_path[route] += 1


class Dropped(Response):
    """Closes the TCP connection without a response. The lab's server puts the transport into the request's state."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Close the connection and return once the server has noticed."""
        scope["state"]["transport"].abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def authorized(header: str, public_key: str | None, secret_key: str | None) -> bool:
    """Whether an `Authorization` header has these keys; if they are None, whether it has any non-empty pair."""
    pair = _basic_pair(header)
    if pair is None:
        return False
    return all(pair) if public_key is None else pair == (public_key, secret_key)


def _basic_pair(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def authorization_kind(header: str) -> str:
    """Return the scheme of an `Authorization` header in lower case, "none" without a header."""
    return header.partition(" ")[0].lower() or "none"


async def read_fields(request: Request) -> Any:
    """Return the body: a JSON value, or the fields of a form by name, a repeated field as a list.

    Raises:
        Refusal: 400 for a body that cannot be read, 413 for more than 8 MiB.
    """
    if int(request.headers.get("content-length") or 0) > MAX_BODY_BYTES:
        raise Refusal(413, "The request body is too large")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        await request.body()
    except HTTPException as error:  # a chunked body over the limit
        raise Refusal(error.status_code, error.detail) from None
    if kind == "application/json":
        return await _json(request)
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return await _form(request)
    raise Refusal(400, f"Cannot read a body of type '{kind}': send JSON, urlencoded or multipart form data")


def _with_short_urls(value: Any) -> Any:
    """Return a JSON value with `***` for the path of each URL, since that of a callback is a secret of its receiver."""
    if isinstance(value, dict):
        return {key: _with_short_urls(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_with_short_urls(entry) for entry in value]
    return _URL_PATH.sub(r"\1/***", value) if isinstance(value, str) else value


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body(), parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "The request body is not valid JSON") from None


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


async def _form(request: Request) -> dict[str, Any]:
    try:
        form = await request.form()
    except (HTTPException, ValueError):
        raise Refusal(400, "The request body is not valid form data") from None
    fields: dict[str, Any] = {}
    for key in form:
        values = [v if isinstance(v, str) else {"file": v.filename, "size": v.size} for v in form.getlist(key)]
        fields[key] = values[0] if len(values) == 1 else values
    await form.close()
    return fields
