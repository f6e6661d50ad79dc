"""The backends of a lab: which keys they refuse, and how scripted runs end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from random import Random

import pytest

from pytest_sipfront.lab.backend import CALLS, ScriptedBackend, available_backend
from pytest_sipfront.lab.file.lab_file import LabFile, Span
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform.executor import Executor, LabRunResult, ScriptedExecutor
from pytest_sipfront.yaml_models import KeyPath, YamlFileError


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("phones: {a: {}}\ntests: {}", "phones"),
        ("prompts: {a: {say: hi}}\ntests: {}", "prompts"),
        ("target: sip:localhost\ntests: {}", "target"),
        ("tests: {A: {conditions: {answered: true}}}", "tests.A.conditions"),
        ("tests: {A: {steps: [[], [{action: call, dial_destination: 1}]]}}", "tests.A.steps"),
    ],
)
def test_without_calls_the_keys_about_calls_are_refused(text: str, path: str) -> None:
    """The mistake names the key and why this lab cannot place calls."""
    key = path.rpartition(".")[2]
    with pytest.raises(YamlFileError) as caught:
        load(text, ScriptedBackend("the wheel is missing"))
    reason = f"{path}: '{key}' needs real calls, and this lab cannot place any: the wheel is missing"
    assert str(caught.value) == f"lab.yaml:1: {reason}"


def test_without_the_call_engine_verdicts_are_scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab starts, and knows why it cannot place calls."""
    monkeypatch.setitem(sys.modules, CALLS, None)
    backend = available_backend()
    assert (backend.name, backend.unavailable) == ("scripted", f"the module {CALLS} is missing")


def test_a_scripted_run_is_marked_and_takes_its_time() -> None:
    """Durations are drawn from the range, equal for equal seeds."""
    test = load("tests: {A: {takes: [1, 2], verdict: failed, description: why}}", ScriptedBackend()).tests["A"]
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def twice(seed: int) -> LabRunResult:
        executor: Executor = ScriptedExecutor(seed, sleep)
        await executor.execute(test, {})
        return await executor.execute(test, {})

    results = [asyncio.run(twice(seed)) for seed in (7, 7, 8)]
    assert results[0] == LabRunResult(state="failed", description="why", scripted=True)
    assert pauses[:2] == pauses[2:4] != pauses[4:]
    assert all(1 <= seconds <= 2 for seconds in pauses)
    assert pauses[0] == Span(1, 2).draw(Random(7))


class RefusingBackend(ScriptedBackend):
    def mistakes(self, file: LabFile) -> Iterator[tuple[KeyPath, str]]:
        yield ("tests",), f"{len(file.tests)} tests are not enough"


def test_a_file_that_the_backend_refuses_changes_nothing() -> None:
    """The file is checked before open runs are ended."""

    async def reload() -> tuple[bool, int]:
        lab = Lab(load("tests: {A: {takes: 60}}", ScriptedBackend()), ScriptedBackend())
        account = lab.platform.account
        run = account.launch(lab.file.tests["A"], {}, "full")
        lab.platform.begin(run)
        lab.backend = RefusingBackend()
        with pytest.raises(YamlFileError, match="tests: 0 tests are not enough"):
            await lab.configure("tests: {}")
        state = lab.platform.account is account, account.in_flight
        await lab.close()
        return state

    assert asyncio.run(reload()) == (True, 1)


def test_ending_a_lab_ends_its_runs() -> None:
    """Open runs, and the tests of open project runs, end as stopped."""

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
