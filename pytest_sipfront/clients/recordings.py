"""Recordings of the exchange with a service, which can be replayed offline and compared with the lab.

A recording is a file with one JSON object per line. The first line is the header, and each further line is a request
with its response or its error, in the order in which they ended. Credentials are removed. Phone numbers are replaced by
pseudonyms, so that equal numbers stay equal: `+43123101` becomes `+999` and five digits of a hash, which about 100,000
numbers of its length share. Ids, URLs and times stay.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from pytest_sipfront.errors import ConfigurationError

FORMAT, VERSION = "pytest-sipfront recording", 1
HIDDEN = "***"
_NUMBER = re.compile(r"(?<![\w.+-])(?:\+\d[\d ()/-]{4,}\d|\d{5,})(?![\w-]|\.\d)")
_KEPT_KEY = re.compile(r"(?:.*_)?(?:id|ids|uuid|url|at)")
_SECRET_KEY = re.compile(r"password|passwd|secret|token|credential|authorization|api_?key", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedExchange:
    """One request and its outcome.

    Attributes:
        method: The HTTP method.
        path: The path below the service's origin, with the query.
        request: The fields of the body, masked; None without a body.
        status: The status of the response; 0 without a response.
        reason: Its reason phrase.
        headers: Its content type and `Retry-After`.
        json: Its body if that is JSON, masked.
        text: Its body if that is not JSON, masked.
        error: The class of the connection error without a response, and its text; "" otherwise.
        at: When the request was sent, in seconds after the first one.
        seconds: How long it took.
    """

    method: str
    path: str
    request: Any = None
    status: int = 0
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    text: str = ""
    error: str = ""
    at: float = 0.0
    seconds: float = 0.0


def masked(data: Any, scrub: Callable[[str], str], key: str = "") -> Any:
    """Return JSON data without secrets and phone numbers.

    Args:
        data: Parsed JSON.
        scrub: Removes credentials from text.
        key: The key of `data` in its mapping.
    """
    if key and data is not None and _SECRET_KEY.search(key):
        return HIDDEN
    if isinstance(data, str):
        text = scrub(data)
        return text if _KEPT_KEY.fullmatch(key) or re.match("https?://", text) else _NUMBER.sub(_pseudonym, text)
    if isinstance(data, Mapping):
        return {scrub(str(name)): masked(value, scrub, str(name)) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [masked(value, scrub, key) for value in data]
    return data


def _pseudonym(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match[0])
    number = int.from_bytes(hashlib.sha256(digits.encode()).digest()[:4]) % 100_000
    return f"{'+' if match[0].startswith('+') else ''}999{number:05d}"


def request_of(content: Mapping[str, Any]) -> Any:
    """Return the body of a request from the arguments of `Transport.send`."""
    if "files" in content:
        return {"file": next(iter(content["files"].values()))[0]}
    return content.get("json", content.get("data"))


def path_of(url: str, params: Mapping[str, str] | None = None) -> str:
    """Return the path and query of a URL."""
    parts = urlsplit(url)
    query = urlencode(params) if params else parts.query
    return parts.path + (f"?{query}" if query else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRecording:
    """One recorded session.

    Attributes:
        path: Its file.
        service: The name of the service.
        base_url: Its URL.
        recorded_at: When it began (UTC), in ISO 8601.
        exchanges: The exchanges, in the order in which they ended.
    """

    path: Path
    service: str
    base_url: str
    recorded_at: str
    exchanges: tuple[RecordedExchange, ...]


def read_recordings(directory: Path) -> tuple[HttpRecording, ...]:
    """Return the recordings in a directory, the latest first.

    Raises:
        ConfigurationError: There is none, or a file is damaged or has another version.
    """
    try:
        found = [_read(path) for path in sorted(directory.glob("*.jsonl"))]
    except OSError as error:
        raise ConfigurationError(f"cannot read the recording {error.filename}: {error.strerror}") from None
    if not found:
        raise ConfigurationError(f"no recording in {directory} (--sipfront-record=DIR writes one)")
    return tuple(sorted(found, key=lambda recording: recording.recorded_at, reverse=True))


def _read(path: Path) -> HttpRecording:
    lines = list(_lines(path))
    header = lines[0] if lines else {}
    if header.get("format") != FORMAT:
        raise ConfigurationError(f"{path}:1: not a recording of this plugin")
    if header.get("version") != VERSION:
        raise ConfigurationError(
            f"{path}:1: the recording has version {header.get('version')!r}, and this plugin reads version {VERSION}"
        )
    try:
        exchanges = tuple(RecordedExchange(**{**line, "headers": dict(line.get("headers", {}))}) for line in lines[1:])
        return HttpRecording(
            path=path,
            service=str(header["service"]),
            base_url=str(header["base_url"]),
            recorded_at=str(header["recorded_at"]),
            exchanges=exchanges,
        )
    except (TypeError, KeyError, ValueError) as error:
        raise ConfigurationError(f"{path}: the recording is damaged: {error}") from None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            if number == len(lines) and not text.endswith("\n"):
                return  # a killed session wrote half a line
            raise ConfigurationError(f"{path}:{number}: the recording is damaged: not a JSON object") from None
        yield entry
