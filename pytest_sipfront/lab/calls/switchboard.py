"""The lab's phones and callers on the SIP stack, and which called leg belongs to which call."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import count
from typing import Any

from pytest_sipfront.lab.addresses import escaped, is_loopback, is_pattern
from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.calls.ladder import TAG_HEADER
from pytest_sipfront.lab.calls.phone_behaviour import PhoneBehaviour
from pytest_sipfront.lab.calls.prompt_catalogue import render
from pytest_sipfront.lab.calls.sip_stack import (
    CODECS,
    LOOPBACK,
    UNOFFERED_CODECS,
    SipAgent,
    SipStack,
    StackError,
    import_all,
)
from pytest_sipfront.lab.file.calls_section import (
    PASSWORD_VARIABLE,
    USER_VARIABLE,
    CallPlan,
    LineProfile,
    Phone,
    Target,
    phone_of,
)
from pytest_sipfront.lab.file.steps import RegisterAction

NOT_FOUND, NOT_ACCEPTABLE = 404, 488


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalledSide:
    """Where a run waits for its calls.

    Args:
        phones: Names of the phones; empty for any phone.
        users: The users that the run registered; empty without a registration.
        answer_delays: Seconds of ringing by phone ("": any phone), in place of the phone's own.
        line: Impairments of the RTP of its calls, in place of the phone's own.
    """

    phones: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    answer_delays: Mapping[str, float] = field(default_factory=dict)
    line: LineProfile | None = None

    def accepts(self, phone: str, user: str) -> bool:
        """Whether a call to `user` at `phone` can be one of the run."""
        return user in self.users if self.users else not self.phones or phone in self.phones


@dataclass(slots=True, kw_only=True)
class ExpectedLeg:
    """A call being placed, whose called leg is expected.

    Attributes:
        tag: Identifies the call; sent in the INVITE.
        called_side: Where the run of the call waits for it. All calls of a run share one object.
        callee: The called leg, once it rings.
        is_recorded: Whether the called phone keeps its recording.
        ambiguity: Why a leg that rang cannot be attributed to this call, or "".
    """

    tag: str
    called_side: CalledSide
    callee: CallLeg | None = None
    is_recorded: bool = True
    ambiguity: str = ""


class Switchboard:
    """The phones and callers of a lab file. The first call opens it."""

    def __init__(self, plan: CallPlan) -> None:
        self.plan = plan
        self.prompts: dict[str, bytes] = {}
        self._stack: SipStack | None = None
        self._open_lock = asyncio.Lock()
        self._agents_lock = asyncio.Lock()
        self._registration_lock = asyncio.Lock()
        self._registrations: Counter[SipAgent] = Counter()
        self._agents: dict[tuple[Any, ...], SipAgent] = {}
        self._expected: dict[str, ExpectedLeg] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._tags = count(1)
        self._phones = dict(plan.phones)
        self._variants: dict[str, str] = {}

    async def open(self) -> SipStack:
        """Return the running stack. The first call starts it and makes every phone reachable.

        Raises:
            NoStackError: The stack does not start.
            PromptError: A prompt cannot be read.
        """
        async with self._open_lock:
            if self._stack is None:
                await asyncio.to_thread(import_all)
                self.prompts = await asyncio.to_thread(render, self.plan.prompts)
                stack = await SipStack.start(_own_address(self.plan.target), has_relay=self.plan.target is None)
                if self.plan.target is None and stack.capture is None:
                    stack.open_relay(self._line)
                try:
                    await self._connect_phones(stack)
                except BaseException:
                    await stack.close()
                    raise
                self._stack = stack
            return self._stack

    async def close(self) -> None:
        """End all calls and the stack."""
        async with self._open_lock:
            stack, self._stack = self._stack, None
            self._agents.clear()
            if stack is not None:
                await stack.close()
        for task in list(self._calls):
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def caller(self, user: str) -> SipAgent:
        """Return the agent that calls as `user`, or with the target's credentials if there are any."""
        stack, target = await self.open(), self.plan.target
        if target is None:
            return await self._agent(stack, user)
        account, password = credentials(target)
        return await self._agent(
            stack, account or user, domain=_numeric(target.address), password=password, transport=target.transport
        )

    def add_variant(self, phone: Phone, label: str) -> str:
        """Add a phone that the lab file does not have, and return its number: that of `phone` with a label."""
        key = phone.model_dump_json()
        if key not in self._variants:
            name = f"{phone.number}~{label}"
            if name in self._phones:
                name += f".{len(self._variants)}"
            self._phones[name] = phone.model_copy(update={"number": name})
            self._variants[key] = name
        return self._variants[key]

    async def route(self, number: str, line: LineProfile | None = None) -> str:
        """Make a number reachable, and return the SIP URI to dial for it: at the target or at the lab itself.

        Args:
            number: The number.
            line: Impairments of the RTP of the call; without them those of the phone apply.
        """
        target, user = self.plan.target, escaped(number)
        if target is not None:  # it may read parameters after `;`, so only `#` is escaped, which a URI cannot contain
            user = number.replace("#", "%23")
            return f"sip:{user}@{_numeric(target.address)};transport={target.transport}"
        stack = await self.open()
        name = phone_of(self._phones, number)
        if name and self._phones[name].reject != NOT_FOUND:  # the stack itself answers calls to an unknown number
            await self._agent(stack, number, phone=name)
        if stack.relay is None and (line is not None or (name and self._phones[name].line is not None)):
            stack.open_relay(self._line)
        relay = stack.relay
        if relay is not None and (relay is stack.capture or self._line(number, "", line) is not None):
            return f"sip:{user}@{relay.address}"
        return f"sip:{user}@{stack.host}:{stack.port}"

    def _line(self, number: str, tag: str, line: LineProfile | None = None) -> LineProfile | None:
        """Return the impairments of a call: those of its test, or else those of the phone with this number."""
        if (expected := self._expected.get(tag)) is not None:
            line = expected.called_side.line
        name = phone_of(self._phones, number)
        return line or (self._phones[name].line if name else None)

    def unknown_number(self, number: str) -> str:
        """Return a sentence with the nearest numbers if no phone has this number, or ""."""
        if self.plan.target is not None or phone_of(self._phones, number):
            return ""
        names = {phone.number: name for name, phone in self.plan.phones.items()}
        near = get_close_matches(number, names, n=3, cutoff=0.3)
        nearest = ", ".join(f"{each} ({names[each]})" for each in near) or ", ".join(names) or "none"
        return f"no phone has the number {number}; nearest: {nearest}"

    async def register(self, action: RegisterAction, phone: str) -> SipAgent | None:
        """Register a user whose calls reach `phone`; return None without a registrar.

        Raises:
            StackError: The registrar refuses or does not answer.
        """
        stack, target = await self.open(), self.plan.target
        domain = _numeric(action.registrar or (target.address if target else ""))
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
        async with self._registration_lock:
            await agent.register()
            self._registrations[agent] += 1
        return agent

    async def unregister(self, agent: SipAgent) -> None:
        """Remove a registration unless another run still uses it."""
        async with self._registration_lock:
            self._registrations[agent] -= 1
            if not self._registrations[agent]:
                await agent.unregister()

    def expect(self, called_side: CalledSide) -> ExpectedLeg:
        """Announce a call, so that its called leg is recognised when it rings."""
        expected = ExpectedLeg(tag=str(next(self._tags)), called_side=called_side)
        self._expected[expected.tag] = expected
        return expected

    def forget(self, expected: ExpectedLeg) -> None:
        """End the announcement of a call."""
        self._expected.pop(expected.tag, None)

    async def _connect_phones(self, stack: SipStack) -> None:
        for name, phone in self.plan.phones.items():
            if phone.reject != NOT_FOUND and not is_pattern(phone.number):
                await self._agent(stack, phone.number, phone=name)

    async def _agent(self, stack: SipStack, user: str, *, phone: str = "", **account: Any) -> SipAgent:
        key = (user, phone, *sorted(account.items()))
        async with self._agents_lock:
            if key not in self._agents:
                if phone:
                    account = {**account, **_account_options(self._phones[phone])}
                agent = self._agents[key] = await stack.agent(user, **account)
                if phone:
                    agent.on_call(lambda leg: self._on_call(phone, user, leg), **_leg_faults(self._phones[phone]))
            return self._agents[key]

    def _on_call(self, name: str, user: str, leg: CallLeg) -> None:
        expected = self._find_expected(leg, name, user)
        if expected is not None:
            expected.callee, expected.is_recorded = leg, self._phones[name].record
        delays = expected.called_side.answer_delays if expected is not None else {}
        behaviour = PhoneBehaviour(self._phones[name], leg, self.prompts)
        call = asyncio.ensure_future(behaviour.run(delays.get(name, delays.get(""))))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    def _find_expected(self, leg: CallLeg, phone: str, user: str) -> ExpectedLeg | None:
        tag = leg.headers.get(TAG_HEADER)
        if tag is not None:
            return self._expected.get(tag)
        if self.plan.target is None:
            return None
        # a PBX removes the tag: the leg belongs to the run that waits for it, if there is a single one
        waiting = [each for each in self._expected.values() if each.callee is None]
        candidates = [each for each in waiting if each.called_side.accepts(phone, user)]
        runs = {each.called_side for each in candidates}
        if len(runs) <= 1:
            return next((each for each in candidates if not each.ambiguity), None)
        for each in candidates:
            each.ambiguity = f"a call rang at phone '{phone}' while {len(runs)} runs waited for one"
        return None


def credentials(target: Target | None) -> tuple[str, str]:
    """Return user and password for target or registrar from the environment, "" for unset variables."""
    names = (target.user_variable, target.password_variable) if target else (USER_VARIABLE, PASSWORD_VARIABLE)
    user, password = (os.environ.get(name, "") for name in names)
    return user, password


def _numeric(address: str) -> str:
    """Return a host or host:port with the address of this machine for "localhost", which the stack cannot resolve."""
    host, colon, port = address.partition(":")
    return f"{LOOPBACK if host == 'localhost' else host}{colon}{port}"


def _account_options(phone: Phone) -> dict[str, Any]:
    codecs = UNOFFERED_CODECS if phone.reject == NOT_ACCEPTABLE else CODECS
    return {"codecs": codecs, "mute": phone.one_way == "receives"}


def _leg_faults(phone: Phone) -> dict[str, Any]:
    return {"drops_incoming": phone.one_way == "sends", "lost_digit": phone.lose_digit}


def _own_address(target: Target | None) -> str:
    """Return this machine's address as the target sees it."""
    if target is None or is_loopback(target.host):
        return LOOPBACK
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((target.host, target.port))  # sends no packet, only selects the route
        return str(probe.getsockname()[0])
    raise StackError(f"no route to the target {target.host}")
