"""Reads parts of Sift's JSON: what is absent or of a wrong type becomes the type's empty value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

NOTHING: Mapping[str, Any] = MappingProxyType({})


def text(value: Any) -> str:
    """Return a text or number as text; "" for anything else."""
    return printable(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def printable(value: str) -> str:
    """Return `value` without what a terminal would obey, or a report could not be written with."""
    return value if value.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in value)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else NOTHING


def objects(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the objects of a JSON list; none for anything else."""
    return tuple(entry for entry in value if isinstance(entry, Mapping)) if isinstance(value, list) else ()


def texts(value: Any) -> tuple[str, ...]:
    """Return the texts of a JSON list; none for anything else."""
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()


def number(value: Any) -> float | None:
    """Return a number; None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def moment(value: Any) -> datetime | None:
    """Return an ISO 8601 time in UTC, which is what a time without a zone is in; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value.strip())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def frozen(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a copy of `data` that does not change."""
    return MappingProxyType(dict(data))
