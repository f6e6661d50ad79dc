"""Turns the calls of a run into its finding: the verdict, why, and the measurements with their units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_sipfront.lab.calls.audio import wav
from pytest_sipfront.lab.calls.call_record import CallRecord, Reception
from pytest_sipfront.lab.calls.conditions import violations
from pytest_sipfront.lab.calls.ladder import Rung
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.platform.executor import LabRunResult, Measure, SipMessage

PASSED, FAILED = "passed", "failed"
_CALLS_TOLD = 5


def conclude(conditions: Conditions, calls: Sequence[CallRecord], ladders: Sequence[tuple[Rung, ...]]) -> LabRunResult:
    """Return the finding of a run: passed only where at least one call was placed and none violates a condition.

    The ladder and the recordings are those of the first call that went wrong, or else of the first call.
    """
    wrong = [violations(conditions, call) for call in calls]
    shown = next((place for place, sentences in enumerate(wrong) if sentences), 0)
    return LabRunResult(
        state=FAILED if not calls or any(wrong) else PASSED,
        description=_description(wrong),
        measures=measures(calls),
        ladder=_ladder(ladders[shown]) if calls else (),
        recordings=_recordings(calls[shown]) if calls else {},
    )


def _description(wrong: Sequence[list[str]]) -> str:
    if not wrong:
        return "no call was placed"
    if len(wrong) == 1:
        return "; ".join(wrong[0])
    told = [
        f"call {number} of {len(wrong)}: {'; '.join(sentences)}"
        for number, sentences in enumerate(wrong, start=1)
        if sentences
    ]
    rest = [f"and {len(told) - _CALLS_TOLD} more calls"] if len(told) > _CALLS_TOLD else []
    return "; ".join([*told[:_CALLS_TOLD], *rest])


def measures(calls: Sequence[CallRecord]) -> dict[str, Measure]:
    """Return the run's measurements. Where calls differ, each value is the worst call's."""
    answered = [call for call in calls if call.answered]
    heard = [call.heard_by_caller for call in answered]
    far = [call.heard_by_callee for call in answered if call.heard_by_callee is not None]
    found = {
        "calls": Measure(value=len(calls), unit="calls"),
        "calls_answered": Measure(value=len(answered), unit="calls"),
        "sip_code": Measure(value=_worst(max, [call.code for call in calls])),
        "post_dial_delay": Measure(value=_worst(max, [call.post_dial_delay for call in calls]), unit="s"),
        "answer_time": Measure(value=_worst(max, [call.answer_after for call in answered]), unit="s"),
        "call_duration": Measure(value=_worst(min, [call.duration for call in answered]), unit="s"),
        "dtmf_received": Measure(value=_digits(far)),
        "prompt_heard": Measure(value=_prompt(heard)),
        **_quality("caller", heard),
        **_quality("callee", far),
    }
    return {name: measure for name, measure in found.items() if measure.value is not None}


def _quality(end: str, received: Sequence[Reception]) -> dict[str, Measure]:
    """What one end received: named by the end that heard it."""
    levels = [one.level_dbfs if one.level_dbfs > float("-inf") else None for one in received]
    return {
        f"mos_cqe_{end}": Measure(value=_worst(min, [one.mos for one in received]), unit="MOS-CQE (E-model)"),
        f"jitter_{end}": Measure(value=_worst(max, [one.jitter_ms for one in received]), unit="ms"),
        f"packet_loss_{end}": Measure(value=_worst(max, [one.loss_percent for one in received]), unit="%"),
        f"rtt_{end}": Measure(value=_worst(max, [one.rtt_ms or None for one in received]), unit="ms"),
        f"rtp_packets_{end}": Measure(value=_worst(min, [one.packets for one in received]), unit="packets"),
        f"rtp_gap_{end}": Measure(value=_worst(max, [one.longest_gap for one in received]), unit="s"),
        f"level_{end}": Measure(value=_worst(min, levels), unit="dBFS"),
    }


def _worst(
    choose: Callable[[list[float]], float],
    values: Sequence[float | None],
) -> float | None:
    known = [value for value in values if value is not None]
    return round(choose(known), 3) if known else None


def _digits(received: Sequence[Reception]) -> str | None:
    return next((one.digits for one in received if one.digits), None)


def _prompt(received: Sequence[Reception]) -> str | None:
    best = next((one.prompts[0] for one in received if one.prompts), None)
    return f"{best.prompt} ({best.score:.2f})" if best is not None else None


def _ladder(rungs: tuple[Rung, ...]) -> tuple[SipMessage, ...]:
    start = rungs[0].at if rungs else 0.0
    return tuple(SipMessage(round(rung.at - start, 3), rung.direction, rung.line) for rung in rungs)


def _recordings(call: CallRecord) -> dict[str, bytes]:
    ends = {"caller": call.heard_by_caller, "callee": call.heard_by_callee}
    return {name: wav(end.audio) for name, end in ends.items() if end is not None and end.audio}
