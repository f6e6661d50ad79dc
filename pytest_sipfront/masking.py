"""Masks phone numbers in everything that a session prints and writes. The last two digits stay.

A masked text has the same length: `+43 1 5801 61100` becomes `+** * **** ***00`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SHOWN_DIGITS = 2
_NUMBER = re.compile(
    r"(?P<id>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b)"  # a UUID is not a number
    r"|(?<=sip:)\+?\d{3,}(?=[@;>\s])|(?<=tel:)\+?\d{3,}"
    r"|(?<=dial_destination=)['\"]?\+?\d{3,}|(?<=dial_destination: )['\"]?\+?\d{3,}"
    r"|(?<![\w.])\+\d[\d ()/-]{4,}\d"
    r"|(?<![\w.])\+?\d{6,}(?![A-Za-z\d]|\.\d)"
)
_NUMBER_KEY = re.compile(r"(?:.*[._])?(?:destination|number|phone|caller|callee|from|to|user)", re.IGNORECASE)
_FEWEST_DIGITS = 3


def mask_numbers(text: str) -> str:
    """Return `text` with each phone number masked.

    A phone number is a run of six digits or more that is not part of a word or a decimal fraction, a number in
    international form, or the user of a SIP or telephone URI. Ids that consist of digits look the same and are masked,
    too. UUIDs are not.
    """
    return _NUMBER.sub(lambda match: match[0] if match["id"] else _masked(match[0]), text)


def mask_data(data: Any, key: str = "") -> Any:
    """Return JSON data with all phone numbers in it masked, also in the keys of mappings.

    The value of a key such as `dial_destination`, `from` or `phone_number` is masked if it has three digits or more.

    Args:
        data: Parsed JSON.
        key: The key of `data` in its mapping.
    """
    if isinstance(data, str):
        return _masked(data) if _is_number(data, key) else mask_numbers(data)
    if isinstance(data, Mapping):
        return {mask_numbers(str(name)): mask_data(value, str(name)) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [mask_data(value, key) for value in data]
    if isinstance(data, int) and not isinstance(data, bool) and _is_number(str(data), key):
        return _masked(str(data))
    return data


def _is_number(text: str, key: str) -> bool:
    digits = sum(character.isdigit() for character in text)
    is_plain = all(character.isdigit() or character in "+ ()/-" for character in text)
    return digits >= _FEWEST_DIGITS and is_plain and _NUMBER_KEY.fullmatch(key) is not None


def _masked(number: str) -> str:
    hidden = sum(character.isdigit() for character in number) - SHOWN_DIGITS
    masked = []
    for character in number:
        if character.isdigit() and hidden > 0:
            hidden -= 1
            masked.append("*")
        else:
            masked.append(character)
    return "".join(masked)
