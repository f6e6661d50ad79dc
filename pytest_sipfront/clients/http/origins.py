"""Who gets to see credentials: the origin of a URL."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of `url`, as they decide who gets to see credentials.

    Raises:
        ValueError: The URL has no usable host or port.
    """
    parts: SplitResult = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if not host or scheme not in _DEFAULT_PORTS:
        raise ValueError(f"not an absolute http(s) URL: {without_userinfo(url)}")
    return scheme, host, parts.port or _DEFAULT_PORTS[scheme]


def without_userinfo(url: str) -> str:
    """Return `url` without a user or password before its host."""
    return re.sub(r"(?<=//)[^/?#]*@", "", url, count=1)
