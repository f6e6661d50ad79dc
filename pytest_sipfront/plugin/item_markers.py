"""The sipfront marks that apply to an item, and what they ask for together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_sipfront.plugin.run_spec import RunSpec

MARK = "sipfront"
SIGNATURE = (
    "sipfront(test=None, project=None, test_ids=None, step_<n>_<n>_<name>=..., report_mode=None, params=None, "
    "timeout=None, expect='passed', match=None, exclusive=None, ahead=True): launch a Sipfront run before the test and "
    "take over its verdict"
)


def is_marked(item: pytest.Item) -> bool:
    """Return whether a sipfront mark applies to `item`."""
    return has_mark(item, MARK)


def has_mark(item: pytest.Item, name: str) -> bool:
    """Return whether a mark of that name applies to `item`.

    Each item of each session is asked several times, and `get_closest_marker` takes more than twice as long.
    """
    node: pytest.Item | pytest.Collector | None = item
    while node is not None:
        for mark in node.own_markers:
            if mark.name == name:
                return True
        node = node.parent
    return False


def read_order(item: pytest.Item, report_mode: str | None) -> RunSpec:
    """Return what the marks of `item` ask for, filled from its parametrization.

    Raises:
        MarkerError: They make no sense.
    """
    from pytest_sipfront.plugin.run_spec import fill, merge, order  # noqa: PLC0415 - sessions without a marked test never pay

    return order(fill(merge(_words(item)), _parameters(item)), report_mode=report_mode)


def _parameters(item: pytest.Item) -> Mapping[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


def _words(item: pytest.Item) -> Iterator[Mapping[str, Any]]:
    for node in item.listchain():
        for mark in _farthest_first(node):
            if mark.name == MARK:
                if mark.args:
                    from pytest_sipfront.plugin.run_spec import MarkerError  # noqa: PLC0415

                    raise MarkerError(f"{mark.args[0]!r} stands without a word: write test={mark.args[0]!r}")
                yield mark.kwargs


def _farthest_first(node: Any) -> Iterator[pytest.Mark]:
    """Yield a node's own marks: base class before class, outer decorator before inner, a parameter's at last."""
    if isinstance(node, pytest.Class):
        declared = [mark for cls in reversed(node.obj.__mro__) for mark in reversed(_declared(cls))]
        added = [mark for mark in node.own_markers if mark not in declared]
        return iter(declared + added)
    callspec = getattr(node, "callspec", None)
    of_parameters = list(callspec.marks) if callspec else []
    others = [mark for mark in reversed(node.own_markers) if mark not in of_parameters]
    return iter(others + of_parameters)


def _declared(cls: type) -> list[pytest.Mark]:
    found: Any = cls.__dict__.get("pytestmark", [])
    decorators: list[Any] = found if isinstance(found, list) else [found]
    return [getattr(decorator, "mark", decorator) for decorator in decorators]
