"""Converters for option values: each returns the value, or raises `ValueError` with what the value must be."""

from __future__ import annotations

import math
import re
from urllib.parse import urlsplit

from pytest_sipfront.plugin.reports.reason_kinds import KINDS
from pytest_sipfront.suggestions import invalid_choice

REPORT_MODES = ("full", "kiosk", "print")
_SECONDS_PER_UNIT = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 3650 * 86400.0
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EXAMPLE_URL = "must be a URL such as https://app.sipfront.com"


def _number(text: str, minimum: float, unit: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not minimum <= value < math.inf:
        raise ValueError(f"must be a number of {unit} >= {minimum:g}")
    return value


def seconds(text: str) -> float:
    return _number(text, 0, "seconds")


def positive_seconds(text: str) -> float:
    return _number(text, 0.01, "seconds")


def minutes(text: str) -> float:
    return _number(text, 0, "minutes")


def duration(text: str) -> float:
    """Return a duration in seconds. Its unit is seconds unless it ends with s, m, h or d."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip(), re.ASCII)
    seconds = float(match[1]) * _SECONDS_PER_UNIT[match[2]] if match else math.inf
    if seconds > _LONGEST:
        raise ValueError("must be a duration such as 30m, 12h or 90 (seconds), at most 3650d")
    return seconds


def switch(text: str) -> bool:
    value = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}
    if text.strip().lower() not in value:
        raise ValueError("must be on or off")
    return value[text.strip().lower()]


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError("must be an integer >= 1")
    return int(text)


def names(text: str) -> tuple[str, ...]:
    """Return names that are separated by commas or blanks."""
    return tuple(name for name in re.split(r"[\s,]+", text) if name)


def override_keys(text: str) -> tuple[str, ...]:
    """Return override keys as the API spells them; the spelling of the marker is accepted as well."""
    keys = [re.sub(r"^step_(\d+)_(\d+)_", r"step.\1.\2.", key) for key in re.split(r"[\s,]+", text) if key]
    if not keys or not all(re.fullmatch(r"step\.\d+\.\d+\.\w+", key) for key in keys):
        raise ValueError("must be override keys such as step.1.0.dial_destination, separated by commas")
    return tuple(keys)


def kinds(text: str) -> tuple[str, ...]:
    """Return kinds of failures and errors, which are separated by commas."""
    names = tuple(name for name in re.split(r"[\s,]+", text) if name)
    for name in names or ("",):
        if name not in KINDS:
            raise ValueError(invalid_choice(name, KINDS))
    return names


def base_url(text: str) -> str:
    """Return the URL without the API path. Credentials are sent to it, so plain HTTP is limited to loopback."""
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(_EXAMPLE_URL) from None
    if parts.username or parts.password:
        raise ValueError("must not contain a user name or password, since credentials are read from the environment")
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise ValueError(_EXAMPLE_URL)
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ValueError("must use https, since http would expose the credentials (http is allowed for localhost only)")
    return text.strip().rstrip("/").removesuffix("/api/v2")


def ca_bundle(text: str) -> str:
    import ssl  # noqa: PLC0415 - most sessions do not use this option

    try:
        ssl.create_default_context(cafile=text)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"must be a readable PEM file of certificate authorities ({error})") from None
    return text
