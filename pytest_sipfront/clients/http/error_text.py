"""What an answer says, on one bounded line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

TEXT_LIMIT = 300
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def error_text(body: str) -> str:
    """Return what an error body says, on one bounded line."""
    try:
        return complaint(json.loads(body))
    except (ValueError, RecursionError):
        title = _TITLE.search(body)
        return one_line(f"an HTML page titled {title[1].strip()!r}" if title else re.sub(r"<[^>]*>", " ", body))


def complaint(data: Any) -> str:
    """Return what a parsed body complains of, on one bounded line; "" if it does not complain.

    The platform words its errors as `error`, `description`, `message` or a bare text.
    """
    if isinstance(data, Mapping):
        words = (complaint(data[key]) for key in ("error", "description", "message") if key in data)
        return next((text for text in words if text), "")
    return one_line(data) if isinstance(data, str) else ""


def one_line(text: str) -> str:
    """Return `text` on one bounded line."""
    line = " ".join(text.split())
    return line if len(line) <= TEXT_LIMIT else line[: TEXT_LIMIT - 1] + "…"
