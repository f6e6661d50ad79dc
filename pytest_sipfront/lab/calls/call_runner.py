"""One call from dialling to the record of its measurements."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.calls.call_measurement import measure_reception, media_problem
from pytest_sipfront.lab.calls.call_record import CALLEE, CALLER, LAB, CallRecord
from pytest_sipfront.lab.calls.call_trace import CallTrace
from pytest_sipfront.lab.calls.ladder import TO_CALLEE, TO_CALLER, Rung
from pytest_sipfront.lab.calls.prompt_recognition import rank
from pytest_sipfront.lab.calls.sip_stack import NoStackError, SipAgent, SipStack, StackError
from pytest_sipfront.lab.calls.switchboard import NOT_FOUND, CalledSide, ExpectedLeg, Switchboard
from pytest_sipfront.lab.file.steps import (
    Action,
    CallAction,
    ExpectDtmfAction,
    HangUpAction,
    HoldAction,
    PlayAction,
    SendDtmfAction,
)

T = TypeVar("T")
_CALLEE_END_SECONDS = 1.0
_FINAL_CODE_SECONDS = 0.5
_ANSWER_SECONDS = 10.0  # on a busy machine the trace lags behind the events
"""Time for the trace to show the answer, of which the call knows already."""
_BYE_RESPONSE_SECONDS = 1.2
"""Time for one retransmission of a BYE, which the stack sends after 0.5 s."""
_POLL_SECONDS = 0.02


class CallRunner:
    """One call of a test."""

    def __init__(
        self,
        switchboard: Switchboard,
        agent: SipAgent,
        call: CallAction,
        actions: tuple[Action, ...],
        trace: CallTrace | None = None,
    ) -> None:
        self._switchboard = switchboard
        self._agent = agent
        self._call = call
        self._actions = actions
        self._max_seconds = switchboard.plan.limits.call_seconds
        self._trace = trace
        self._complaints: list[str] = []
        self._cut_off = False

    async def run(self, called_side: CalledSide, *, match_prompts: bool = False) -> CallRecord:
        """Place the call, perform its actions, hang up, and return the record.

        Args:
            called_side: Where the run waits for its calls.
            match_prompts: Match the audio with the prompts of the catalogue.

        Raises:
            NoStackError: The SIP stack does not work.
        """
        expected = self._switchboard.expect(called_side)
        if self._trace is not None:
            self._trace.expect(expected)
        try:
            record = await self._place(expected)
        except NoStackError:
            raise
        except StackError as error:
            return await self._failed_record(expected, str(error))
        finally:
            self._switchboard.forget(expected)
        if match_prompts and record.received_by_caller.audio:
            return await asyncio.to_thread(self._with_prompts, record)
        return record

    async def _place(self, expected: ExpectedLeg) -> CallRecord:
        uri = await self._switchboard.route(self._call.dial_destination, expected.called_side.line)
        leg = await self._agent.dial(uri, expected.tag)
        if self._trace is not None:
            self._trace.placed(expected, leg)
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
                self._complain_about_end(leg, f"before '{action.action}'")
                return
            await self._perform(action, leg)
            if isinstance(action, PlayAction) and _is_cut_off(leg):
                self._complain_about_end(leg, "during 'play'")
                return

    def _complain_about_end(self, leg: CallLeg, when: str) -> None:
        duration = (leg.ended_at or 0.0) - (leg.answered_at or 0.0)
        self._complaints.append(f"call ended by the callee after {duration:.2f} s, {when}")

    async def _perform(self, action: Action, leg: CallLeg) -> None:
        if isinstance(action, HoldAction):
            await leg.wait_for_end(action.seconds)
        elif isinstance(action, SendDtmfAction):
            await leg.wait_for_end(action.after)
            await self._send_dtmf(action.digits, leg)
        elif isinstance(action, PlayAction):
            await leg.play(self._switchboard.prompts[action.prompt])
        elif isinstance(action, ExpectDtmfAction):
            await self._expect_digits(action, leg)

    async def _send_dtmf(self, digits: str, leg: CallLeg) -> None:
        stack = await self._switchboard.open()
        remote = await _within(_ANSWER_SECONDS, lambda: stack.ladders.media(leg.call_id, TO_CALLEE)[1])
        if remote is None or not remote.accepts_dtmf:
            reason = "no SDP answer was traced" if remote is None else "the callee does not accept telephone-event"
            self._complaints.append(f"DTMF {digits} could not be sent: {reason}")
            return
        await leg.send_dtmf(digits)

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
        stack = await self._switchboard.open()

        def ladder() -> tuple[Rung, ...]:
            return stack.ladders.of(leg.call_id or stack.ladders.call_id_of(expected.tag))

        code, reason = await self._final_response(leg, ladder)
        ended_at = leg.ended_at or time.monotonic()
        answered_at = leg.answered_at
        record = CallRecord(
            destination=self._call.dial_destination,
            answered=answered_at is not None,
            code=code,
            reason=reason,
            ended_after=ended_at - leg.started_at,
            cancelled=answered_at is None and leg.ended_here,
            post_dial_delay=_seconds_since(leg.started_at, leg.rang_at or answered_at),
            answer_after=_seconds_since(leg.started_at, answered_at),
            duration=ended_at - answered_at if answered_at is not None else 0.0,
            ended_by=LAB if self._cut_off else CALLER if leg.ended_here else CALLEE,
            sent_packets=leg.stats.tx_packets if leg.stats is not None else 0,
            complaints=tuple(self._complaints),
        )
        if record.answered:
            record = await self._with_media(record, leg, expected, stack)
        hint = self._switchboard.unknown_number(record.destination) if code == NOT_FOUND else ""
        return replace(record, ladder=ladder(), hint=hint)

    async def _failed_record(self, expected: ExpectedLeg, error: str) -> CallRecord:
        """Return the record of a call that the stack gave up before it knew the leg; its messages may be traced."""
        ladders = (await self._switchboard.open()).ladders
        final = await _within(_FINAL_CODE_SECONDS, lambda: _final(ladders.of(ladders.call_id_of(expected.tag))))
        code, reason = final or (None, error)
        ladder = ladders.of(ladders.call_id_of(expected.tag))
        ended_after = ladder[-1].at - ladder[0].at if ladder else 0.0
        return CallRecord(
            destination=self._call.dial_destination,
            answered=False,
            code=code,
            reason=reason,
            ended_after=ended_after,
            hint=self._switchboard.unknown_number(self._call.dial_destination) if code == NOT_FOUND else "",
            ladder=ladder,
        )

    async def _final_response(self, leg: CallLeg, ladder: Callable[[], tuple[Rung, ...]]) -> tuple[int | None, str]:
        """Return final code and phrase of the INVITE."""
        if leg.answered_at is not None:
            return 200, "OK"
        # the trace may lag behind the events, and after a CANCEL the final response is still to arrive
        final = await _within(_FINAL_CODE_SECONDS, lambda: _final(ladder()))
        if not leg.ended_here:
            return final or _split(leg.end_reason)
        return final[0] if final else None, "no answer" if leg.rang_at is not None else "no response"

    async def _with_media(self, record: CallRecord, leg: CallLeg, expected: ExpectedLeg, stack: SipStack) -> CallRecord:
        if self._trace is not None:
            await asyncio.to_thread(self._trace.collect)  # measuring discards the packets
        by_caller = await asyncio.to_thread(measure_reception, leg, TO_CALLEE, stack)
        by_callee = None
        if expected.callee is not None:
            by_callee = await asyncio.to_thread(measure_reception, expected.callee, TO_CALLER, stack)
            by_callee = by_callee if expected.is_recorded else replace(by_callee, audio=b"")
        bye_confirmed_after = None
        if leg.ended_here:
            bye_confirmed_after = await _within(
                _BYE_RESPONSE_SECONDS, lambda: _bye_delay(stack.ladders.of(leg.call_id))
            )
        return replace(
            record,
            received_by_caller=by_caller,
            received_by_callee=by_callee,
            callee_unknown_reason=expected.ambiguity or record.callee_unknown_reason,
            is_ambiguous=bool(expected.ambiguity),
            bye_confirmed_after=bye_confirmed_after,
            media_problem=media_problem(*stack.ladders.media(leg.call_id, TO_CALLEE)),
        )

    def _with_prompts(self, record: CallRecord) -> CallRecord:
        reception = record.received_by_caller
        prompts = rank(reception.audio, self._switchboard.prompts)
        return replace(record, received_by_caller=replace(reception, prompts=prompts))


def _is_cut_off(leg: CallLeg) -> bool:
    return leg.is_over and not leg.sender.is_finished


def _seconds_since(start: float, moment: float | None) -> float | None:
    return None if moment is None else moment - start


def _split(text: str) -> tuple[int | None, str]:
    head, _, tail = text.partition(" ")
    return (int(head), tail) if len(head) == 3 and head.isdigit() else (None, text or "no reason given")  # noqa: PLR2004


def _final(ladder: tuple[Rung, ...]) -> tuple[int, str] | None:
    """Return code and phrase of the final error response to the INVITE; a challenge counts if none follows it."""
    finals = []
    for rung in ladder:
        words = rung.line.split()
        if words[0] == "SIP/2.0" and words[-1] == "INVITE)" and int(words[1]) >= 300:  # noqa: PLR2004
            finals.append((int(words[1]), " ".join(words[2:-2])))
    return finals[-1] if finals else None


def _bye_delay(ladder: tuple[Rung, ...]) -> float | None:
    """Return the seconds from the caller's BYE to its response."""
    sent = next((rung.at for rung in ladder if rung.direction == TO_CALLEE and rung.line.startswith("BYE ")), None)
    response = next((rung.at for rung in ladder if rung.direction == TO_CALLER and rung.line.endswith(" BYE)")), None)
    return response - sent if sent is not None and response is not None else None


async def _within(seconds: float, read: Callable[[], T | None]) -> T | None:
    """Return the first result of `read` that is not None, or None after `seconds`."""
    deadline = time.monotonic() + seconds
    while (value := read()) is None and time.monotonic() < deadline:  # noqa: ASYNC110 - the trace sets no event
        await asyncio.sleep(_POLL_SECONDS)
    return value
