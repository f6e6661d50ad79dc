"""The sipfront markers of a test item, and the run that they describe together."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sipfront.suggestions import nearest

if TYPE_CHECKING:
    from pytest_sipfront.plugin.run_spec import RunSpec
    from pytest_sipfront.suites.variants import Variant

MARK = "sipfront"
SIGNATURE = (
    "sipfront(test=None, project=None, test_ids=None, step_<n>_<n>_<name>=..., report_mode=None, params=None, "
    "timeout=None, expect='passed', match=None, exclusive=None, look_ahead=True, repeat=1, pass_at_least=None): "
    "launch a Sipfront run before the test; the test fails if the verdict of the run is not the expected one"
)
VARIANT: pytest.StashKey[Variant] = pytest.StashKey()  # of an item of a suite file: the values of its placeholders
VARIANT_ID = "sipfront-variant"  # stands for the id of a variant until the item of the variant exists
CHECKS_MARKERS = pytest.StashKey[bool]()  # of a collector that has checked the markers of its items
_SET_MARKERS = "assign them to its attribute pytestmark, as a list"
PARTIAL_CANNOT_BE_MARKED = f"markers cannot be applied to a functools.partial object; {_SET_MARKERS}"
_OVERRIDE_NAME = re.compile(r"step_\d+_\d+_")
_ARGUMENTS = {
    MARK: frozenset({"test", "project", "test_ids", "report_mode", "expect", "exclusive", "look_ahead", "repeat"}),
    "sift": frozenset({"phone_number", "client_name", "connect_within"}),
}


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


def read_run_spec(item: pytest.Item, **session: Any) -> RunSpec:
    """Return the run that the markers of `item` describe, with templates filled from its parametrization.

    Args:
        item: The test.
        **session: The settings of the session that `make_run_spec` takes.

    Raises:
        MarkerError: A marker is invalid.
    """
    from pytest_sipfront.plugin.run_spec import fill, make_run_spec, merge  # noqa: PLC0415 - only for marked tests

    return make_run_spec(fill(merge(_arguments(item)), _parameters(item)), **session)


def lost_marker(item: pytest.Function) -> str:
    """Return why a marker of `item` has no effect, or "".

    pytest runs a test with a misspelt marker like any other test, so it would pass without a run.
    """
    wrapped = item.obj.func if isinstance(item.obj, functools.partial) else None
    is_marked_inside = any(mark.name in _ARGUMENTS for mark in getattr(wrapped, "pytestmark", []))
    if is_marked_inside and not hasattr(item.obj, "pytestmark"):
        return f"functools.partial drops the markers of its function; {_SET_MARKERS}"
    for mark in item.iter_markers():
        if meant := _meant(mark, item):
            return f"unknown marker {mark.name!r}; did you mean {meant!r}? (ini option markers: registered markers)"
    return ""


def is_marked_partial(value: object) -> bool:
    """Return whether `value` is the result of applying a marker of this plugin to a `functools.partial` object.

    pytest takes such an object for an argument of the marker, and the result is no test.
    """
    if not isinstance(value, pytest.MarkDecorator) or value.name not in _ARGUMENTS:
        return False
    return any(isinstance(argument, functools.partial) for argument in value.args)


def _meant(mark: pytest.Mark, item: pytest.Item) -> str:
    """Return the marker of this plugin that `mark` was probably meant to be, or ""."""
    meant = _similar(mark.name)
    has_override = any(_OVERRIDE_NAME.match(name) for name in mark.kwargs)
    if not (meant or has_override) or mark.name in _registered(item.config):
        return ""
    if has_override:
        return MARK
    if mark.kwargs.keys() & _ARGUMENTS[meant]:
        return meant
    uses_plugin = not mark.name.startswith(f"{MARK}_") and MARK in _source(item)
    return MARK if meant == MARK and uses_plugin else ""


@functools.lru_cache(maxsize=256)
def _similar(name: str) -> str:
    """Return the marker whose name resembles `name`, or "". Most names of a session occur many times."""
    if name in _ARGUMENTS:
        return ""
    return nearest(name, [MARK], cutoff=0.82) or nearest(name, ["sift"], cutoff=0.75)


def _registered(config: pytest.Config) -> set[str]:
    return {re.split(r"[:(]", line, maxsplit=1)[0].strip() for line in config.getini("markers")}


def _source(item: pytest.Item) -> str:
    try:
        return item.path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _parameters(item: pytest.Item) -> Mapping[str, Any]:
    callspec = getattr(item, "callspec", None)
    parameters = callspec.params if callspec else {}
    variant = item.stash.get(VARIANT, None)
    return {**parameters, **variant.cells()} if variant else parameters


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
