from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from random import Random

import pytest

from pytest_sipfront.lab.backend import CALLS, ScriptedBackend, available_backend
from pytest_sipfront.lab.file.field_types import Text, Whole
from pytest_sipfront.lab.file.lab_file import Span
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.file.schema import Field, LabFileError
from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform.executor import Executor, LabRunResult, ScriptedExecutor


class OwnEngine(ScriptedBackend):
    name = "own"
    file_keys = {"target": Field(Text(), "nowhere")}  # noqa: RUF012
    test_keys = {"steps": Field(Whole(), None)}  # noqa: RUF012


def test_an_engine_adds_its_keys_to_the_file() -> None:
    """Top-level keys arrive in `extras`, a test's in its spec, checked like any other key."""
    file = load("target: sip:x\ntests: {A: {steps: 3}, B: {}}", OwnEngine(), directory=Path("/there"))
    assert (file.extras, file.directory) == ({"target": "sip:x"}, Path("/there"))
    assert [test.steps for test in file.tests.values()] == [3, None]
    with pytest.raises(LabFileError, match=r"^lab\.yaml:1: .* allowed is a whole number"):
        load("tests: {A: {steps: many}}", OwnEngine())


def test_without_the_call_engine_verdicts_are_scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab without it starts all the same and knows why it places no call."""
    monkeypatch.setitem(sys.modules, CALLS, None)
    engine = available_backend()
    assert (engine.name, engine.unavailable) == ("scripted", f"the module {CALLS} is missing")


def test_a_scripted_run_takes_its_time_and_says_that_it_is_scripted() -> None:
    """Seconds drawn from the range, the same for the same seed; the finding carries the mark."""
    test = load("tests: {A: {takes: [1, 2], verdict: failed, description: why}}", ScriptedBackend()).tests["A"]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def twice(seed: int) -> LabRunResult:
        executor: Executor = ScriptedExecutor(seed, sleep)
        await executor.execute(test, {})
        return await executor.execute(test, {})

    found = [asyncio.run(twice(seed)) for seed in (7, 7, 8)]
    assert found[0] == LabRunResult(state="failed", description="why", scripted=True)
    assert slept[:2] == slept[2:4] != slept[4:]
    assert all(1 <= seconds <= 2 for seconds in slept)
    assert slept[0] == Span(1, 2).draw(Random(7))


class Misfit(ScriptedBackend):
    def executor(self, file: object) -> Executor:
        raise LabFileError(f"{file.__class__.__name__} does not fit together")


def test_a_file_that_its_engine_refuses_changes_nothing() -> None:
    """An engine's own objection comes before anything that is open is ended."""

    async def reload() -> tuple[bool, int]:
        lab = Lab(load("tests: {A: {takes: 60}}", ScriptedBackend()), ScriptedBackend())
        account = lab.platform.account
        run = account.launch(lab.file.tests["A"], {}, "full")
        lab.platform.begin(run)
        lab.backend = Misfit()
        with pytest.raises(LabFileError, match="LabFile does not fit together"):
            await lab.configure("tests: {}")
        kept = lab.platform.account is account, account.in_flight
        await lab.close()
        return kept

    assert asyncio.run(reload()) == (True, 1)


def test_ending_a_lab_ends_its_runs() -> None:
    """An open run is cancelled and ends as stopped, and so does every test of a project run."""

    async def end() -> list[str]:
        lab = Lab(load("tests: {A: {takes: 60}, B: {takes: 60}}", ScriptedBackend()), ScriptedBackend())
        project = lab.file.projects["Default"]
        account = lab.platform.account
        lab.platform.begin(account.launch(project.tests[0], {}, "full"))
        run = account.launch_project(project, project.tests, "full")
        lab.platform.begin_project(run)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await lab.close()
        return [*map(account.state, account.runs.values()), account.project_state(run)]

    assert asyncio.run(end()) == ["stopped"] * 4
