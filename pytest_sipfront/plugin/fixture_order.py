"""A marked test's fixtures: in which order they are set up, and which definitions stand behind their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest

RUN_FIXTURE = "sipfront_run"
Definition: TypeAlias = pytest.FixtureDef[Any]


def run_last(item: pytest.Function) -> None:
    """Let `item` set up `sipfront_run` after every fixture that does not itself ask for it, named by the test or not.

    pytest sets up `item.fixturenames` in their order; the list is shared by a function's items, so it is replaced.
    """
    names = [name for name in item.fixturenames if name != RUN_FIXTURE]
    dependents = [name for name in names if _asks_for_run(item, name, set())]
    free = [name for name in names if name not in dependents]
    item.fixturenames = [*free, RUN_FIXTURE, *dependents]


def before_run(item: pytest.Function) -> Iterator[Definition]:
    """Yield the definitions of the fixtures that `item` sets up before its run, after `run_last`."""
    seen: set[Definition] = set()
    for name in item.fixturenames:
        if name == RUN_FIXTURE:
            return
        for definition in _behind(item, name, -1):
            if definition not in seen:
                seen.add(definition)
                yield definition


def _behind(item: pytest.Function, name: str, place: int) -> Iterator[Definition]:
    """The definition that a name stands for, and those it overrides as long as each asks for its own name."""
    definitions = _definitions(item, name)
    if len(definitions) >= -place:
        yield definitions[place]
        if name in definitions[place].argnames:
            yield from _behind(item, name, place - 1)


def _asks_for_run(item: pytest.Function, name: str, seen: set[str]) -> bool:
    if name == RUN_FIXTURE:
        return True
    if name in seen:
        return False
    seen.add(name)
    return any(
        _asks_for_run(item, needed, seen) for definition in _definitions(item, name) for needed in definition.argnames
    )


def _definitions(item: pytest.Function, name: str) -> tuple[Definition, ...]:
    # The one thing that pytest does not publish: which definitions a name stands for in this item.
    return tuple(item._fixtureinfo.name2fixturedefs.get(name, ()))  # noqa: SLF001
