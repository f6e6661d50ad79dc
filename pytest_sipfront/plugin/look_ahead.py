"""Which tests' runs may start before their own setup: those for which everything that the test needs is true already.

A fixture may prepare what a run depends on, a PBX or a trunk. So a run starts ahead only if every fixture that its
test sets up before it is this plugin's, one of pytest's own, or a wider one that is set up now and stays so until then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pytest

from pytest_sipfront.plugin.fixture_order import Definition, before_run

_OWN = ("_pytest.", "pytest_sipfront.")
_NO_PARAMETER = object()
_SETUP_METHODS = ("_xunit_", "_unittest_", "xunit_", "unittest_")


@dataclass(frozen=True, slots=True)
class _Candidate:
    place: int
    item: pytest.Function
    needs: tuple[Definition, ...]


class LookAhead:
    """The marked tests of a session in their order, and which of their runs may start."""

    def __init__(self, items: Sequence[pytest.Item], marked: Iterable[pytest.Function]) -> None:
        """Look at `items` as they will run; `marked` are those with a run that may start ahead at all."""
        self._places = {item: place for place, item in enumerate(items)}
        self._items = items
        self._stretches = _stretches(items)
        self._parametrized = frozenset(name for item in items for name in _parameters(item))
        self._free: list[_Candidate] = []
        self._waiting: dict[Definition, list[_Candidate]] = defaultdict(list)
        self._seen_up: set[Definition] = set()
        self._given: set[pytest.Item] = set()
        for item in marked:
            self._enter(item)

    def _enter(self, item: pytest.Function) -> None:
        if _may_not_run(item) or hasattr(item.cls, "setUp"):  # which unittest calls after all fixtures
            return
        needs = tuple(definition for definition in before_run(item) if not _is_harmless(definition))
        if any(definition.scope == "function" for definition in needs):
            return
        candidate = _Candidate(self._places[item], item, needs)
        if needs:
            for definition in needs:
                self._waiting[definition].append(candidate)
        else:
            self._free.append(candidate)

    def ready(self, current: pytest.Item) -> list[pytest.Function]:
        """Return the items behind `current`, which is being set up, whose runs may start now; each is returned once."""
        here = self._places[current]
        up = {definition for definition in self._waiting if _is_up(definition)}
        fresh = up - self._seen_up
        for definition in fresh:
            self._seen_up.add(definition)
            definition.addfinalizer(partial(self._seen_up.discard, definition))  # the next time it is up, it is fresh
        candidates, self._free = self._free, []
        candidates += [candidate for definition in fresh for candidate in self._waiting[definition]]
        found = {c.place: c.item for c in candidates if c.place > here and self._stays(c, here, up)}
        ready = [found[place] for place in sorted(found) if found[place] not in self._given]
        self._given.update(ready)
        return ready

    def _stays(self, candidate: _Candidate, here: int, up: set[Definition]) -> bool:
        return all(
            definition in up and self._is_kept(definition, candidate.item, here) for definition in candidate.needs
        )

    def _is_kept(self, definition: Definition, item: pytest.Function, here: int) -> bool:
        """Whether nothing between tears it down: pytest does when a test outside its scope, or its parameter, comes."""
        place = self._places[item]
        if not any(begin <= here and place <= end for begin, end in self._stretches[_owner(definition, item)]):
            return False
        name = definition.argname
        if name not in self._parametrized:
            return True
        wanted = _parameter(name, item)
        if _parameter_of_now(definition) is not wanted:
            return False
        between = (_parameter(name, other) for other in self._items[here + 1 : place])
        return all(other is wanted or other is _NO_PARAMETER for other in between)


def _stretches(items: Sequence[pytest.Item]) -> dict[object, list[tuple[int, int]]]:
    """The places, first and last, of each unbroken row of items below a node."""
    rows: dict[object, list[tuple[int, int]]] = defaultdict(list)
    for place, item in enumerate(items):
        for node in item.listchain():
            known = rows[node]
            if known and known[-1][1] == place - 1:
                known[-1] = (known[-1][0], place)
            else:
                known.append((place, place))
    return rows


def _may_not_run(item: pytest.Function) -> bool:
    """Whether a mark may keep the test from running; pytest decides that in the test's own setup."""
    if item.get_closest_marker("skip") or item.get_closest_marker("skipif"):
        return True
    return any(not mark.kwargs.get("run", True) for mark in item.iter_markers("xfail"))


def _is_harmless(definition: Definition) -> bool:
    """Whether a fixture is ours or one of pytest's own; methods such as `setup_module` are the user's."""
    own = (definition.func.__module__ or "").startswith(_OWN)
    return own and not definition.argname.startswith(_SETUP_METHODS)


def _is_up(definition: Definition) -> bool:
    return definition.cached_result is not None and definition.cached_result[2] is None


def _owner(definition: Definition, item: pytest.Function) -> object:
    """The node whose end tears a definition down: the nearest that its scope names, else the next wider."""
    if definition.scope == "class" and (cls := item.getparent(pytest.Class)):
        return cls
    if definition.scope in {"class", "module"} and (module := item.getparent(pytest.Module)):
        return module
    packages = [node for node in item.listchain() if isinstance(node, pytest.Package)]
    own = (package for package in packages if definition.scope == "package" and package.nodeid == definition.baseid)
    return next(own, item.session)


def _parameters(item: pytest.Item) -> Mapping[str, object]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec is not None else {}


def _parameter(name: str, item: pytest.Item) -> object:
    return _parameters(item).get(name, _NO_PARAMETER)


def _parameter_of_now(definition: Definition) -> object:
    return definition.cached_result[1] if definition.cached_result is not None else _NO_PARAMETER
