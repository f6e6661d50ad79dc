"""What the text of a setting may say: each reader returns its value, or raises `ValueError` with what is wanted."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

REPORT_MODES = ("full", "kiosk", "print")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def number(text: str, least: float, wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        raise ValueError(wanted)
    return value


def seconds(text: str) -> float:
    return number(text, 0, "a number of seconds, 0 or more")


def positive_seconds(text: str) -> float:
    return number(text, 0.01, "a number of seconds, at least 0.01")


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError("a whole number, 1 or more")
    return int(text)


def report_mode(text: str) -> str:
    if text not in REPORT_MODES:
        raise ValueError(one_of(text, REPORT_MODES))
    return text


def minutes(text: str) -> float:
    return number(text, 0, "a number of minutes, 0 or more")


def overrides(text: str) -> tuple[str, ...]:
    """Overrides by their API keys, or as the marker spells them."""
    keys = [re.sub(r"^step_(\d+)_(\d+)_", r"step.\1.\2.", word) for word in re.split(r"[\s,]+", text) if word]
    if not keys or not all(re.fullmatch(r"step\.\d+\.\d+\.\w+", key) for key in keys):
        raise ValueError("one or more overrides such as step.1.0.dial_destination, separated by commas")
    return tuple(keys)


def base_url(text: str) -> str:
    """Credentials go there, so it is https, or http on this machine only."""
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("a URL such as https://app.sipfront.com") from None
    if parts.username or parts.password:
        raise ValueError("a URL without user and password: credentials come from the environment")
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise ValueError("a URL such as https://app.sipfront.com")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ValueError("https: over http, credentials would be readable on the way (http is for this machine only)")
    return text.strip().rstrip("/").removesuffix("/api/v2")


def ca_bundle(text: str) -> str:
    import ssl  # noqa: PLC0415 - not for the many sessions without this option

    try:
        ssl.create_default_context(cafile=text)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"a readable PEM file of certificate authorities ({error})") from None
    return text


def one_of(given: str, allowed: Sequence[str]) -> str:
    """Say what is allowed, with the nearest to what was given: 'one of a, b; did you mean a?'."""
    near = difflib.get_close_matches(given, allowed, n=1)
    return f"one of {', '.join(allowed)}" + (f"; did you mean {near[0]}?" if near else "")
