"""The backend that places real calls: what it cannot execute in a lab file, and its executor for a file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.calls_executor import CallsExecutor, check_limits
from pytest_sipfront.lab.calls.prompt_catalogue import PromptError, check_file
from pytest_sipfront.lab.calls.sip_stack import import_all, unavailable
from pytest_sipfront.lab.calls.speech_synthesis import say
from pytest_sipfront.lab.file.steps import PlayAction, WaitAction, overridden
from pytest_sipfront.lab.platform.executor import ScriptedExecutor
from pytest_sipfront.yaml_schema import unknown

if TYPE_CHECKING:
    from pytest_sipfront.lab.backend import Mistake
    from pytest_sipfront.lab.file.calls_section import CallPlan
    from pytest_sipfront.lab.file.lab_file import LabFile, TestSpec
    from pytest_sipfront.lab.platform.executor import Executor


class CallsBackend:
    """Executes tests with steps by placing calls.

    If this machine cannot place calls, it still accepts the same lab files, and every verdict is the scripted one.
    """

    name = "calls"

    def __init__(self) -> None:
        self.unavailable = unavailable()

    def mistakes(self, file: LabFile) -> Iterator[Mistake]:
        """Yield a mistake for each unusable WAV file, and for each test whose steps cannot be carried out."""
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
        if self.unavailable:
            return scripted
        if any(test.steps is not None for test in file.tests.values()):
            # while the lab starts, so that the first call does not wait half a second for it
            threading.Thread(target=_warm_up, args=(file,)).start()
        return CallsExecutor(file, scripted)


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
