"""The lab's telephone exchange: its phones and callers on the SIP stack, and which called leg is which call's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pytest_sipfront.lab.calls.call_leg import TAG_HEADER, CallLeg
from pytest_sipfront.lab.calls.optional_imports import import_all
from pytest_sipfront.lab.calls.phone_behaviour import NOT_FOUND, PhoneBehaviour, codecs
from pytest_sipfront.lab.calls.prompt_catalogue import render
from pytest_sipfront.lab.calls.sip_stack import LOOPBACK, SipAgent, SipStack, StackError
from pytest_sipfront.lab.file.calls_section import PASSWORD_VARIABLE, USER_VARIABLE, CallPlan, Phone, Target
from pytest_sipfront.lab.file.steps import RegisterAction
from pytest_sipfront.lab.hosts import is_loopback


@dataclass(slots=True, kw_only=True)
class ExpectedLeg:
    """A call that is being placed: its tag, other answer delays by phone name ("": whichever phone it reaches).

    Once it rings: its called leg, and whether that phone records.
    """

    tag: str
    answer_delays: Mapping[str, float] = field(default_factory=dict)
    callee: CallLeg | None = None
    recorded: bool = True


class Switchboard:
    """Opened by the first call that needs it; `close` ends every call and the stack."""

    def __init__(self, plan: CallPlan) -> None:
        self.plan = plan
        self.prompts: dict[str, bytes] = {}
        self._stack: SipStack | None = None
        self._opening = asyncio.Lock()
        self._making = asyncio.Lock()
        self._registering = asyncio.Lock()
        self._registrations: Counter[SipAgent] = Counter()
        self._agents: dict[tuple[Any, ...], SipAgent] = {}
        self._expected: dict[str, ExpectedLeg] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._tags = count(1)

    async def open(self) -> SipStack:
        """Return the running stack with every phone reachable, starting it where it is not.

        Raises:
            NoStackError: The stack does not start.
            PromptError: A prompt cannot be read.
        """
        async with self._opening:
            if self._stack is None:
                await asyncio.to_thread(import_all)
                self.prompts = await asyncio.to_thread(render, self.plan.prompts)
                stack = await SipStack.start(_own_address(self.plan.target))
                try:
                    await self._connect_phones(stack)
                except BaseException:
                    await stack.close()
                    raise
                self._stack = stack
            return self._stack

    async def close(self) -> None:
        """End all calls and the stack."""
        async with self._opening:
            stack, self._stack = self._stack, None
            self._agents.clear()
            if stack is not None:
                await stack.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def caller(self, user: str) -> SipAgent:
        """Return the agent that calls as `user`, with the target's credentials where it has any."""
        stack, target = await self.open(), self.plan.target
        if target is None:
            return await self._agent(stack, user)
        account, password = credentials(target)
        return await self._agent(
            stack, account or user, domain=target.address, password=password, transport=target.transport
        )

    def uri(self, number: str) -> str:
        """Return what to send the INVITE for `number` to: the target, or the lab itself."""
        target = self.plan.target
        if target is not None:
            return f"sip:{number}@{target.address};transport={target.transport}"
        if self._stack is None:
            raise StackError("the exchange is not open")
        return f"sip:{number}@{self._stack.host}:{self._stack.port}"

    async def register(self, action: RegisterAction, phone: str) -> SipAgent | None:
        """Register as the action says, so that calls to that user reach `phone`; None where there is no registrar.

        Raises:
            StackError: The registrar refuses or does not answer.
        """
        stack, target = await self.open(), self.plan.target
        domain = action.registrar or (target.address if target else "")
        if not domain:
            return None
        account, password = credentials(target)
        agent = await self._agent(
            stack,
            action.user or account or self.plan.phones[phone].number,
            domain=domain,
            password=password,
            expires=action.regexpire,
            transport=target.transport if target else "udp",
            phone=phone,
        )
        async with self._registering:
            await agent.register()
            self._registrations[agent] += 1
        return agent

    async def unregister(self, agent: SipAgent) -> None:
        """Withdraw a registration, unless another run goes on with it."""
        async with self._registering:
            self._registrations[agent] -= 1
            if not self._registrations[agent]:
                await agent.unregister()

    def expect(self, answer_delays: Mapping[str, float]) -> ExpectedLeg:
        """Announce a call, so that its called leg is known when it rings."""
        expected = ExpectedLeg(tag=str(next(self._tags)), answer_delays=answer_delays)
        self._expected[expected.tag] = expected
        return expected

    def forget(self, expected: ExpectedLeg) -> None:
        """The call is over."""
        self._expected.pop(expected.tag, None)

    async def _connect_phones(self, stack: SipStack) -> None:
        for name, phone in self.plan.phones.items():
            if phone.reject != NOT_FOUND:  # a number nobody has is answered with 404 by the stack itself
                await self._agent(stack, phone.number, phone=name)

    async def _agent(self, stack: SipStack, user: str, *, phone: str = "", **account: Any) -> SipAgent:
        key = (user, phone, *sorted(account.items()))
        async with self._making:
            if key not in self._agents:
                if phone:
                    account = {**account, **_manner(self.plan.phones[phone])}
                agent = self._agents[key] = await stack.agent(user, **account)
                if phone:
                    agent.on_call(lambda leg: self._ring(phone, leg), **_faults(self.plan.phones[phone]))
            return self._agents[key]

    def _ring(self, name: str, leg: CallLeg) -> None:
        expected = self._expected_of(leg)
        if expected is not None:
            expected.callee, expected.recorded = leg, self.plan.phones[name].record
        delays = expected.answer_delays if expected is not None else {}
        serving = asyncio.ensure_future(
            PhoneBehaviour(self.plan.phones[name], leg, self.prompts).serve(delays.get(name, delays.get("")))
        )
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    def _expected_of(self, leg: CallLeg) -> ExpectedLeg | None:
        tag = leg.headers.get(TAG_HEADER)
        if tag is not None:
            return self._expected.get(tag)
        # through somebody's PBX the tag is gone: the oldest call that rings nowhere yet is meant
        waiting = (expected for expected in self._expected.values() if expected.callee is None)
        return next(waiting, None) if self.plan.target is not None else None


def credentials(target: Target | None) -> tuple[str, str]:
    """Return user and password for target or registrar from the environment, "" where they are not set."""
    names = (target.user_variable, target.password_variable) if target else (USER_VARIABLE, PASSWORD_VARIABLE)
    user, password = (os.environ.get(name, "") for name in names)
    return user, password


def _manner(phone: Phone) -> dict[str, Any]:
    return {"codecs": codecs(phone), "mute": phone.one_way == "receives"}


def _faults(phone: Phone) -> dict[str, Any]:
    return {"deaf": phone.one_way == "sends", "loses": phone.lose_digit}


def _own_address(target: Target | None) -> str:
    """This machine's address as the target sees it."""
    if target is None or is_loopback(target.host):
        return LOOPBACK
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((target.host, target.port))  # sends nothing: it only picks the route
        return str(probe.getsockname()[0])
    raise StackError(f"no route to the target {target.host}")
