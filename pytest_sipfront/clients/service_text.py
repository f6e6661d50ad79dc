"""Text from a service: make it safe to print, cut it to one line, and find the error message in it.

`clean` is applied wherever text enters: to bodies, reason phrases, header values and the errors of the HTTP library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

TEXT_LIMIT = 300
"""The longest text of a service that an error message quotes, in characters."""

_TITLE = re.compile(r"<title[^<>]*>([^<]*)</title", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
    r"|(?<!\S)::(?=[A-Za-z-]+[ :])"  # GitHub's commands, such as ::error::
    r"|##(?=\w*\[)"  # and those of GitHub, Azure and TeamCity that begin with ##[ or ##name[
)


def clean(text: str, scrub: Callable[[str], str] = str) -> str:
    r"""Return `text` without credentials, control characters and commands to a CI server.

    Unsafe characters become visible escapes such as `\x1b`: control characters except tab and newline, lone surrogates,
    bidirectional overrides, and the first character of a CI command such as `::error::`.

    Args:
        text: Text from a service.
        scrub: Replaces credentials.
    """
    return _UNSAFE.sub(_escape, scrub(text).replace("\r\n", "\n"))


def _escape(match: re.Match[str]) -> str:
    first, rest = match[0][0], match[0][1:]
    escaped = f"\\x{ord(first):02x}" if first.isascii() else first.encode("ascii", "backslashreplace").decode()
    return escaped + rest


def clean_json(data: Any, scrub: Callable[[str], str]) -> Any:
    """Return parsed JSON with every key and string cleaned."""
    if isinstance(data, str):
        return clean(data, scrub)
    if isinstance(data, Mapping):
        return {clean(key, scrub): clean_json(value, scrub) for key, value in data.items()}
    return [clean_json(value, scrub) for value in data] if isinstance(data, list) else data


def one_line(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return `text` on one line of at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def error_message(data: Any) -> str:
    """Return the error message in a parsed body on one line; "" if there is none.

    The platform puts it into `error`, `description` or `message`, or sends a bare string.
    """
    if isinstance(data, Mapping):
        messages = (error_message(data[key]) for key in ("error", "description", "message") if key in data)
        return next((message for message in messages if message), "")
    return one_line(data) if isinstance(data, str) else ""


def plain_text(body: str) -> str:
    """Return the text of a body that is not JSON on one line: an HTML page's title, else the body without tags."""
    title = _TITLE.search(body)
    return one_line(f"an HTML page titled {title[1].strip()!r}" if title else _TAG.sub(" ", body))
