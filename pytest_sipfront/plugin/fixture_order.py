"""The setup order of a marked test's fixtures, and their definitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest

RUN_FIXTURE = "sipfront_run"
Definition: TypeAlias = pytest.FixtureDef[Any]


def run_last(item: pytest.Function) -> None:
    """Set up `sipfront_run` after every fixture that does not depend on it, even if the test does not request it.

    pytest sets up `item.fixturenames` in order. The list is shared by all items of a function, so it is replaced.
    """
    names = [name for name in item.fixturenames if name != RUN_FIXTURE]
    dependents = [name for name in names if _depends_on_run(item, name, set())]
    independent = [name for name in names if name not in dependents]
    item.fixturenames = [*independent, RUN_FIXTURE, *dependents]


def no_run_reason(item: pytest.Item) -> str:
    """Return why the setup of a marked `item` ended without a run."""
    if not isinstance(item, pytest.Function):
        return f"only test functions and methods can have a run, not {type(item).__name__}"
    if RUN_FIXTURE not in item.fixturenames:
        return "the marker was added after the collection; add it in pytest_collection_modifyitems at the latest"
    return f"another fixture is named {RUN_FIXTURE}, or a plugin set up the test without fixtures"


def before_run(item: pytest.Function) -> Iterator[Definition]:
    """Yield the definitions of the fixtures that `item` sets up before its run. Call `run_last` first."""
    yielded: set[Definition] = set()
    for name in item.fixturenames:
        if name == RUN_FIXTURE:
            return
        for definition in _effective(item, name, -1):
            if definition not in yielded:
                yielded.add(definition)
                yield definition


def _effective(item: pytest.Function, name: str, index: int) -> Iterator[Definition]:
    """Yield the definition of a name, and the ones that it overrides and requests under the same name."""
    definitions = _definitions(item, name)
    if len(definitions) >= -index:
        yield definitions[index]
        if name in definitions[index].argnames:
            yield from _effective(item, name, index - 1)


def _depends_on_run(item: pytest.Function, name: str, visited: set[str]) -> bool:
    if name == RUN_FIXTURE:
        return True
    if name in visited:
        return False
    visited.add(name)
    requested = (argument for definition in _definitions(item, name) for argument in definition.argnames)
    return any(_depends_on_run(item, argument, visited) for argument in requested)


def _definitions(item: pytest.Function, name: str) -> tuple[Definition, ...]:
    # pytest has no public API for the definitions of a name in an item.
    return tuple(item._fixtureinfo.name2fixturedefs.get(name, ()))  # noqa: SLF001
