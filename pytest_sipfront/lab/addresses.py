"""Hosts that only this machine can reach, and the numbers that can be dialled."""

from __future__ import annotations

import re
from ipaddress import ip_address

DIALLED = re.compile(r"(?:[A-Za-z0-9_.+*#~!$&'()=,;?/-]|%[0-9A-Fa-f]{2})+")
"""The user part of a SIP URI (RFC 3261), and `#`. Any other character could name another host."""
_TO_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9_.!~*+-]")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def escaped(number: str) -> str:
    """Return a number as the user part of a SIP URI, for example "49%2312" for "49#12"."""
    return _TO_ESCAPE.sub(lambda match: match[0].upper() if match[0][1:] else f"%{ord(match[0]):02X}", number)


def is_pattern(number: str) -> bool:
    """Whether the number of a phone stands for all numbers with its first digits, for example "49*"."""
    return len(number) > 1 and number.endswith("*")


def matches(number: str, pattern: str) -> bool:
    """Whether a dialled number is this number of a phone, or begins with the digits of its pattern."""
    number = escaped(number)
    return number == escaped(pattern) or (is_pattern(pattern) and number.startswith(escaped(pattern[:-1])))
