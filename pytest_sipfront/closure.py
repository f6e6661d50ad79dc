"""The order in which a marked test's fixtures are set up: its run last, and after it only what builds on the run."""

from __future__ import annotations

import pytest

RUN_FIXTURE = "sipfront_run"


def run_last(item: pytest.Function) -> None:
    """Let `item` set up `sipfront_run` after every fixture that does not itself ask for it, named by the test or not.

    pytest sets up `item.fixturenames` in their order; the list is shared by a function's items, so it is replaced.
    """
    names = [name for name in item.fixturenames if name != RUN_FIXTURE]
    dependents = [name for name in names if _asks_for_run(item, name, set())]
    free = [name for name in names if name not in dependents]
    item.fixturenames = [*free, RUN_FIXTURE, *dependents]


def _asks_for_run(item: pytest.Function, name: str, seen: set[str]) -> bool:
    if name == RUN_FIXTURE:
        return True
    if name in seen:
        return False
    seen.add(name)
    # The one thing that pytest does not publish: which definition a name stands for in this item.
    definitions = item._fixtureinfo.name2fixturedefs.get(name, ())  # noqa: SLF001
    return any(_asks_for_run(item, needed, seen) for definition in definitions for needed in definition.argnames)
