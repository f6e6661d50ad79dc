"""URLs: which origin a URL leads to, since credentials are sent to one origin only."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import httpx

URL_LIMIT = 8192
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of `url`.

    Raises:
        ValueError: The URL has no usable host or port.
    """
    parts: SplitResult = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if not host or scheme not in _DEFAULT_PORTS:
        raise ValueError(f"not an absolute http(s) URL: {without_userinfo(url)}")
    return scheme, host, parts.port or _DEFAULT_PORTS[scheme]


def destination(url: str) -> tuple[str, str, int] | None:
    """Return the origin that a request for `url` would reach.

    Returns:
        None if the URL is unusable, too long, or read differently by the HTTP library.
    """
    return _destination(url) if len(url) <= URL_LIMIT else None


@lru_cache(maxsize=4096)
def _destination(url: str) -> tuple[str, str, int] | None:
    try:
        ours, library = origin(url), origin(str(httpx.URL(url)))
    except (ValueError, httpx.InvalidURL):
        return None
    return ours if ours == library else None


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine by name or address."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.rstrip(".").lower().rpartition(".")[2] == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or (mapped is not None and mapped.is_loopback)


def without_userinfo(url: str) -> str:
    """Return `url` without a user or password before its host."""
    return re.sub(r"(?<=//)[^/?#]*@", "", url, count=1)
