"""The sipfront markers of a test item, and the run that they describe together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_sipfront.plugin.run_spec import RunSpec

MARK = "sipfront"
SIGNATURE = (
    "sipfront(test=None, project=None, test_ids=None, step_<n>_<n>_<name>=..., report_mode=None, params=None, "
    "timeout=None, expect='passed', match=None, exclusive=None, look_ahead=True): launch a Sipfront run before the "
    "test; the test fails if the verdict of the run is not the expected one"
)


def is_marked(item: pytest.Item) -> bool:
    """Return whether `item` has a sipfront marker."""
    return has_mark(item, MARK)


def has_mark(item: pytest.Item, name: str) -> bool:
    """Return whether `item` has a marker of that name.

    This runs several times for every item of every session, and `get_closest_marker` takes more than twice as long.
    """
    node: pytest.Item | pytest.Collector | None = item
    while node is not None:
        for mark in node.own_markers:
            if mark.name == name:
                return True
        node = node.parent
    return False


def read_run_spec(item: pytest.Item, report_mode: str | None) -> RunSpec:
    """Return the run that the markers of `item` describe, with templates filled from its parametrization.

    Raises:
        MarkerError: A marker is invalid.
    """
    from pytest_sipfront.plugin.run_spec import fill, make_run_spec, merge  # noqa: PLC0415 - only for marked tests

    return make_run_spec(fill(merge(_arguments(item)), _parameters(item)), report_mode=report_mode)


def _parameters(item: pytest.Item) -> Mapping[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


def _arguments(item: pytest.Item) -> Iterator[Mapping[str, Any]]:
    for node in item.listchain():
        for mark in _farthest_first(node):
            if mark.name == MARK:
                if mark.args:
                    from pytest_sipfront.plugin.run_spec import MarkerError  # noqa: PLC0415

                    raise MarkerError(f"positional arguments are not supported; write test={mark.args[0]!r}")
                yield mark.kwargs


def _farthest_first(node: Any) -> Iterator[pytest.Mark]:
    """Return a node's own markers: base class before class, outer decorator before inner, parameters last."""
    if isinstance(node, pytest.Class):
        declared = [mark for cls in reversed(node.obj.__mro__) for mark in reversed(_declared(cls))]
        added = [mark for mark in node.own_markers if mark not in declared]
        return iter(declared + added)
    callspec = getattr(node, "callspec", None)
    parameter_marks = list(callspec.marks) if callspec else []
    others = [mark for mark in reversed(node.own_markers) if mark not in parameter_marks]
    return iter(others + parameter_marks)


def _declared(cls: type) -> list[pytest.Mark]:
    pytestmark: Any = cls.__dict__.get("pytestmark", [])
    decorators: list[Any] = pytestmark if isinstance(pytestmark, list) else [pytestmark]
    return [getattr(decorator, "mark", decorator) for decorator in decorators]
