"""The backend that places real calls: what it cannot execute in a lab file, and its executor for a file."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.calls_executor import CallsExecutor, check_limits
from pytest_sipfront.lab.calls.prompt_catalogue import PromptError, check_file
from pytest_sipfront.lab.calls.sip_stack import import_all, unavailable
from pytest_sipfront.lab.calls.speech_synthesis import say
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.file.fault_spec import matches
from pytest_sipfront.lab.file.lab_file import PASSED
from pytest_sipfront.lab.file.phone_faults import FAULT_PARAMETER, called_phones
from pytest_sipfront.lab.file.steps import PlayAction, WaitAction, overridden
from pytest_sipfront.lab.platform.executor import ScriptedExecutor
from pytest_sipfront.yaml_schema import unknown

if TYPE_CHECKING:
    from pytest_sipfront.lab.backend import Mistake
    from pytest_sipfront.lab.file.calls_section import CallPlan, CallsMode
    from pytest_sipfront.lab.file.lab_file import LabFile, TestSpec
    from pytest_sipfront.lab.platform.executor import Executor, LabRunResult
    from pytest_sipfront.lab.run_record import RunRecord

_WITH_WHEELS = ("linux", "darwin")
"""Platforms for which the SIP stack has wheels."""
_NO_CALLS = (
    "places calls, and this machine cannot: {reason}; for scripted verdicts write 'calls: scripted' in this file, or "
    "set --sipfront-lab-calls=scripted (pytest) or --calls=scripted (lab)"
)


class CallsBackend:
    """Executes tests with steps by placing calls.

    With scripted verdicts it accepts the same lab files.

    Args:
        calls: How tests with steps get their verdicts; "auto" leaves that to the lab file.
    """

    name = "calls"

    def __init__(self, calls: CallsMode = "auto") -> None:
        self.unavailable = unavailable()
        self._calls = calls

    def _mode(self, file: LabFile) -> CallsMode:
        return file.calls if self._calls == "auto" else self._calls

    def scripted_reason(self, file: LabFile) -> str:
        """Return why tests with steps have the verdicts that the file names, or "" if they place calls."""
        if self._mode(file) == "scripted":
            return "as `calls: scripted` or an option requests"
        return f"this machine cannot place calls: {self.unavailable}" if self.unavailable else ""

    def mistakes(self, file: LabFile) -> Iterator[Mistake]:
        """Yield a mistake for each unusable WAV file, and for each test whose steps cannot be carried out."""
        mode, with_steps = self._mode(file), [test for test in file.tests.values() if test.steps is not None]
        if self.unavailable and (mode == "required" or (mode == "auto" and sys.platform in _WITH_WHEELS)):
            for test in with_steps[:1]:
                yield ("tests", test.name, "steps"), _NO_CALLS.format(reason=self.unavailable)
        for name, prompt in file.prompts.items() if not self.unavailable else ():
            try:
                check_file(name, prompt)
            except PromptError as error:
                yield ("prompts", name, "wav"), str(error)
        for test in file.tests.values():
            yield from _mistakes_of(test, file)
        lines = [("phones", name, phone.line) for name, phone in file.phones.items()]
        lines += [("tests", name, test.line) for name, test in file.tests.items()]
        for section, name, line in lines if file.target is not None else ():
            if line is not None:
                yield (section, name, "line"), "has no effect with a target; impair the line at the target"

    def executor(self, file: LabFile) -> Executor:
        """Return the executor for a file; it opens nothing before its first run."""
        scripted = ScriptedExecutor(seed=file.seed)
        if self.scripted_reason(file):
            return _CautiousExecutor(file, scripted)
        if any(test.steps is not None for test in file.tests.values()):
            # while the lab starts, so that the first call does not wait half a second for it
            threading.Thread(target=_warm_up, args=(file,)).start()
        return CallsExecutor(file, scripted)


class _CautiousExecutor:
    """Reports scripted verdicts, but not that a test passed whose phone cannot pass it by the lab file."""

    def __init__(self, file: LabFile, scripted: Executor) -> None:
        self._file = file
        self._scripted = scripted

    async def execute(
        self, test: TestSpec, parameters: Mapping[str, str], record: RunRecord | None = None
    ) -> LabRunResult:
        """Return the scripted result of a run."""
        result = await self._scripted.execute(test, parameters, record)
        objection = self._objection(test, parameters) if result.state == PASSED else ""
        return replace(result, state="errored", description=objection) if objection else result

    def _objection(self, test: TestSpec, parameters: Mapping[str, str]) -> str:
        """Return why a run of the test may not pass without a call, or ""."""
        if FAULT_PARAMETER in parameters:
            return f"{FAULT_PARAMETER} needs a real call, and this verdict would be scripted"
        conditions = test.conditions or Conditions()
        is_listed = any(matches(rule.patterns, parameters) for rule in test.when)
        if test.steps is None or is_listed or not conditions.wants_answer:
            return ""
        for called in called_phones(self._file, overridden(test.steps, parameters), conditions):
            if called is not None and called.own_faults:
                faults = ", ".join(called.own_faults)
                return (
                    f"scripted verdict 'passed', but phone '{called.name}' has a fault ({faults}); "
                    "name the verdict of this call in `when`"
                )
        return ""

    async def close(self) -> None:
        """Return at once, because scripted runs hold no resources."""


def _warm_up(plan: CallPlan) -> None:
    import_all()
    for prompt in plan.prompts.values():
        if prompt.say is not None:
            say(prompt.say)


def _mistakes_of(test: TestSpec, file: LabFile) -> Iterator[Mistake]:
    path = ("tests", test.name)
    if test.steps is None:
        if test.conditions is not None:
            yield (*path, "conditions"), "conditions need steps: without a call there is nothing to measure"
        if test.line is not None:
            yield (*path, "line"), "a line needs steps: without a call there is nothing to impair"
        return
    try:
        steps = overridden(test.steps, test.parameters)
        check_limits(steps, file)
    except ValueError as error:
        yield path, str(error)
        return
    for action in (action for step in steps for action in step):
        if isinstance(action, WaitAction) and action.phone and action.phone not in file.phones:
            yield (*path, "parameters"), unknown("phone", action.phone, file.phones)
        if isinstance(action, PlayAction) and action.prompt not in file.prompts:
            yield (*path, "parameters"), unknown("prompt", action.prompt, file.prompts)
