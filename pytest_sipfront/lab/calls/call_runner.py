"""One call from dialling to the record of its measurements."""

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

_CALLEE_END_SECONDS = 1.0
_FINAL_CODE_SECONDS = 0.5
_POLL_SECONDS = 0.02


class CallRunner:
    """One call of a test."""

    def __init__(
        self, switchboard: Switchboard, agent: SipAgent, call: CallAction, actions: tuple[Action, ...]
    ) -> None:
        self._switchboard = switchboard
        self._agent = agent
        self._call = call
        self._actions = actions
        self._max_seconds = switchboard.plan.limits.call_seconds
        self._complaints: list[str] = []
        self._cut_off = False

    async def run(self, answer_delays: Mapping[str, float], *, match_prompts: bool = False) -> CallRecord:
        """Place the call, perform its actions, hang up, and return the record.

        Args:
            answer_delays: Seconds of ringing by phone, in place of the phone's own.
            match_prompts: Match the audio with the prompts of the catalogue.

        Raises:
            NoStackError: The SIP stack does not work.
        """
        expected = self._switchboard.expect(answer_delays)
        try:
            record = await self._place(expected)
        except NoStackError:
            raise
        except StackError as error:
            return CallRecord(
                destination=self._call.dial_destination, answered=False, code=None, reason=str(error), ended_after=0.0
            )
        finally:
            self._switchboard.forget(expected)
        if match_prompts and record.received_by_caller.audio:
            return await asyncio.to_thread(self._with_prompts, record)
        return record

    async def _place(self, expected: ExpectedLeg) -> CallRecord:
        leg = await self._agent.dial(self._switchboard.uri(self._call.dial_destination), expected.tag)
        try:
            if await leg.wait_for_answer(self._call.answer_timeout) and leg.answered_at is not None:
                await self._talk(leg)
        finally:
            await leg.hang_up()
        if expected.callee is not None:
            await expected.callee.wait_for_end(_CALLEE_END_SECONDS)
        return await self._record(leg, expected)

    async def _talk(self, leg: CallLeg) -> None:
        try:
            async with asyncio.timeout(self._max_seconds):
                await self._perform_actions(leg)
        except TimeoutError:
            self._cut_off = True
            self._complaints.append(
                f"call hung up by the lab after {self._max_seconds:g} s: limits.call_seconds is {self._max_seconds:g}"
            )

    async def _perform_actions(self, leg: CallLeg) -> None:
        for action in self._actions:
            if isinstance(action, HangUpAction):
                return
            if leg.is_over:
                duration = (leg.ended_at or 0.0) - (leg.answered_at or 0.0)
                self._complaints.append(f"call ended by the callee after {duration:.2f} s, before '{action.action}'")
                return
            await self._perform(action, leg)

    async def _perform(self, action: Action, leg: CallLeg) -> None:
        if isinstance(action, HoldAction):
            await leg.wait_for_end(action.seconds)
        elif isinstance(action, SendDtmfAction):
            await leg.wait_for_end(action.after)
            await leg.send_dtmf(action.digits)
        elif isinstance(action, PlayAction):
            await leg.play(self._switchboard.prompts[action.prompt])
        elif isinstance(action, ExpectDtmfAction):
            await self._expect_digits(action, leg)

    async def _expect_digits(self, action: ExpectDtmfAction, leg: CallLeg) -> None:
        try:
            async with asyncio.timeout(action.within):
                while not leg.digits.endswith(action.digits) and await leg.wait_for_digit(len(leg.digits)):
                    pass
        except TimeoutError:
            pass
        if not leg.digits.endswith(action.digits):
            received = leg.digits or "nothing"
            self._complaints.append(
                f"DTMF {action.digits} expected from the callee within {action.within:g} s, {received} received"
            )

    async def _record(self, leg: CallLeg, expected: ExpectedLeg) -> CallRecord:
        code, reason, ladder = await self._final_response(leg)
        ended_at = leg.ended_at or time.monotonic()
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
            post_dial_delay=_seconds_since(leg.started_at, leg.rang_at or answered_at),
            answer_after=_seconds_since(leg.started_at, answered_at),
            duration=ended_at - answered_at if answered_at is not None else 0.0,
            ended_by=LAB if self._cut_off else CALLER if leg.ended_here else CALLEE,
            received_by_caller=_reception(leg) if answered else Reception(),
            received_by_callee=_callee_reception(expected) if answered else None,
            sent_packets=stats.tx_packets if stats is not None else 0,
            complaints=tuple(self._complaints),
            ladder=ladder,
        )

    async def _final_response(self, leg: CallLeg) -> tuple[int | None, str, tuple[Rung, ...]]:
        """Return final code and phrase of the INVITE, and the ladder."""
        ladders = (await self._switchboard.open()).ladders
        if leg.answered_at is not None:
            return 200, "OK", ladders.of(leg.call_id)
        if not leg.ended_here:
            return *_split(leg.end_reason), ladders.of(leg.call_id)
        # after a CANCEL the final response is still to arrive
        deadline = time.monotonic() + _FINAL_CODE_SECONDS
        while (code := _final_code(ladders.of(leg.call_id))) is None and time.monotonic() < deadline:  # noqa: ASYNC110 - no event
            await asyncio.sleep(_POLL_SECONDS)
        return code, "no answer" if leg.rang_at is not None else "no response", ladders.of(leg.call_id)

    def _with_prompts(self, record: CallRecord) -> CallRecord:
        reception = record.received_by_caller
        prompts = rank(reception.audio, self._switchboard.prompts)
        return replace(record, received_by_caller=replace(reception, prompts=prompts))


def _reception(leg: CallLeg) -> Reception:
    stats: Any = leg.stats
    if stats is None or leg.drops_incoming:
        duration = (leg.ended_at or time.monotonic()) - (leg.answered_at or time.monotonic())
        return Reception(longest_gap=max(duration, 0.0), digits=leg.digits)
    audio = leg.receiver.audio
    return Reception(
        packets=stats.rx_packets,
        # the first packet may arrive before the receiver is ready; it was rejected here, not lost on its way
        lost=max(stats.rx_lost - stats.rx_errors, 0),
        jitter_ms=stats.rx_jitter_ms,
        rtt_ms=stats.rtt_ms,
        longest_gap=leg.receiver.longest_gap,
        level_dbfs=level_dbfs(audio),
        digits=leg.digits,
        audio=audio,
    )


def _callee_reception(expected: ExpectedLeg) -> Reception | None:
    if expected.callee is None:
        return None
    reception = _reception(expected.callee)
    return reception if expected.is_recorded else replace(reception, audio=b"")


def _seconds_since(start: float, moment: float | None) -> float | None:
    return None if moment is None else moment - start


def _split(text: str) -> tuple[int | None, str]:
    head, _, tail = text.partition(" ")
    return (int(head), tail) if len(head) == 3 and head.isdigit() else (None, text or "no reason given")  # noqa: PLR2004


def _final_code(ladder: tuple[Rung, ...]) -> int | None:
    for rung in ladder:
        words = rung.line.split()
        if words[0] == "SIP/2.0" and words[-1] == "INVITE)" and int(words[1]) >= 300:  # noqa: PLR2004
            return int(words[1])
    return None
