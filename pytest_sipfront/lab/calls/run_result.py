"""The result of a run from the records of its calls: verdict, reason, and measurements with their units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_sipfront.lab.calls.audio import wav
from pytest_sipfront.lab.calls.call_record import CallRecord, Reception
from pytest_sipfront.lab.calls.conditions import violations
from pytest_sipfront.lab.calls.ladder import Rung
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.platform.executor import LabRunResult, Measure, SipMessage, Violation

PASSED, FAILED = "passed", "failed"
_MAX_CALLS_LISTED = 5


def conclude(conditions: Conditions, calls: Sequence[CallRecord]) -> LabRunResult:
    """Return the result of a run. It passes if at least one call was placed and no call violates a condition.

    Ladder and recordings are those of the first call that went wrong, or of the first call.
    """
    violated = [violations(conditions, call) for call in calls]
    reasons = [_reasons(call, found) for call, found in zip(calls, violated, strict=True)]
    worst = next((index for index, sentences in enumerate(reasons) if sentences), 0)
    return LabRunResult(
        state=FAILED if not calls or any(reasons) else PASSED,
        description=_description(reasons),
        measures=measures(calls),
        violations=_numbered(violated),
        ladder=_ladder(calls[worst].ladder) if calls else (),
        recordings=_recordings(calls[worst]) if calls else {},
    )


def _reasons(call: CallRecord, violated: Sequence[Violation]) -> list[str]:
    return list(dict.fromkeys([*call.complaints, *(violation.text for violation in violated)]))


def _numbered(violated: Sequence[Sequence[Violation]]) -> tuple[Violation, ...]:
    """Return the violations of the first calls that have some, with the numbers of the calls."""
    calls = [(number, found) for number, found in enumerate(violated, start=1) if found]
    return tuple(replace(each, call=number) for number, found in calls[:_MAX_CALLS_LISTED] for each in found)


def _description(reasons: Sequence[list[str]]) -> str:
    if not reasons:
        return "no call was placed"
    if len(reasons) == 1:
        return "; ".join(reasons[0])
    listed = [
        f"call {number} of {len(reasons)}: {'; '.join(sentences)}"
        for number, sentences in enumerate(reasons, start=1)
        if sentences
    ]
    rest = [f"and {len(listed) - _MAX_CALLS_LISTED} more calls"] if len(listed) > _MAX_CALLS_LISTED else []
    return "; ".join([*listed[:_MAX_CALLS_LISTED], *rest])


def measures(calls: Sequence[CallRecord]) -> dict[str, Measure]:
    """Return the measurements of a run; of several calls each value is the worst."""
    answered = [call for call in calls if call.answered]
    at_caller = [call.received_by_caller for call in answered]
    at_callee = [call.received_by_callee for call in answered if call.received_by_callee is not None]
    values = {
        "calls": Measure(value=len(calls), unit="calls"),
        "calls_answered": Measure(value=len(answered), unit="calls"),
        "sip_code": Measure(value=_worst(max, [call.code for call in calls])),
        "post_dial_delay": Measure(value=_worst(max, [call.post_dial_delay for call in calls]), unit="s"),
        "answer_time": Measure(value=_worst(max, [call.answer_after for call in answered]), unit="s"),
        "call_duration": Measure(value=_worst(min, [call.duration for call in answered]), unit="s"),
        "dtmf_received": Measure(value=_digits(at_callee)),
        "prompt_heard": Measure(value=_prompt(at_caller)),
        **_quality("caller", at_caller),
        **_quality("callee", at_callee),
    }
    return {name: measure for name, measure in values.items() if measure.value is not None}


def _quality(end: str, receptions: Sequence[Reception]) -> dict[str, Measure]:
    """Return the quality of the audio that one end received, under the name of that end."""
    levels = [reception.level_dbfs if reception.level_dbfs > float("-inf") else None for reception in receptions]
    return {
        f"mos_cqe_{end}": Measure(
            value=_worst(min, [reception.mos for reception in receptions]), unit="MOS-CQE (E-model)"
        ),
        f"jitter_{end}": Measure(value=_worst(max, [reception.jitter_ms for reception in receptions]), unit="ms"),
        f"packet_loss_{end}": Measure(
            value=_worst(max, [reception.loss_percent for reception in receptions]), unit="%"
        ),
        f"rtt_{end}": Measure(value=_worst(max, [reception.rtt_ms or None for reception in receptions]), unit="ms"),
        f"rtp_packets_{end}": Measure(
            value=_worst(min, [reception.packets for reception in receptions]), unit="packets"
        ),
        f"rtp_gap_{end}": Measure(value=_worst(max, [reception.longest_gap for reception in receptions]), unit="s"),
        f"level_{end}": Measure(value=_worst(min, levels), unit="dBFS"),
    }


def _worst(
    choose: Callable[[list[float]], float],
    values: Sequence[float | None],
) -> float | None:
    known = [value for value in values if value is not None]
    return round(choose(known), 3) if known else None


def _digits(receptions: Sequence[Reception]) -> str | None:
    return next((reception.digits for reception in receptions if reception.digits), None)


def _prompt(receptions: Sequence[Reception]) -> str | None:
    best = next((reception.prompts[0] for reception in receptions if reception.prompts), None)
    return f"{best.prompt} ({best.score:.2f})" if best is not None else None


def _ladder(ladder: tuple[Rung, ...]) -> tuple[SipMessage, ...]:
    start = ladder[0].at if ladder else 0.0
    return tuple(SipMessage(round(rung.at - start, 3), rung.direction, rung.line) for rung in ladder)


def _recordings(call: CallRecord) -> dict[str, bytes]:
    ends = {"caller": call.received_by_caller, "callee": call.received_by_callee}
    return {name: wav(end.audio) for name, end in ends.items() if end is not None and end.audio}
