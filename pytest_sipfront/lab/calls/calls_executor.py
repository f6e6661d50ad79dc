"""Executes tests by placing their calls, and judges them by what was measured."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.call_limits import LimitError, check_limits
from pytest_sipfront.lab.calls.call_record import CallRecord
from pytest_sipfront.lab.calls.call_runner import CallRunner
from pytest_sipfront.lab.calls.ladder import Rung
from pytest_sipfront.lab.calls.prompt_catalogue import PromptError
from pytest_sipfront.lab.calls.run_result import FAILED, conclude
from pytest_sipfront.lab.calls.sip_stack import NoStackError, SipAgent, StackError
from pytest_sipfront.lab.calls.switchboard import Switchboard
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.file.calls_section import CallPlan
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

ERRORED = "errored"


class CallsExecutor:
    """Places the calls of tests that have steps; hands the others to `scripted`.

    Calls of all runs together stay within the file's limit: those above it wait for their turn.
    """

    def __init__(self, plan: CallPlan, scripted: Executor) -> None:
        self._plan = plan
        self._scripted = scripted
        self._slots = asyncio.Semaphore(plan.limits.concurrent_calls)
        self.exchange = Switchboard(plan)

    async def execute(self, test: TestSpec, parameters: Mapping[str, str]) -> LabRunResult:
        """Place the test's calls and return what was found.

        The state is "errored" where the run could not be carried out as asked, so that nothing was learned of the
        called side.
        """
        if test.steps is None:
            return await self._scripted.execute(test, parameters)
        try:
            steps = overridden(test.steps, parameters)
            check_limits(steps, self._plan)
            await self.exchange.open()
            return await _Run(self.exchange, self._slots, steps, test.conditions or Conditions()).perform()
        except (OverrideError, LimitError, PromptError, NoStackError) as error:
            return LabRunResult(state=ERRORED, description=str(error))
        except StackError as error:
            return LabRunResult(state=FAILED, description=str(error))

    async def close(self) -> None:
        """End every call with BYE or CANCEL, then the SIP stack."""
        await self.exchange.close()
        await self._scripted.close()


class _Run:
    """One run: its called side prepared, its calls placed, what came of them collected."""

    def __init__(self, exchange: Switchboard, slots: asyncio.Semaphore, steps: Steps, conditions: Conditions) -> None:
        self._exchange = exchange
        self._slots = slots
        self._steps = steps
        self._conditions = _with_expected_digits(conditions, steps[0])
        self._delays = {
            action.phone: action.answer_delay
            for action in steps[0]
            if isinstance(action, WaitAction) and action.answer_delay is not None
        }
        self._results: list[tuple[CallRecord, tuple[Rung, ...]]] = []

    async def perform(self) -> LabRunResult:
        async with AsyncExitStack() as at_end:
            await self._prepare(at_end)
            for actions in self._steps[1:]:
                await self._place(actions)
        calls, ladders = zip(*self._results, strict=True) if self._results else ((), ())
        return conclude(self._conditions, calls, ladders)

    async def _prepare(self, at_end: AsyncExitStack) -> None:
        waits = [action.phone for action in self._steps[0] if isinstance(action, WaitAction)]
        phone = next(filter(None, waits), "") or next(iter(self._exchange.plan.phones), "")
        for action in self._steps[0]:
            if isinstance(action, RegisterAction):
                agent = await self._exchange.register(action, phone)
                if agent is not None:
                    at_end.push_async_callback(self._exchange.unregister, agent)

    async def _place(self, actions: tuple[Action, ...]) -> None:
        call = actions[0]
        assert isinstance(call, CallAction)  # noqa: S101 - what `check` has made sure of
        agent = await self._exchange.caller(call.caller)
        at_a_time = asyncio.Semaphore(call.concurrent_calls or self._exchange.plan.limits.concurrent_calls)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._one(at_a_time, agent, call, actions[1:]))
                    for _ in range(call.max_total_calls)
                ]
        except ExceptionGroup as failures:  # one cause is enough: the stack's, for all calls the same
            raise failures.exceptions[0] from None
        self._results += [task.result() for task in tasks]

    async def _one(
        self, at_a_time: asyncio.Semaphore, agent: SipAgent, call: CallAction, actions: tuple[Action, ...]
    ) -> tuple[CallRecord, tuple[Rung, ...]]:
        conversation = CallRunner(self._exchange, agent, call, actions)
        async with at_a_time, self._slots:
            record = await conversation.conduct(self._delays, listen_for_prompts=bool(self._conditions.prompt_heard))
        return record, conversation.rungs


def _with_expected_digits(conditions: Conditions, called_side: tuple[Action, ...]) -> Conditions:
    """The digits that step 0 expects are a condition like any other."""
    expected = [action.digits for action in called_side if isinstance(action, ExpectDtmfAction)]
    if not expected or conditions.dtmf_received is not None:
        return conditions
    return conditions.model_copy(update={"dtmf_received": "".join(expected)})
