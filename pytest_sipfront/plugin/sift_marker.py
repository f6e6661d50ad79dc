"""`@pytest.mark.sift(...)`: the call that is placed before the test."""

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
    "sift(phone_number=None, client_name=None, connect_within=20): place a call with Sift before the test; the "
    "fixture sift_connection is the connected call"
)
ARGUMENTS = ("phone_number", "client_name", "connect_within")
CONNECT_WITHIN = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """The call that a marker describes: one of `phone_number` and `client_name`, to be connected within seconds."""

    phone_number: str | None = None
    client_name: str | None = None
    connect_within: float = CONNECT_WITHIN


def is_marked(item: pytest.Item) -> bool:
    """Return whether `item` has a sift marker."""
    return has_mark(item, MARK)


def read_call_spec(item: pytest.Item) -> CallSpec:
    """Return the call that the markers of `item` describe. The closest marker takes precedence for each argument.

    Raises:
        ConfigurationError: An argument is unknown or invalid.
    """
    from pytest_sipfront.plugin.run_spec import MarkerError, fill  # noqa: PLC0415 - only for marked tests

    arguments: dict[str, Any] = {}
    for marker in reversed(list(item.iter_markers(MARK))):
        given = _checked(marker)
        if given.keys() & {"phone_number", "client_name"}:
            arguments.pop("phone_number", None)
            arguments.pop("client_name", None)
        arguments |= given
    callspec = getattr(item, "callspec", None)
    try:
        return make_call_spec(fill(arguments, callspec.params if callspec else {}))
    except (MarkerError, ConfigurationError) as error:
        raise ConfigurationError(f"@pytest.mark.sift: {error}") from None


def make_call_spec(arguments: Mapping[str, Any]) -> CallSpec:
    """Return the call for merged and filled arguments.

    Raises:
        ConfigurationError: A value is missing or invalid.
    """
    from pytest_sipfront.clients.sift.routine import check_endpoint  # noqa: PLC0415 - only for marked tests

    within = arguments.get("connect_within", CONNECT_WITHIN)
    if isinstance(within, bool) or not isinstance(within, int | float) or not 0 < within < float("inf"):
        raise ConfigurationError(f"connect_within= must be a number of seconds > 0, got {within!r}")
    endpoint = check_endpoint(arguments.get("phone_number"), arguments.get("client_name"))
    return CallSpec(**endpoint, connect_within=float(within))


def _checked(marker: pytest.Mark) -> Mapping[str, Any]:
    if marker.args:
        raise ConfigurationError(
            f"@pytest.mark.sift: positional arguments are not supported; write phone_number={marker.args[0]!r}"
        )
    for argument in marker.kwargs:
        if argument not in ARGUMENTS:
            raise ConfigurationError(
                f"@pytest.mark.sift: unknown argument {argument!r}{did_you_mean(argument, ARGUMENTS)} "
                f"(valid arguments: {', '.join(ARGUMENTS)})"
            )
    return marker.kwargs
