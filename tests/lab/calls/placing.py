"""Runs tests of a lab file given as text, each in its own SIP stack that is gone afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from pytest_sipfront.lab.calls import available, engine
from pytest_sipfront.lab.calls.calls_executor import CallsExecutor
from pytest_sipfront.lab.file.lab_file import LabFile
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.platform.executor import LabRunResult

T = TypeVar("T")
BOUND_SECONDS = 300.0
needs_stack = pytest.mark.skipif(available() is not None, reason=f"no call can be placed here: {available()}")


def lab_file(text: str) -> LabFile:
    """Read a lab file's text with the keys of real calls."""
    return load(text, engine(), directory=Path.cwd())


def with_lab(text: str, work: Callable[[CallsExecutor, LabFile], Awaitable[T]]) -> T:
    """Do `work` with an executor for the lab file; every call and the stack are ended afterwards."""

    async def bounded() -> T:
        file = lab_file(text)
        executor = engine().executor(file)
        assert isinstance(executor, CallsExecutor)
        try:
            async with asyncio.timeout(BOUND_SECONDS):
                return await work(executor, file)
        finally:
            await executor.close()

    return asyncio.run(bounded())


async def until_traced(executor: CallsExecutor, start: str) -> None:
    """Return once a SIP message that begins with `start` was sent or received."""
    ladders = (await executor.switchboard.open()).ladders
    # the trace comes from the thread of the stack, which sets no event
    while not any(rung.line.startswith(start) for call in ladders.call_ids for rung in ladders.of(call)):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def find_all(text: str, runs: Sequence[tuple[str, Mapping[str, str]]]) -> list[LabRunResult]:
    """Run tests with overrides, all at once, and return their results in order."""

    async def work(executor: CallsExecutor, file: LabFile) -> list[LabRunResult]:
        tests = [(file.tests[name], {**file.tests[name].parameters, **overrides}) for name, overrides in runs]
        return await asyncio.gather(*(executor.execute(test, parameters) for test, parameters in tests))

    return with_lab(text, work)


def find(text: str, test: str = "call", overrides: Mapping[str, str] | None = None) -> LabRunResult:
    """Run one test and return its result."""
    return find_all(text, [(test, overrides or {})])[0]
