"""One call from dialling to the record of what was measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_sipfront.lab.calls.audio import level_dbfs
from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.calls.call_record import CALLEE, CALLER, LAB, CallRecord, Reception
from pytest_sipfront.lab.calls.ladder import Rung
from pytest_sipfront.lab.calls.prompt_recognition import rank
from pytest_sipfront.lab.calls.sip_stack import NoStackError, SipAgent, StackError
from pytest_sipfront.lab.calls.switchboard import ExpectedLeg, Switchboard
from pytest_sipfront.lab.file.steps import (
    Action,
    CallAction,
    ExpectDtmfAction,
    HangUpAction,
    HoldAction,
    PlayAction,
    SendDtmfAction,
)

_FAR_END_SECONDS = 1.0
_FINAL_CODE_SECONDS = 0.5
_POLL_SECONDS = 0.02


class CallRunner:
    """One call of a test. `hold` is entered for as long as the call is up, so that calls can be counted.

    `rungs` and `record` are there when `conduct` is done.
    """

    def __init__(self, exchange: Switchboard, agent: SipAgent, call: CallAction, actions: tuple[Action, ...]) -> None:
        self._exchange = exchange
        self._agent = agent
        self._call = call
        self._actions = actions
        self._limit = exchange.plan.limits.call_seconds
        self._complaints: list[str] = []
        self._cut_off = False
        self.rungs: tuple[Rung, ...] = ()

    async def conduct(self, answer_delays: Mapping[str, float], *, listen_for_prompts: bool = False) -> CallRecord:
        """Place the call, go through the actions, hang up, and return what was measured.

        Raises:
            NoStackError: The SIP stack is gone.
        """
        expected = self._exchange.expect(answer_delays)
        try:
            return await self._conduct(expected, listen_for_prompts=listen_for_prompts)
        except NoStackError:
            raise
        except StackError as error:
            return CallRecord(
                destination=self._call.dial_destination, answered=False, code=None, reason=str(error), ended_after=0.0
            )
        finally:
            self._exchange.forget(expected)

    async def _conduct(self, expected: ExpectedLeg, *, listen_for_prompts: bool) -> CallRecord:
        leg = await self._agent.dial(self._exchange.uri(self._call.dial_destination), expected.tag)
        try:
            await self._talk(leg)
        finally:
            await leg.hang_up()
        if expected.callee is not None:
            await expected.callee.closed(_FAR_END_SECONDS)
        record = await self._recorded(leg, expected)
        if listen_for_prompts and record.heard_by_caller.audio:
            return await asyncio.to_thread(self._with_prompts, record)
        return record

    async def _talk(self, leg: CallLeg) -> None:
        if not await leg.settled(self._call.answer_timeout) or leg.answered_at is None:
            return
        try:
            async with asyncio.timeout(self._limit):
                await self._act(leg)
        except TimeoutError:
            self._cut_off = True
            self._complaints.append(
                f"call hung up by the lab after {self._limit:g} s: limits.call_seconds is {self._limit:g}"
            )

    async def _act(self, leg: CallLeg) -> None:
        for action in self._actions:
            if isinstance(action, HangUpAction):
                return
            if leg.is_closed:
                lasted = (leg.closed_at or 0.0) - (leg.answered_at or 0.0)
                self._complaints.append(f"call ended by the callee after {lasted:.2f} s, before '{action.action}'")
                return
            await self._do(action, leg)

    async def _do(self, action: Action, leg: CallLeg) -> None:
        if isinstance(action, HoldAction):
            await leg.closed(action.seconds)
        elif isinstance(action, SendDtmfAction):
            await leg.closed(action.after)
            await leg.press(action.digits)
        elif isinstance(action, PlayAction):
            await self._play(self._exchange.prompts[action.prompt], leg)
        elif isinstance(action, ExpectDtmfAction):
            await self._await_digits(action, leg)

    async def _play(self, pcm: bytes, leg: CallLeg) -> None:
        leg.mouth.speak(pcm)
        waits = [asyncio.ensure_future(leg.mouth.finished()), asyncio.ensure_future(leg.closed())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _await_digits(self, action: ExpectDtmfAction, leg: CallLeg) -> None:
        try:
            async with asyncio.timeout(action.within):
                while not leg.digits.endswith(action.digits) and await leg.digit_after(len(leg.digits)):
                    pass
        except TimeoutError:
            pass
        if not leg.digits.endswith(action.digits):
            received = leg.digits or "nothing"
            self._complaints.append(
                f"DTMF {action.digits} expected from the callee within {action.within:g} s, {received} received"
            )

    async def _recorded(self, leg: CallLeg, expected: ExpectedLeg) -> CallRecord:
        code, reason = await self._final(leg)
        ended_at = leg.closed_at or time.monotonic()
        answered_at = leg.answered_at
        answered = answered_at is not None
        stats = leg.stats
        return CallRecord(
            destination=self._call.dial_destination,
            answered=answered,
            code=code,
            reason=reason,
            ended_after=ended_at - leg.started_at,
            cancelled=not answered and leg.ended_here,
            post_dial_delay=_since(leg.started_at, leg.rang_at or answered_at),
            answer_after=_since(leg.started_at, answered_at),
            duration=ended_at - answered_at if answered_at is not None else 0.0,
            ended_by=LAB if self._cut_off else CALLER if leg.ended_here else CALLEE,
            heard_by_caller=_reception(leg) if answered else Reception(),
            heard_by_callee=_far_reception(expected) if answered else None,
            sent_packets=stats.tx_packets if stats is not None else 0,
            complaints=tuple(self._complaints),
        )

    async def _final(self, leg: CallLeg) -> tuple[int | None, str]:
        """The INVITE's final code and phrase; after a CANCEL it is still on its way, so the trace is asked for it."""
        ladders = (await self._exchange.open()).ladders
        self.rungs = ladders.of(leg.call_id)
        if leg.answered_at is not None:
            return 200, "OK"
        if not leg.ended_here:
            return _split(leg.close_text)
        deadline = time.monotonic() + _FINAL_CODE_SECONDS
        while (code := _code_of(self.rungs)) is None and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
            self.rungs = ladders.of(leg.call_id)
        return code, "no answer" if leg.rang_at is not None else "no response"

    def _with_prompts(self, record: CallRecord) -> CallRecord:
        heard = record.heard_by_caller
        return replace(record, heard_by_caller=replace(heard, prompts=rank(heard.audio, self._exchange.prompts)))


def _reception(leg: CallLeg) -> Reception:
    stats: Any = leg.stats
    audio = leg.ear.audio
    if stats is None or leg.is_deaf:
        duration = (leg.closed_at or time.monotonic()) - (leg.answered_at or time.monotonic())
        return Reception(longest_gap=max(duration, 0.0), digits=leg.digits)
    return Reception(
        packets=stats.rx_packets,
        # the first packet may come before the receiver is up: refused, but not lost on its way
        lost=max(stats.rx_lost - stats.rx_errors, 0),
        jitter_ms=stats.rx_jitter_ms,
        rtt_ms=stats.rtt_ms,
        longest_gap=leg.ear.longest_gap,
        level_dbfs=level_dbfs(audio),
        digits=leg.digits,
        audio=audio,
    )


def _far_reception(expected: ExpectedLeg) -> Reception | None:
    if expected.callee is None:
        return None
    reception = _reception(expected.callee)
    return reception if expected.recorded else replace(reception, audio=b"")


def _since(start: float, moment: float | None) -> float | None:
    return None if moment is None else moment - start


def _split(text: str) -> tuple[int | None, str]:
    head, _, tail = text.partition(" ")
    return (int(head), tail) if len(head) == 3 and head.isdigit() else (None, text or "no reason given")  # noqa: PLR2004


def _code_of(rungs: tuple[Rung, ...]) -> int | None:
    for rung in rungs:
        words = rung.line.split()
        if words[0] == "SIP/2.0" and words[-1] == "INVITE)" and int(words[1]) >= 300:  # noqa: PLR2004
            return int(words[1])
    return None
