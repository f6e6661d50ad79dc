"""The engine that places real calls: its keys in a lab file, whether it works here, and its executor for a file."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.call_limits import check_limits
from pytest_sipfront.lab.calls.optional_imports import import_all, unavailable
from pytest_sipfront.lab.calls.prompt_catalogue import PromptError, check_files
from pytest_sipfront.lab.calls.speech_synthesis import say
from pytest_sipfront.lab.file.calls_section import CallPlan
from pytest_sipfront.lab.file.schema import LabFileError, nearest
from pytest_sipfront.lab.file.sections import FILE_KEYS, TEST_KEYS
from pytest_sipfront.lab.file.steps import PlayAction, WaitAction, overridden
from pytest_sipfront.lab.platform.executor import ScriptedExecutor

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.lab_file import LabFile, TestSpec
    from pytest_sipfront.lab.file.schema import Field
    from pytest_sipfront.lab.platform.executor import Executor


class CallsBackend:
    """Executes the tests that have steps by placing calls.

    Where no call can be placed it still reads their keys, so that one lab file serves everywhere; every verdict is
    then the scripted one.
    """

    name = "calls"
    file_keys: Mapping[str, Field] = FILE_KEYS
    test_keys: Mapping[str, Field] = TEST_KEYS

    def __init__(self) -> None:
        self.unavailable = unavailable()

    def check(self, file: LabFile) -> None:
        """Return if every phone and prompt that is named is there, every WAV file readable, every override possible.

        Raises:
            LabFileError: One of them is not.
        """
        plan = _plan(file)
        try:
            check_files(plan.prompts, plan.directory)
        except PromptError as error:
            raise LabFileError(f"{file.name}: {error}") from None
        for name, phone in plan.phones.items():
            _known(file, f"phone '{name}'", "prompt", phone.prompts, plan.prompts)
        for test in file.tests.values():
            _check_test(file, test, plan)

    def executor(self, file: LabFile) -> Executor:
        """Return the executor for a file; it opens nothing before its first run.

        Raises:
            LabFileError: As `check` says.
        """
        self.check(file)
        plan = _plan(file)
        scripted = ScriptedExecutor(seed=file.seed)
        if self.unavailable:
            return scripted
        from pytest_sipfront.lab.calls.calls_executor import CallsExecutor  # noqa: PLC0415 - needs what may be missing

        if any(test.steps is not None for test in file.tests.values()):
            # done while the lab starts, so that the first call does not wait half a second for it
            threading.Thread(target=_warm_up, args=(plan,)).start()
        return CallsExecutor(plan, scripted)


def _warm_up(plan: CallPlan) -> None:
    import_all()
    for prompt in plan.prompts.values():
        if prompt.say is not None:
            say(prompt.say)


def _plan(file: LabFile) -> CallPlan:
    return CallPlan(directory=file.directory, **file.extras)


def _check_test(file: LabFile, test: TestSpec, plan: CallPlan) -> None:
    where = f"test '{test.name}'"
    if test.steps is None:
        if test.conditions is not None:
            raise LabFileError(f"{file.name}: {where} has conditions but no steps: nothing would be measured")
        return
    try:
        steps = overridden(test.steps, test.parameters)
        check_limits(steps, plan)
    except ValueError as error:
        raise LabFileError(f"{file.name}: {where}: {error}") from None
    actions = [action for step in steps for action in step]
    _known(file, where, "phone", (a.phone for a in actions if isinstance(a, WaitAction) and a.phone), plan.phones)
    _known(file, where, "prompt", (a.prompt for a in actions if isinstance(a, PlayAction)), plan.prompts)
    _known(file, where, "prompt", test.conditions.prompt_heard if test.conditions else (), plan.prompts)


def _known(file: LabFile, where: str, what: str, names: Iterable[str], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known:
            listed = ", ".join(known) or "none"
            hint = nearest(name, known)
            raise LabFileError(f"{file.name}: {where}: there is no {what} '{name}'.{hint} There are: {listed}")
