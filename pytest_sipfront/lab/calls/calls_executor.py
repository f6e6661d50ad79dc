"""Execute tests by placing their calls, and judge the calls by their measurements."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.call_runner import CallRunner
from pytest_sipfront.lab.calls.call_trace import CallTrace, traced
from pytest_sipfront.lab.calls.prompt_catalogue import PromptError
from pytest_sipfront.lab.calls.run_result import FAILED, CallRecords, conclude
from pytest_sipfront.lab.calls.sip_stack import NoStackError, StackError
from pytest_sipfront.lab.calls.switchboard import CalledSide, Switchboard
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.file.calls_section import CallPlan
from pytest_sipfront.lab.file.phone_faults import BAD_LINE, FAULT_PARAMETER, called_phones, faulty
from pytest_sipfront.lab.file.steps import (
    Action,
    CallAction,
    ExpectDtmfAction,
    OverrideError,
    RegisterAction,
    Steps,
    WaitAction,
    overridden,
)
from pytest_sipfront.lab.platform.executor import Executor, LabRunResult

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.lab_file import TestSpec
    from pytest_sipfront.lab.run_record import RunRecord

ERRORED = "errored"


class LimitError(ValueError):
    """A test exceeds a limit of the lab file. The text names the value and the limit."""


class FaultError(ValueError):
    """A run cannot have the fault that its launch asks for. The text says why."""


class CallsExecutor:
    """Places the calls of tests that have steps; passes other tests to `scripted`.

    The calls of all runs together keep to the file's limit of concurrent calls. Further calls wait.
    """

    def __init__(self, plan: CallPlan, scripted: Executor) -> None:
        self._plan = plan
        self._scripted = scripted
        self._slots = asyncio.Semaphore(plan.limits.concurrent_calls)
        self.switchboard = Switchboard(plan)

    async def execute(
        self, test: TestSpec, parameters: Mapping[str, str], record: RunRecord | None = None
    ) -> LabRunResult:
        """Place the test's calls and return the result of the run.

        The state is "errored" if the run could not be carried out, so that there is no verdict on the called side.
        """
        if test.steps is None:
            return await self._scripted.execute(test, parameters)
        try:
            steps = overridden(test.steps, parameters)
            check_limits(steps, self._plan)
            fault = parameters.get(FAULT_PARAMETER, "")
            async with traced(record, await self.switchboard.open()) as trace:
                return await self._execute(steps, test, fault, trace)
        except (OverrideError, LimitError, FaultError, PromptError, NoStackError) as error:
            return LabRunResult(state=ERRORED, description=str(error))
        except StackError as error:
            return LabRunResult(state=FAILED, description=str(error))

    async def close(self) -> None:
        """End every call with BYE or CANCEL, then the SIP stack."""
        await self.switchboard.close()
        await self._scripted.close()

    async def _execute(self, steps: Steps, test: TestSpec, fault: str, trace: CallTrace | None) -> LabRunResult:
        called_side = steps[0]
        waits = [action for action in called_side if isinstance(action, WaitAction)]
        conditions = _with_expected_digits(test.conditions or Conditions(), called_side)
        delays = {wait.phone: wait.answer_delay for wait in waits if wait.answer_delay is not None}
        if fault:
            steps, delays = self._with_fault(fault, steps, conditions), {}
        records = CallRecords(conditions)
        users = set()
        async with AsyncExitStack() as registrations:
            phone = next((wait.phone for wait in waits if wait.phone), "") or next(iter(self._plan.phones), "")
            for action in called_side:
                if isinstance(action, RegisterAction):
                    agent = await self.switchboard.register(action, phone)
                    if agent is not None:
                        users.add(agent.user)
                        registrations.push_async_callback(self.switchboard.unregister, agent)
            waiting = CalledSide(
                phones=frozenset(wait.phone for wait in waits if wait.phone),
                users=frozenset(users),
                answer_delays=delays,
                line=None if fault == BAD_LINE else test.line,
            )
            for actions in steps[1:]:
                await self._place_calls(actions, waiting, conditions, trace, records)
        return conclude(conditions, records.in_order())

    def _with_fault(self, fault: str, steps: Steps, conditions: Conditions) -> Steps:
        """Return the steps with calls to variants of the phones that have a fault.

        Raises:
            FaultError: No phone that the steps call can have it.
        """
        called = called_phones(self._plan, steps, conditions)
        changed = [steps[0]]
        for (call, *actions), each in zip(steps[1:], called, strict=True):
            phone = faulty(fault, each) if each is not None else None
            if phone is not None:
                assert isinstance(call, CallAction)  # noqa: S101 - the lab file ensures it
                dialled = phone.model_copy(update={"number": call.dial_destination})
                number = self.switchboard.add_variant(dialled, fault)
                call = call.model_copy(update={"dial_destination": number})  # noqa: PLW2901
            changed.append((call, *actions))
        if tuple(changed) == steps:
            raise FaultError(f"no phone that the test calls can have the fault {fault}")
        return tuple(changed)

    async def _place_calls(
        self,
        actions: tuple[Action, ...],
        called_side: CalledSide,
        conditions: Conditions,
        trace: CallTrace | None,
        records: CallRecords,
    ) -> None:
        call = actions[0]
        assert isinstance(call, CallAction)  # noqa: S101 - the lab file ensures it
        agent = await self.switchboard.caller(call.caller)
        slots = asyncio.Semaphore(call.concurrent_calls or self._plan.limits.concurrent_calls)

        async def place(number: int) -> None:
            async with slots, self._slots:
                runner = CallRunner(self.switchboard, agent, call, actions[1:], trace)
                record = await runner.run(called_side, match_prompts=bool(conditions.prompt_heard))
            records.add(number, record)

        first = len(records)

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(first, first + call.max_total_calls):
                    group.create_task(place(number))
        except ExceptionGroup as failures:  # the SIP stack failed, for the same reason in every call
            raise failures.exceptions[0] from None


def _with_expected_digits(conditions: Conditions, called_side: tuple[Action, ...]) -> Conditions:
    """Return the conditions with the digits that step 0 expects."""
    expected = [action.digits for action in called_side if isinstance(action, ExpectDtmfAction)]
    if not expected or conditions.dtmf_received is not None:
        return conditions
    return conditions.model_copy(update={"dtmf_received": "".join(expected)})


def check_limits(steps: Steps, plan: CallPlan) -> None:
    """Return if the steps keep to the limits of the file.

    Raises:
        LimitError: They do not.
    """
    for number, actions in enumerate(steps):
        for place, action in enumerate(actions):
            _check_action(f"step.{number}.{place}", action, plan)


def _check_action(key: str, action: Action, plan: CallPlan) -> None:
    limits = plan.limits
    if isinstance(action, CallAction) and action.concurrent_calls > limits.concurrent_calls:
        raise LimitError(
            f"{key}.concurrent_calls is {action.concurrent_calls}, but limits.concurrent_calls is "
            f"{limits.concurrent_calls}"
        )
    if isinstance(action, CallAction) and action.max_total_calls > limits.calls_per_run:
        raise LimitError(
            f"{key}.max_total_calls is {action.max_total_calls}, but limits.calls_per_run is {limits.calls_per_run}"
        )
    if isinstance(action, RegisterAction) and not plan.may_reach(action.registrar):
        raise LimitError(
            f"{key}.registrar is {action.registrar}, which is another machine; the lab registers only on this machine, "
            "or at a target with 'allow_remote: true'"
        )
