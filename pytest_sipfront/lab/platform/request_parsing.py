"""Reads what a request sends: its credentials' kind and, from JSON, urlencoded or multipart bodies, flat fields."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from pytest_sipfront.lab.file.lab_file import AccountSpec
from pytest_sipfront.lab.platform.account import Refusal

LARGEST_BODY = 8 * 1024 * 1024


def basic_pair(header: str) -> tuple[str, str] | None:
    """Return user and password of an `Authorization` header, or None where it is no Basic one."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def authorized(account: AccountSpec, header: str) -> bool:
    """Whether the account lets a request with this `Authorization` header in."""
    pair = basic_pair(header)
    if pair is None:
        return False
    if account.public_key is None:
        return all(pair)
    return pair == (account.public_key, account.secret_key)


def authorization_kind(header: str) -> str:
    """Return "none", "basic" or another scheme's name: all that is ever kept of credentials."""
    return header.partition(" ")[0].lower() or "none"


async def read_fields(request: Request) -> Any:
    """Return the body's fields: a JSON value, or a dict of a form's texts (a repeated field as list).

    Raises:
        Refusal: 400 for a body that cannot be read, 413 for one beyond 8 MiB.
    """
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        raise Refusal(413, "The request body is too large")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    await request.body()
    if kind == "application/json":
        return await _json(request)
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return await _form(request)
    raise Refusal(400, f"Cannot read a body of type '{kind}': send JSON, urlencoded or multipart form data")


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "The request body is not valid JSON") from None


def _no_constant(name: str) -> Any:
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


def text_of(key: str, value: Any) -> str:
    """Return a parameter's value as text, the way a form would have sent it.

    Raises:
        Refusal: 422 for a list, an object or null.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise Refusal(422, f"Parameter '{key}' must be text")


def whole_of(key: str, value: Any) -> int:
    """Return a parameter's value as a whole number.

    Raises:
        Refusal: 422 for anything else.
    """
    text = text_of(key, value).strip()
    if not (text.isascii() and text.isdigit()):
        raise Refusal(422, f"Parameter '{key}' must be a whole number")
    return int(text)
