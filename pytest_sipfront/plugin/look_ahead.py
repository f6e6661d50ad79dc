"""Look-ahead: select the runs that may start before the setup of their own tests.

A fixture may prepare something that a run depends on, such as a PBX or a trunk. So a run starts early only if each
fixture that its test sets up before it belongs to this plugin or to pytest, or has a wider scope, is set up now, and
is not torn down before that test.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from pytest_sipfront.plugin.fixture_order import Definition, before_run

_OWN = ("_pytest.", "pytest_sipfront.")
_NO_PARAMETER = object()
_SETUP_METHOD = re.compile(r"_?(?:xunit|unittest)_(.+?)_fixture")
_MAX_LISTED = 3


@dataclass(frozen=True, slots=True)
class _Candidate:
    index: int
    item: pytest.Function
    needs: tuple[Definition, ...]


class LookAhead:
    """Selects runs among the marked tests of a session, in the order in which they will run."""

    def __init__(self, items: Sequence[pytest.Item], marked: Iterable[pytest.Function]) -> None:
        """Prepare the selection.

        Args:
            items: All items of the session.
            marked: The marked items whose runs may start early.
        """
        self._indexes = {item: index for index, item in enumerate(items)}
        self._items = items
        self._intervals = _intervals(items)
        self._parametrized = frozenset(name for item in items for name in _parameters(item))
        self._free: list[_Candidate] = []
        self._waiting: dict[Definition, list[_Candidate]] = defaultdict(list)
        self._up: set[Definition] = set()
        self._returned: set[pytest.Item] = set()
        for item in marked:
            self._add(item)

    def _add(self, item: pytest.Function) -> None:
        if _may_be_skipped(item) or obstacle(item):
            return
        needs = tuple(definition for definition in before_run(item) if not _is_harmless(definition))
        candidate = _Candidate(self._indexes[item], item, needs)
        if needs:
            for definition in needs:
                self._waiting[definition].append(candidate)
        else:
            self._free.append(candidate)

    def ready(self, current: pytest.Item) -> list[pytest.Function]:
        """Return the items after `current`, which is in its setup, whose runs may start now. Each is returned once."""
        here = self._indexes[current]
        up = {definition for definition in self._waiting if _is_up(definition)}
        fresh = up - self._up
        for definition in fresh:
            self._up.add(definition)
            definition.addfinalizer(partial(self._up.discard, definition))  # a new setup makes it fresh again
        candidates, self._free = self._free, []
        candidates += [candidate for definition in fresh for candidate in self._waiting[definition]]
        by_index = {c.index: c.item for c in candidates if c.index > here and self._stays(c, here, up)}
        ready = [by_index[index] for index in sorted(by_index) if by_index[index] not in self._returned]
        self._returned.update(ready)
        return ready

    def independent(self) -> list[pytest.Function]:
        """Return the items whose runs depend on no fixture: any process may start them. Each is returned once."""
        free, self._free = self._free, []
        return [candidate.item for candidate in sorted(free, key=lambda candidate: candidate.index)]

    def _stays(self, candidate: _Candidate, here: int, up: set[Definition]) -> bool:
        return all(
            definition in up and self._is_kept(definition, candidate.item, here) for definition in candidate.needs
        )

    def _is_kept(self, definition: Definition, item: pytest.Function, here: int) -> bool:
        """Return whether a fixture stays up until `item`. A test outside its scope or another parameter ends it."""
        index = self._indexes[item]
        if not any(begin <= here and index <= end for begin, end in self._intervals[_owner(definition, item)]):
            return False
        name = definition.argname
        if name not in self._parametrized:
            return True
        parameter = _parameter(name, item)
        if _current_parameter(definition) is not parameter:
            return False
        between = (_parameter(name, other) for other in self._items[here + 1 : index])
        return all(other is parameter or other is _NO_PARAMETER for other in between)


def obstacle(item: pytest.Function) -> str:
    """Return the fixture that keeps the run of `item` from starting before the setup of its test, or ""."""
    if hasattr(item.cls, "setUp"):  # unittest calls it after all fixtures
        return "method 'setUp'"
    for definition in before_run(item):
        if definition.scope == "function" and not _is_harmless(definition):
            return _describe(definition, item.config.rootpath)
    return ""


def _describe(definition: Definition, root: Path) -> str:
    if method := _SETUP_METHOD.match(definition.argname):
        return f"method {method[1]!r}"
    function = inspect.unwrap(definition.func)
    path = Path(getattr(function, "__code__", _describe.__code__).co_filename)
    place = path.relative_to(root).as_posix() if path.is_relative_to(root) else definition.func.__module__
    return f"function-scoped fixture {definition.argname!r} ({place})"


def late_runs(obstacles: Sequence[str]) -> Iterator[str]:
    """Yield a line for each of the most frequent obstacles among those of all runs of a session."""
    for name, count in Counter(filter(None, obstacles)).most_common(_MAX_LISTED):
        yield f"{count} of {len(obstacles)} runs cannot start before the setup of their tests: {name}"


def _intervals(items: Sequence[pytest.Item]) -> dict[object, list[tuple[int, int]]]:
    """Return the first and last index of each run of consecutive items, by collection node."""
    intervals: dict[object, list[tuple[int, int]]] = defaultdict(list)
    for index, item in enumerate(items):
        for node in item.listchain():
            of_node = intervals[node]
            if of_node and of_node[-1][1] == index - 1:
                of_node[-1] = (of_node[-1][0], index)
            else:
                of_node.append((index, index))
    return intervals


def _may_be_skipped(item: pytest.Function) -> bool:
    """Return whether a marker may keep the test from running. pytest decides that in the setup of the test."""
    if any(item.get_closest_marker(name) for name in ("skip", "skipif", "dependency")):
        return True
    return any(not mark.kwargs.get("run", True) for mark in item.iter_markers("xfail"))


def _is_harmless(definition: Definition) -> bool:
    """Return whether a fixture belongs to this plugin or to pytest. Methods such as `setup_module` are user code."""
    own = (definition.func.__module__ or "").startswith(_OWN)
    return own and not _SETUP_METHOD.match(definition.argname)


def _is_up(definition: Definition) -> bool:
    return definition.cached_result is not None and definition.cached_result[2] is None


def _owner(definition: Definition, item: pytest.Function) -> object:
    """Return the collection node whose end tears a fixture down."""
    if definition.scope == "class" and (cls := item.getparent(pytest.Class)):
        return cls
    if definition.scope in {"class", "module"} and (module := item.getparent(pytest.Module)):
        return module
    packages = [node for node in item.listchain() if isinstance(node, pytest.Package)]
    matches = (package for package in packages if definition.scope == "package" and package.nodeid == definition.baseid)
    return next(matches, item.session)


def _parameters(item: pytest.Item) -> Mapping[str, object]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec is not None else {}


def _parameter(name: str, item: pytest.Item) -> object:
    return _parameters(item).get(name, _NO_PARAMETER)


def _current_parameter(definition: Definition) -> object:
    return definition.cached_result[1] if definition.cached_result is not None else _NO_PARAMETER
