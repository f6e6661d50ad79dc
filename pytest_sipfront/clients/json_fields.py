"""Parse JSON from a service, and read its fields tolerantly: an absent or mistyped field becomes the empty value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[str, Any] = MappingProxyType({})
MOST_NESTED = 50
LONGEST_NUMBER = 40
FIELD_LIMIT = 4_000
"""The longest string of a field, in characters. `raw` keeps the whole text."""


def parse_json(body: bytes | str) -> Any:
    """Return the parsed body.

    A number of more than 40 digits stays a string: converting it takes quadratic time.

    Raises:
        ValueError: The body is not JSON, is nested more than 50 levels deep, or has one key twice with two values.
    """
    try:
        data = json.loads(body, object_pairs_hook=_object, parse_int=_integer)
    except RecursionError:
        data, nested = None, True
    else:
        nested = _is_nested(data)
    if nested:
        raise ValueError(f"it is nested more than {MOST_NESTED} levels deep")
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        for key, value in pairs:
            if fields[key] != value or type(fields[key]) is not type(value):
                raise ValueError(f"the key {key!r} occurs twice with different values")
    return fields


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= LONGEST_NUMBER else digits


def _is_nested(data: Any) -> bool:
    """Return whether `data` is nested so deeply that comparing or printing it may fail."""
    level = [data]
    for _ in range(MOST_NESTED):
        level = [child for value in level for child in _children(value)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def text(value: Any) -> str:
    """Return a string or number as text of at most `FIELD_LIMIT` characters; "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    string = str(value)
    return string if len(string) <= FIELD_LIMIT else string[: FIELD_LIMIT - 1] + "…"


def integer(value: Any) -> int | None:
    """Return a whole number, also one in a string; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= LONGEST_NUMBER:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: Any) -> float | None:
    """Return a number; None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else EMPTY


def objects(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the objects of a JSON list; an empty tuple for anything else."""
    return tuple(entry for entry in value if isinstance(entry, Mapping)) if isinstance(value, list) else ()


def texts(value: Any) -> tuple[str, ...]:
    """Return the strings of a JSON list; an empty tuple for anything else."""
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()


def moment(value: Any) -> datetime | None:
    """Return an ISO 8601 time in UTC; None for anything else. A time without a zone is UTC.

    Years outside of 1970 to 9998 are mistakes, and arithmetic with them could overflow.
    """
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.strip())
        utc = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return utc if 1970 <= utc.year < 9999 else None  # noqa: PLR2004


def frozen(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a read-only copy of `data`."""
    return MappingProxyType(dict(data))
