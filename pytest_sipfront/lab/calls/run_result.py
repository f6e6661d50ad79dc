"""The result of a run from the records of its calls: verdict, reason, and measurements with their units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pytest_sipfront.lab.calls.audio import wav
from pytest_sipfront.lab.calls.call_record import MIN_PACKETS, SILENCE_DBFS, CallRecord, Reception
from pytest_sipfront.lab.calls.conditions import violations
from pytest_sipfront.lab.calls.ladder import TO_CALLER, Rung
from pytest_sipfront.lab.calls.prompt_recognition import SCORE_NEEDED
from pytest_sipfront.lab.file.call_conditions import BOTH, Conditions
from pytest_sipfront.lab.platform.executor import HeardPrompt, LabRunResult, Measure, SipMessage, Violation

PASSED, FAILED = "passed", "failed"
_MAX_CALLS_LISTED = 5


class CallRecords:
    """The records of the calls of a run, by number. Only the call that the report shows keeps its audio.

    That is the first call with a violation, or the first call. A minute of a call is 2 MB of audio.
    """

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._records: dict[int, CallRecord] = {}
        self._shown: tuple[bool, int] | None = None

    def __len__(self) -> int:
        return len(self._records)

    def add(self, number: int, call: CallRecord) -> None:
        """Add the record of a call that ended."""
        self._records[number] = call
        rank = (not _reasons(call, violations(self._conditions, call)), number)
        if self._shown is None:
            self._shown = rank
            return
        self._shown, (_, silenced) = sorted((self._shown, rank))
        self._records[silenced] = self._records[silenced].without_audio()

    def in_order(self) -> list[CallRecord]:
        """Return the records by number."""
        return [call for _, call in sorted(self._records.items())]


def conclude(conditions: Conditions, calls: Sequence[CallRecord]) -> LabRunResult:
    """Return the result of a run. It passed if a call was placed and no call violates a condition.

    Ladder and recordings are those of the first call with a violation, or of the first call.
    """
    violated = [violations(conditions, call) for call in calls]
    reasons = [_reasons(call, of_call) for call, of_call in zip(calls, violated, strict=True)]
    worst = next((index for index, texts in enumerate(reasons) if texts), 0)
    return LabRunResult(
        state=FAILED if not calls or any(reasons) else PASSED,
        description=_description(reasons),
        measures=_judged(measures(calls), conditions, [violation for of_call in violated for violation in of_call]),
        violations=_numbered(violated),
        ladder=tuple(_messages(calls[worst])) if calls else (),
        prompts=_prompts(calls[worst].received_by_caller) if calls else (),
        digits=_digits(calls[worst]) if calls else {},
        digit_times=_digit_times(calls[worst]) if calls else {},
        recordings=_recordings(calls[worst]) if calls else {},
    )


def _reasons(call: CallRecord, violated: Sequence[Violation]) -> list[str]:
    """Return why a call failed, each sentence once."""
    return list(dict.fromkeys([*call.complaints, *(violation.text for violation in violated)]))


def _numbered(violated: Sequence[Sequence[Violation]]) -> tuple[Violation, ...]:
    """Return the violations of the first calls that have some, with the numbers of the calls."""
    calls = [(number, of_call) for number, of_call in enumerate(violated, start=1) if of_call]
    return tuple(replace(each, call=number) for number, of_call in calls[:_MAX_CALLS_LISTED] for each in of_call)


def _description(reasons: Sequence[Sequence[str]]) -> str:
    if not reasons:
        return "no call was placed"
    if len(reasons) == 1:
        return "; ".join(reasons[0])
    listed = [
        f"call {number} of {len(reasons)}: {'; '.join(of_call)}" for number, of_call in enumerate(reasons, 1) if of_call
    ]
    rest = [f"and {len(listed) - _MAX_CALLS_LISTED} more calls"] if len(listed) > _MAX_CALLS_LISTED else []
    return "; ".join([*listed[:_MAX_CALLS_LISTED], *rest])


def measures(calls: Sequence[CallRecord]) -> dict[str, Measure]:
    """Return the measurements of a run; of several calls each value is the worst. Unmeasured values are absent."""
    answered = [call for call in calls if call.answered]
    at_caller = [call.received_by_caller for call in answered]
    at_callee = [call.received_by_callee for call in answered if call.received_by_callee is not None]
    digits = next((reception.digits for reception in at_callee if reception.digits), None)
    best = next((reception.prompts[0] for reception in at_caller if reception.prompts), None)
    values = {
        "calls": Measure(value=len(calls), unit="calls"),
        "calls_answered": Measure(value=len(answered), unit="calls"),
        "sip_code": Measure(value=_worst(max, [call.code for call in calls])),
        "post_dial_delay": Measure(value=_worst(max, [call.post_dial_delay for call in calls]), unit="s"),
        "answer_time": Measure(value=_worst(max, [call.answer_after for call in answered]), unit="s"),
        "call_duration": Measure(value=_worst(min, [call.duration for call in answered]), unit="s"),
        "bye_response_time": Measure(value=_worst(max, [call.bye_confirmed_after for call in answered]), unit="s"),
        "dtmf_received": Measure(value=digits),
        "prompt_heard": Measure(value=f"{best.prompt} ({best.score:.2f})" if best is not None else None),
        **_quality("caller", at_caller),
        **_quality("callee", at_callee),
    }
    return {name: measure for name, measure in values.items() if measure.value is not None}


def _quality(end: str, receptions: Sequence[Reception]) -> dict[str, Measure]:
    """Return the quality of the audio that one end received, under the name of that end."""

    def worst(name: str, choose: Callable[[list[float]], float], unit: str) -> Measure:
        value = _worst(choose, [getattr(reception, name) for reception in receptions])
        sources = dict.fromkeys(reception.sources[name] for reception in receptions)
        return Measure(value=value, unit=unit, source=", ".join(filter(None, sources)))

    return {
        f"mos_cqe_{end}": worst("mos", min, "MOS-CQE (E-model)"),
        f"jitter_{end}": worst("jitter_ms", max, "ms"),
        f"packet_loss_{end}": worst("loss_percent", max, "%"),
        f"duplicates_{end}": worst("duplicates", max, "packets"),
        f"reordered_{end}": worst("reordered", max, "packets"),
        f"rtt_{end}": worst("rtt_ms", max, "ms"),
        f"rtp_packets_{end}": worst("packets", min, "packets"),
        f"rtp_gap_{end}": worst("longest_gap", max, "s"),
        f"level_{end}": worst("level_dbfs", min, "dBFS"),
    }


def _worst(choose: Callable[[list[float]], float], values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and value > float("-inf")]
    return round(choose(known), 3) if known else None


# ---- bounds

_SIDED = {
    "rtp": "rtp_packets",
    "max_rtp_gap": "rtp_gap",
    "not_silent": "level",
    "max_packet_loss": "packet_loss",
    "max_jitter": "jitter",
    "min_mos": "mos_cqe",
}
"""The measure of each condition that judges what one end received."""
_WHOLE = {
    "sip_code": "sip_code",
    "answer_within": "answer_time",
    "max_post_dial_delay": "post_dial_delay",
    "duration": "call_duration",
    "bye_confirmed": "bye_response_time",
    "dtmf_received": "dtmf_received",
    "prompt_heard": "prompt_heard",
}


def _judged(
    measured: Mapping[str, Measure], conditions: Conditions, violated: Iterable[Violation]
) -> dict[str, Measure]:
    """Return the measures with the bounds that the conditions set for them."""
    bounds = _bounds(conditions)
    broken = {_measure_of(violation) for violation in violated}
    return {
        name: replace(measure, bound=bounds.get(name, ""), violated=name in broken)
        for name, measure in measured.items()
    }


def _measure_of(violation: Violation) -> str:
    if violation.condition in _SIDED:
        return f"{_SIDED[violation.condition]}_{violation.end}"
    return _WHOLE.get(violation.condition, "")


def _bounds(conditions: Conditions) -> dict[str, str]:
    """Return what is required of each measure, as a text."""
    required: dict[str, str | None] = {
        "sip_code": _text("{}", conditions.sip_code),
        "answer_time": _text("at most {:g} s", conditions.answer_within),
        "post_dial_delay": _text("at most {:g} s", conditions.max_post_dial_delay),
        "bye_response_time": "a response" if conditions.bye_confirmed else None,
        "dtmf_received": conditions.dtmf_received,
        "prompt_heard": ", ".join(conditions.prompt_heard),
    }
    if conditions.duration is not None:
        required["call_duration"] = "{:g} to {:g} s".format(*conditions.duration)
    for end, sender in (("caller", "callee"), ("callee", "caller")):
        is_proven = conditions.proof in (BOTH, f"from_{sender}")
        is_audible = conditions.not_silent in (BOTH, f"from_{sender}")
        required |= {
            f"rtp_packets_{end}": f"at least {MIN_PACKETS}" if is_proven else None,
            f"rtp_gap_{end}": _text("at most {:g} s", conditions.max_rtp_gap) if is_proven else None,
            f"level_{end}": f"at least {SILENCE_DBFS:g} dBFS" if is_audible else None,
            f"packet_loss_{end}": _text("at most {:g} %", conditions.max_packet_loss),
            f"jitter_{end}": _text("at most {:g} ms", conditions.max_jitter),
            f"mos_cqe_{end}": _text("at least {:g}", conditions.min_mos),
        }
    return {name: text for name, text in required.items() if text}


def _text(form: str, bound: float | None) -> str | None:
    return None if bound is None else form.format(bound)


# ---- evidence of one call


def _prompts(reception: Reception) -> tuple[HeardPrompt, ...]:
    heard = (match for match in reception.prompts if match.score >= SCORE_NEEDED)
    return tuple(HeardPrompt(match.prompt, round(match.score, 3), round(match.at, 3)) for match in heard)


def _digits(call: CallRecord) -> dict[str, str]:
    return {name: end.digits for name, end in _ends(call) if end.digits}


def _digit_times(call: CallRecord) -> dict[str, tuple[float, ...]]:
    return {name: end.digit_times for name, end in _ends(call) if end.digits}


def _ends(call: CallRecord) -> Iterator[tuple[str, Reception]]:
    yield "caller", call.received_by_caller
    if call.received_by_callee is not None:
        yield "callee", call.received_by_callee


def _messages(call: CallRecord) -> Iterator[SipMessage]:
    """Yield the SIP messages. A call with several hops has the addresses of each message in its line."""
    start = call.ladder[0].at if call.ladder else 0.0
    to_callee = [rung for rung in call.ladder if rung.direction != TO_CALLER]
    has_hops = len({rung.hop for rung in to_callee}) > 1 and len({rung.is_sent for rung in to_callee}) > 1
    transactions = set()
    for rung in call.ladder:
        key = (rung.direction, rung.hop, rung.transaction)
        line = f"{rung.line} [{rung.hop[0]} -> {rung.hop[1]}]" if has_hops else rung.line
        yield SipMessage(
            round(rung.at - start, 3), rung.direction, line, bool(rung.transaction) and key in transactions
        )
        transactions.add(key)
    if call.answered and call.bye_confirmed_after is None and _sent_bye(call.ladder):
        yield SipMessage(round(call.ladder[-1].at - start, 3), TO_CALLER, "(no response to BYE)")


def _sent_bye(ladder: Sequence[Rung]) -> bool:
    return any(rung.line.startswith("BYE ") and rung.direction != TO_CALLER for rung in ladder)


def _recordings(call: CallRecord) -> dict[str, bytes]:
    ends = {"caller": call.received_by_caller, "callee": call.received_by_callee}
    return {name: wav(end.audio) for name, end in ends.items() if end is not None and end.audio}
