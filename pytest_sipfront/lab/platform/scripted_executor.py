"""The executor that executes nothing: it waits as long as the script says and then says what the script says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from pytest_sipfront.lab.platform.executor import LabRunResult

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.lab_file import TestSpec


class ScriptedExecutor:
    """Takes verdicts from the file. Times drawn from a range repeat with the same `seed`."""

    def __init__(self, seed: int = 0, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a repeatable pause, not a secret
        self._sleep = sleep

    async def execute(self, test: TestSpec, parameters: Mapping[str, str]) -> LabRunResult:
        """Wait the scripted seconds and return the scripted finding."""
        outcome = test.outcome(parameters)
        await self._sleep(outcome.takes.draw(self._random))
        return LabRunResult(state=outcome.verdict, description=outcome.description, scripted=True)

    async def close(self) -> None:
        """Nothing is open here."""
