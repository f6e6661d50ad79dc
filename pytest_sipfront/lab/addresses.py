"""Hosts that only this machine can reach, and the numbers that can be dialled."""

from __future__ import annotations

import re
from ipaddress import ip_address

DIALLED = re.compile(r"[A-Za-z0-9_.+*#~!$&'()=,-]+")
"""The user part of a SIP URI. Any other character could name another host."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_pattern(number: str) -> bool:
    """Whether the number of a phone stands for all numbers with its first digits, for example "49*"."""
    return len(number) > 1 and number.endswith("*")


def matches(number: str, pattern: str) -> bool:
    """Whether a dialled number is this number of a phone, or begins with the digits of its pattern."""
    return number == pattern or (is_pattern(pattern) and number.startswith(pattern[:-1]))
