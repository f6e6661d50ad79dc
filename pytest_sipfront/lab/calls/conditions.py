"""Judge a call by the conditions of its test.

Unless the conditions contain `media: none`, RTP must have arrived in both directions, or in those that `rtp` names.
A condition whose value was not measured is violated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_sipfront.lab.calls.call_record import (
    CALLEE,
    CALLER,
    LAB,
    MIN_PACKETS,
    SILENCE_DBFS,
    CallRecord,
    Reception,
    counted,
)
from pytest_sipfront.lab.calls.prompt_recognition import SCORE_NEEDED, TOO_SHORT, PromptMatch, best_rival
from pytest_sipfront.lab.file.call_conditions import BOTH, Conditions
from pytest_sipfront.lab.platform.executor import Violation

NO_ANSWER_CODES = (480, 486, 600, 603)
"""Final codes by which a phone that was reached does not answer."""
BUSY_CODES = (486, 600)
_SHORT_CALL_SECONDS = 0.4
_KINDS = {
    "answer_within": "timing",
    "max_post_dial_delay": "timing",
    "duration": "timing",
    "ended_by": "hung-up",
    "bye_confirmed": "hung-up",
    "rtp": "no-media",
    "max_rtp_gap": "quality",
    "not_silent": "silence",
    "max_packet_loss": "quality",
    "max_jitter": "quality",
    "min_mos": "quality",
    "dtmf_received": "dtmf",
    "prompt_heard": "wrong-prompt",
}
"""The kind of a violation by its condition; those of the setup depend on the final code."""
_HEARS = {CALLEE: CALLER, CALLER: CALLEE}
_WHO = {CALLER: "the caller", CALLEE: "the callee", LAB: "a limit of the lab"}


def violations(conditions: Conditions, call: CallRecord) -> list[Violation]:
    """Return all violated conditions."""
    violated = list(_setup(conditions, call))
    if call.answered:
        violated += [*_course(conditions, call), *_media(conditions, call), *_content(conditions, call)]
    return violated


def _violation(text: str, condition: str, measured: str, required: str, kind: str = "") -> Violation:
    kind = kind or _KINDS[condition]
    return Violation(condition=condition, measured=measured, required=required, text=text, kind=kind)


# ---- setup and course of the call


def _kind_of_setup(call: CallRecord) -> str:
    if call.answered:
        return "unexpected"
    if call.code in BUSY_CODES:
        return "busy"
    return "no-answer" if call.cancelled or call.code in {None, 408, 480, 487} else "rejected"


def _setup(conditions: Conditions, call: CallRecord) -> Iterator[Violation]:
    if conditions.answered is False:
        yield from _no_answer(conditions, call)
    if conditions.sip_code is not None and call.code != conditions.sip_code:
        yield _violation(
            f"{call.outcome}, {conditions.sip_code} expected",
            "sip_code",
            call.outcome,
            str(conditions.sip_code),
            _kind_of_setup(call),
        )
    elif not call.answered and conditions.wants_answer:
        yield _violation(call.outcome, "answered", call.outcome, "an answered call", _kind_of_setup(call))
    bound = conditions.answer_within
    if bound is not None and call.answer_after is not None and call.answer_after > bound:
        yield _violation(
            f"answered after {call.answer_after:.2f} s, at most {bound:g} s allowed",
            "answer_within",
            f"{call.answer_after:.2f} s",
            f"at most {bound:g} s",
        )
    if conditions.max_post_dial_delay is not None:
        yield from _post_dial_delay(call, conditions.max_post_dial_delay)


def _no_answer(conditions: Conditions, call: CallRecord) -> Iterator[Violation]:
    """Require evidence that a phone was reached: silence of a dead target is not "no answer"."""
    if call.answered:
        yield _violation(
            f"answered after {call.answer_after:.2f} s, no answer expected",
            "answered",
            f"answered after {call.answer_after:.2f} s",
            "no answer",
            _kind_of_setup(call),
        )
        return
    rang = call.post_dial_delay is not None
    if rang or call.code in NO_ANSWER_CODES or (conditions.sip_code is not None and call.code == conditions.sip_code):
        return
    codes = ", ".join(map(str, NO_ANSWER_CODES))
    yield _violation(
        f"{call.outcome}; 'answered: false' needs ringing, {codes}, or 'sip_code'",
        "answered",
        call.outcome,
        "no, after ringing or a final code",
        _kind_of_setup(call),
    )


def _post_dial_delay(call: CallRecord, bound: float) -> Iterator[Violation]:
    key, required = "max_post_dial_delay", f"at most {bound:g} s"
    if call.post_dial_delay is None:
        yield _violation(
            f"post-dial delay not measurable: no ringing and no answer within {call.ended_after:.2f} s",
            key,
            "not measurable",
            required,
        )
    elif call.post_dial_delay > bound:
        value = f"{call.post_dial_delay:.2f} s"
        yield _violation(f"post-dial delay {value}, {required} allowed", key, value, required)


def _course(conditions: Conditions, call: CallRecord) -> Iterator[Violation]:
    value, who = f"{call.duration:.2f} s", _WHO[call.ended_by]
    if conditions.duration is not None:
        least, most = conditions.duration
        if not least <= call.duration <= most:
            required = f"{least:g} to {most:g} s"
            yield _violation(f"call lasted {value}, ended by {who}; {required} expected", "duration", value, required)
    if conditions.ended_by is not None and call.ended_by != conditions.ended_by:
        required = _WHO.get(conditions.ended_by, conditions.ended_by)
        yield _violation(f"ended by {who} after {value}, to be ended by {required}", "ended_by", who, required)
    if conditions.bye_confirmed and call.ended_by != CALLEE and call.bye_confirmed_after is None:
        yield _violation(
            "no response from the callee to BYE, 200 expected", "bye_confirmed", "no response", "a response"
        )


# ---- media


def _media(conditions: Conditions, call: CallRecord) -> Iterator[Violation]:
    proof, audible = conditions.proof, conditions.not_silent
    if proof is not None and call.media_problem:
        yield _violation(f"no audio with the callee: {call.media_problem}", "rtp", call.media_problem, proof)
        return
    missing = [
        (name, violation)
        for name, reception in _directions(call)
        if proof in (BOTH, f"from_{name}")
        for violation in _rtp(name, reception, call, conditions.max_rtp_gap)
    ]
    kind = "one-way" if proof == BOTH and len({name for name, _ in missing}) == 1 else "no-media"
    for name, reception in _directions(call):
        for sender, violation in missing:
            if sender == name:
                own = kind if violation.condition == "rtp" else violation.kind
                yield replace(violation, kind=own, end=_HEARS[sender])
        if audible in (BOTH, f"from_{name}") and (reception is None or reception.level_dbfs < SILENCE_DBFS):
            yield replace(_silent(name, reception, call), end=_HEARS[name])
    for name, reception in _directions(call):
        if reception is not None:
            yield from (replace(each, end=_HEARS[name]) for each in _quality(conditions, name, reception))


def _directions(call: CallRecord) -> tuple[tuple[str, Reception | None], ...]:
    return (CALLEE, call.received_by_caller), (CALLER, call.received_by_callee)


def _rtp(sender: str, reception: Reception | None, call: CallRecord, max_gap: float) -> Iterator[Violation]:
    if reception is None and call.is_ambiguous:
        text = f"RTP from {sender} not attributable: {call.callee_unknown_reason}"
        yield _violation(text, "rtp", "not attributable", f"at least {MIN_PACKETS} packets")
        return
    # without a reception of the called side only the sent packets are known
    packets = call.sent_packets if reception is None else reception.packets
    if packets < MIN_PACKETS:
        yield _too_few_packets(sender, packets, reception, call)
    elif reception is not None and reception.longest_gap > max_gap:
        gap = f"{reception.longest_gap:.1f} s"
        yield _violation(
            f"no RTP from {sender} for {gap}, max_rtp_gap allows {max_gap:g} s",
            "max_rtp_gap",
            gap,
            f"at most {max_gap:g} s",
        )


def _too_few_packets(sender: str, packets: int, reception: Reception | None, call: CallRecord) -> Violation:
    measured, required = counted(packets, "packet"), f"at least {MIN_PACKETS} packets"
    if call.duration < _SHORT_CALL_SECONDS and call.ended_by == CALLER:
        text = (
            f"call of {call.duration:.2f} s is too short to judge RTP from {sender}: {measured} received, "
            f"{MIN_PACKETS} needed; add 'hold' or 'play'"
        )
    elif reception is None:
        text = f"no RTP sent by the {sender}" if not packets else f"{measured} sent by the {sender}, {required} needed"
    else:
        gap = reception.longest_gap if packets else max(reception.longest_gap, call.duration)
        text = f"no RTP from {sender} for {gap:.1f} s" + (f" ({measured} in all)" if packets else "")
    return _violation(text, "rtp", text, required)


def _silent(sender: str, reception: Reception | None, call: CallRecord) -> Violation:
    required = f"{SILENCE_DBFS:.0f} dBFS"
    if reception is None:
        text = f"level from {sender} not measurable: {call.callee_unknown_reason}"
        return _violation(text, "not_silent", "not measurable", f"at least {required}")
    level = "no audio" if reception.level_dbfs == float("-inf") else f"{reception.level_dbfs:.0f} dBFS"
    return _violation(f"silence from {sender}: {level}, {required} needed", "not_silent", level, f"at least {required}")


def _quality(conditions: Conditions, sender: str, reception: Reception) -> Iterator[Violation]:
    sources = {name: f" ({source})" if source else "" for name, source in reception.sources.items()}
    if conditions.max_packet_loss is not None:
        yield from _loss(conditions.max_packet_loss, sender, reception, sources["loss_percent"])
    bound = conditions.max_jitter
    if bound is not None and (reception.jitter_ms is None or not reception.is_enough):
        yield _unmeasured(f"jitter from {sender}", "max_jitter", reception.unmeasured_reason, f"at most {bound:g} ms")
    elif bound is not None and reception.jitter_ms is not None and reception.jitter_ms > bound:
        value = f"{reception.jitter_ms:.1f} ms"
        yield _violation(
            f"jitter {value} from {sender}{sources['jitter_ms']}, at most {bound:g} ms allowed",
            "max_jitter",
            value,
            f"at most {bound:g} ms",
        )
    bound = conditions.min_mos
    if bound is not None and reception.mos is None:
        yield _unmeasured(
            f"MOS-CQE (E-model) from {sender}", "min_mos", reception.unmeasured_reason, f"at least {bound:g}"
        )
    elif bound is not None and reception.mos is not None and reception.mos < bound:
        yield _violation(
            f"MOS-CQE (E-model) {reception.mos:.2f} of the {sender}'s audio{sources['mos']}, at least {bound:g} needed",
            "min_mos",
            f"{reception.mos:.2f}",
            f"at least {bound:g}",
        )


def _loss(bound: float, sender: str, reception: Reception, source: str) -> Iterator[Violation]:
    required, loss = f"at most {bound:g} %", reception.loss_percent
    if loss is not None:
        if loss > bound:
            yield _violation(
                f"{loss:.1f} % of the {sender}'s packets lost{source}, {required} allowed",
                "max_packet_loss",
                f"{loss:.1f} %",
                required,
            )
        return
    most = reception.max_loss_percent
    if most is None or most > bound:
        by_due = "" if most is None else f"; at most {most:.0f} % by {reception.packets_due} packets due"
        yield _unmeasured(
            f"packet loss from {sender}", "max_packet_loss", reception.unmeasured_reason + by_due, required
        )


def _unmeasured(measure: str, condition: str, reason: str, required: str) -> Violation:
    text = f"{measure} not measurable: {reason}"
    return _violation(text, condition, "not measurable", required)


# ---- digits and prompts


def _content(conditions: Conditions, call: CallRecord) -> Iterator[Violation]:
    if conditions.dtmf_received is not None:
        yield from _digits(conditions.dtmf_received, call)
    after = 0.0
    for prompt in conditions.prompt_heard:
        match = find_prompt(prompt, call.received_by_caller.prompts, after)
        if isinstance(match, PromptMatch):
            after = match.at
        else:
            yield match


def _digits(expected: str, call: CallRecord) -> Iterator[Violation]:
    reception = call.received_by_callee
    if reception is None:
        yield _violation(
            f"DTMF {expected} expected; not measurable: {call.callee_unknown_reason}",
            "dtmf_received",
            "not measurable",
            expected,
        )
    elif reception.digits != expected:
        received = reception.digits or "nothing"
        yield _violation(f"DTMF {expected} expected, {received} received", "dtmf_received", received, expected)


def find_prompt(prompt: str, ranking: tuple[PromptMatch, ...], after: float) -> PromptMatch | Violation:
    """Return the match of the prompt, or a violation if it was not heard in time."""
    own = next((match for match in ranking if match.prompt == prompt), None)
    if own is None or own.score < SCORE_NEEDED:
        return _missing_prompt(prompt, own, ranking)
    rival = best_rival(ranking, own)
    if rival is not None:
        scores = f"({rival.score:.2f} against {own.score:.2f})"
        text = "heard" if rival.score > own.score else "sounds too similar"
        return _prompt_violation(prompt, f"'{rival.prompt}' {text} {scores}")
    if own.at < after:
        measured, required = f"'{prompt}' heard at {own.at:.1f} s", f"after {after:.1f} s"
        return _violation(f"prompt {measured}, expected {required}", "prompt_heard", measured, required)
    return own


def _missing_prompt(prompt: str, own: PromptMatch | None, ranking: tuple[PromptMatch, ...]) -> Violation:
    score = f"{own.score:.2f}" if own is not None else "none"
    best = ranking[0] if ranking else None
    if best is not None and best.prompt != prompt and best.score >= SCORE_NEEDED:
        return _prompt_violation(prompt, f"'{best.prompt}' heard (match {best.score:.2f} against {score})")
    if own is not None and own.score == TOO_SHORT:
        return _prompt_violation(prompt, "the call was too short for it")
    return _prompt_violation(prompt, f"no prompt of the catalogue heard (match {score}, {SCORE_NEEDED:g} needed)")


def _prompt_violation(prompt: str, measured: str) -> Violation:
    return _violation(f"prompt '{prompt}' expected, {measured}", "prompt_heard", measured, f"'{prompt}'")
