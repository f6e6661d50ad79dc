"""`@pytest.mark.sift(...)`: whom to call before the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.plugin.item_markers import has_mark
from pytest_sipfront.suggestions import did_you_mean

MARK = "sift"
SIGNATURE = (
    "sift(phone_number=None, client_name=None, connect_within=20): dial with Sift before the test and hand the "
    "connected call to it as sift_connection"
)
WORDS = ("phone_number", "client_name", "connect_within")
CONNECT_WITHIN = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """What a mark asks for: one of `phone_number` and `client_name`, connected within so many seconds."""

    phone_number: str | None = None
    client_name: str | None = None
    connect_within: float = CONNECT_WITHIN


def is_marked(item: pytest.Item) -> bool:
    """Return whether a sift mark applies to `item`."""
    return has_mark(item, MARK)


def read_order(item: pytest.Item) -> CallSpec:
    """Return what the marks of `item` ask for together, the nearest winning word by word.

    Raises:
        ConfigurationError: They make no sense.
    """
    from pytest_sipfront.plugin.run_spec import MarkerError, fill  # noqa: PLC0415 - sessions without a mark never pay for it

    words: dict[str, Any] = {}
    for mark in reversed(list(item.iter_markers(MARK))):
        given = _checked(mark)
        if given.keys() & {"phone_number", "client_name"}:
            words = {word: value for word, value in words.items() if word == "connect_within"}
        words |= given
    callspec = getattr(item, "callspec", None)
    try:
        return order(fill(words, callspec.params if callspec else {}))
    except (MarkerError, ConfigurationError) as error:
        raise ConfigurationError(f"@pytest.mark.sift: {error}") from None


def order(words: Mapping[str, Any]) -> CallSpec:
    """Make the order from merged, filled words.

    Raises:
        ConfigurationError: A value is missing, of a wrong type or out of range.
    """
    from pytest_sipfront.clients.sift.routine import check_endpoint  # noqa: PLC0415

    within = words.get("connect_within", CONNECT_WITHIN)
    if isinstance(within, bool) or not isinstance(within, int | float) or not 0 < within < float("inf"):
        raise ConfigurationError(f"connect_within= must be a number of seconds > 0, got {within!r}")
    endpoint = check_endpoint(words.get("phone_number"), words.get("client_name"))
    return CallSpec(**endpoint, connect_within=float(within))


def _checked(mark: pytest.Mark) -> Mapping[str, Any]:
    if mark.args:
        raise ConfigurationError(
            f"@pytest.mark.sift: positional arguments are not supported; write phone_number={mark.args[0]!r}"
        )
    for word in mark.kwargs:
        if word not in WORDS:
            raise ConfigurationError(
                f"@pytest.mark.sift: unknown argument {word!r}{did_you_mean(word, WORDS)} "
                f"(valid arguments: {', '.join(WORDS)})"
            )
    return mark.kwargs
