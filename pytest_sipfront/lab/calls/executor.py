"""Executes tests by placing their calls, and judges them by what was measured."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.adapter import Agent, StackError
from pytest_sipfront.lab.calls.calling import Conversation
from pytest_sipfront.lab.calls.catalogue import PromptError
from pytest_sipfront.lab.calls.conditions import Conditions
from pytest_sipfront.lab.calls.exchange import Exchange
from pytest_sipfront.lab.calls.finding import FAILED, conclude
from pytest_sipfront.lab.calls.plan import CallPlan
from pytest_sipfront.lab.calls.steps import Action, Call, ExpectDtmf, OverrideError, Register, Steps, Wait, overridden
from pytest_sipfront.lab.executor import Executor, Finding

if TYPE_CHECKING:
    from pytest_sipfront.lab.config import TestSpec

ERRORED = "errored"


class LimitError(ValueError):
    """A run asks for more than the lab file's limits allow."""


class CallsExecutor:
    """Places the calls of tests that have steps; hands the others to `scripted`.

    Calls of all runs together stay within the file's limit: those above it wait for their turn.
    """

    def __init__(self, plan: CallPlan, scripted: Executor) -> None:
        self._plan = plan
        self._scripted = scripted
        self._slots = asyncio.Semaphore(plan.limits.concurrent_calls)
        self.exchange = Exchange(plan)

    async def execute(self, test: TestSpec, parameters: Mapping[str, str]) -> Finding:
        """Place the test's calls and return what was found.

        The state is "errored" where the run could not be carried out as asked: no verdict on the called side.
        """
        if test.steps is None:
            return await self._scripted.execute(test, parameters)
        try:
            steps = overridden(test.steps, parameters)
            self._check(steps)
            return await self._run(steps, test.conditions or Conditions())
        except (OverrideError, LimitError, PromptError) as error:
            return Finding(state=ERRORED, description=str(error))
        except StackError as error:
            return Finding(state=FAILED, description=str(error))

    async def close(self) -> None:
        """End every call with BYE or CANCEL, then the SIP stack."""
        await self.exchange.close()
        await self._scripted.close()

    def _check(self, steps: Steps) -> None:
        limit = self._plan.limits.concurrent_calls
        for number, actions in enumerate(steps):
            for call in actions:
                if isinstance(call, Call) and call.concurrent_calls > limit:
                    raise LimitError(
                        f"step.{number}.0.concurrent_calls asks for {call.concurrent_calls} calls at a time; "
                        f"limits.concurrent_calls is {limit}"
                    )

    async def _run(self, steps: Steps, conditions: Conditions) -> Finding:
        await self.exchange.open()
        async with AsyncExitStack() as at_end:
            await self._prepare(steps[0], at_end)
            conversations = [one for actions in steps[1:] for one in await self._conversations(actions)]
            delays = {wait.phone: wait.answer_delay for wait in _of(Wait, steps[0]) if wait.answer_delay is not None}
            ...
