"""Judge a call by the conditions of its test.

Unless the conditions contain `media: none`, RTP must have arrived in both directions, or in those that `rtp` names.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_sipfront.lab.calls.call_record import CALLEE, CALLER, LAB, SILENCE_DBFS, CallRecord, Reception
from pytest_sipfront.lab.calls.prompt_recognition import MARGIN_NEEDED, SCORE_NEEDED, TOO_SHORT, PromptMatch, rivals
from pytest_sipfront.lab.file.call_conditions import BOTH, Conditions
from pytest_sipfront.lab.platform.executor import Violation

NOT_MEASURABLE = "not measurable"
_SAME_PLACE_SECONDS = 0.4
_WHO = {CALLER: "the caller", CALLEE: "the callee", LAB: "a limit of the lab"}
_NO_LAB_PHONE = "the called side is not a phone of the lab"


def violations(conditions: Conditions, call: CallRecord) -> list[Violation]:
    """Return every violated condition."""
    found = [*_setup(conditions, call)]
    if call.answered:
        found += [*_course(conditions, call), *_media(conditions, call), *_content(conditions, call)]
    return found


def _violation(condition: str, measured: str, required: str, sentence: str) -> Violation:
    text = sentence.format(measured=measured, required=required)
    return Violation(condition=condition, measured=measured, required=required, text=text)


def _setup(conditions: Conditions, call: CallRecord) -> Iterator[Violation]:
    if conditions.answered is False and call.answered:
        measured = f"answered after {call.answer_after:.2f} s"
        yield _violation("answered", measured, "no answer", "{measured}, {required} expected")
    if conditions.sip_code is not None and call.code != conditions.sip_code:
        yield _violation("sip_code", call.outcome, f"{conditions.sip_code}", "{measured}, {required} expected")
    elif not call.answered and conditions.wants_answer:
        yield _violation("answered", call.outcome, "an answered call", "{measured}")
    bound = conditions.answer_within
    if bound is not None and call.answer_after is not None and call.answer_after > bound:
        measured, required = f"{call.answer_after:.2f} s", f"at most {bound:g} s"
        yield _violation("answer_within", measured, required, "answered after {measured}, {required} allowed")
    if conditions.max_post_dial_delay is not None:
        yield from _post_dial_delay(call, conditions.max_post_dial_delay)


def _post_dial_delay(call: CallRecord, bound: float) -> Iterator[Violation]:
    condition, required = "max_post_dial_delay", f"at most {bound:g} s"
    if call.post_dial_delay is None:
        sentence = f"post-dial delay {{measured}}: no ringing and no answer within {call.ended_after:.2f} s"
        yield _violation(condition, NOT_MEASURABLE, required, sentence)
    elif call.post_dial_delay > bound:
        measured = f"{call.post_dial_delay:.2f} s"
        yield _violation(condition, measured, required, "post-dial delay {measured}, {required} allowed")


def _course(conditions: Conditions, call: CallRecord) -> Iterator[Violation]:
    duration, ended_by = f"{call.duration:.2f} s", _WHO[call.ended_by]
    if conditions.duration is not None:
        least, most = conditions.duration
        if not least <= call.duration <= most:
            sentence = f"call lasted {{measured}}, ended by {ended_by}; {{required}} expected"
            yield _violation("duration", duration, f"{least:g} to {most:g} s", sentence)
    if conditions.ended_by is not None and call.ended_by != conditions.ended_by:
        sentence = f"ended by {{measured}} after {duration}, to be ended by {{required}}"
        yield _violation("ended_by", ended_by, _WHO[conditions.ended_by], sentence)


def _media(conditions: Conditions, call: CallRecord) -> Iterator[Violation]:
    proof, audible = conditions.proof, conditions.not_silent
    for name, reception in _ends(call):
        if proof in (BOTH, f"from_{name}"):
            yield from _rtp(name, reception, call, conditions.max_rtp_gap)
        if audible in (BOTH, f"from_{name}") and (reception is None or reception.level_dbfs < SILENCE_DBFS):
            yield _silence(name, reception)
    for name, reception in _ends(call):
        if reception is not None:
            yield from _quality(conditions, name, reception)


def _ends(call: CallRecord) -> tuple[tuple[str, Reception | None], ...]:
    return (CALLEE, call.received_by_caller), (CALLER, call.received_by_callee)


def _rtp(sender: str, reception: Reception | None, call: CallRecord, longest: float) -> Iterator[Violation]:
    if reception is None:  # the called side is not a phone of the lab, so only the sent packets are known
        if not call.sent_packets:
            yield _violation("rtp", f"no RTP sent by the {sender}", f"RTP from the {sender}", "{measured}")
        return
    # even a call shorter than the longest gap needs audio for half of its duration
    bound = min(longest, max(call.duration / 2, 0.5))
    if not reception.packets or reception.longest_gap > bound:
        gap = reception.longest_gap if reception.packets else max(reception.longest_gap, call.duration)
        required = f"no gap longer than {bound:.2g} s"
        yield _violation("max_rtp_gap", f"no RTP from {sender} for {gap:.1f} s", required, "{measured}")


def _silence(sender: str, reception: Reception | None) -> Violation:
    required = f"at least {SILENCE_DBFS:.0f} dBFS"
    if reception is None:
        sentence = f"level from {sender} {{measured}}: {_NO_LAB_PHONE}"
        return _violation("not_silent", NOT_MEASURABLE, required, sentence)
    measured = "no audio" if reception.level_dbfs == float("-inf") else f"{reception.level_dbfs:.0f} dBFS at most"
    return _violation(
        "not_silent", measured, required, f"silence from {sender}: {{measured}}, {SILENCE_DBFS:.0f} dBFS needed"
    )


def _quality(conditions: Conditions, sender: str, reception: Reception) -> Iterator[Violation]:
    bound = conditions.max_packet_loss
    if bound is not None and reception.loss_percent > bound:
        measured, required = f"{reception.loss_percent:.1f} %", f"at most {bound:g} %"
        sentence = f"{{measured}} of the {sender}'s packets lost, {{required}} allowed"
        yield _violation("max_packet_loss", measured, required, sentence)
    if conditions.max_jitter is not None and reception.jitter_ms > conditions.max_jitter:
        measured, required = f"{reception.jitter_ms:.1f} ms", f"at most {conditions.max_jitter:g} ms"
        yield _violation("max_jitter", measured, required, f"jitter {{measured}} from {sender}, {{required}} allowed")
    if conditions.min_mos is not None:
        yield from _mos(conditions.min_mos, sender, reception)


def _mos(bound: float, sender: str, reception: Reception) -> Iterator[Violation]:
    required = f"at least {bound:g}"
    if reception.mos is None:
        received = f"RTP packets received: {reception.packets}" if reception.packets else "no RTP received"
        sentence = f"MOS-CQE (E-model) of the {sender}'s audio {{measured}}: {received}"
        yield _violation("min_mos", NOT_MEASURABLE, required, sentence)
    elif reception.mos < bound:
        sentence = f"MOS-CQE (E-model) {{measured}} of the {sender}'s audio, {{required}} needed"
        yield _violation("min_mos", f"{reception.mos:.2f}", required, sentence)


def _content(conditions: Conditions, call: CallRecord) -> Iterator[Violation]:
    if conditions.dtmf_received is not None:
        yield from _digits(conditions.dtmf_received, call.received_by_callee)
    after = 0.0
    for prompt in conditions.prompt_heard:
        match = _find_prompt(prompt, call.received_by_caller.prompts, after)
        if isinstance(match, Violation):
            yield match
        else:
            after = match.at


def _digits(required: str, reception: Reception | None) -> Iterator[Violation]:
    if reception is None:
        sentence = f"DTMF {{required}} expected; {{measured}}: {_NO_LAB_PHONE}"
        yield _violation("dtmf_received", NOT_MEASURABLE, required, sentence)
    elif reception.digits != required:
        measured = reception.digits or "nothing"
        yield _violation("dtmf_received", measured, required, "DTMF {required} expected, {measured} received")


def _find_prompt(prompt: str, ranking: tuple[PromptMatch, ...], after: float) -> PromptMatch | Violation:
    """Return the match of the prompt, or a violation if it was not heard in time."""
    own = next((match for match in ranking if match.prompt == prompt), None)
    if own is None or own.score < SCORE_NEEDED:
        return _missing_prompt(prompt, own, ranking)
    rival = next(iter(rivals(ranking, prompt, _SAME_PLACE_SECONDS)), None)
    if rival is not None and own.score - rival.score < MARGIN_NEEDED:
        scores = f"({rival.score:.2f} against {own.score:.2f}, a margin of {MARGIN_NEEDED:g} needed)"
        return _prompt_violation(prompt, f"'{rival.prompt}' sounds too similar {scores}")
    if own.at < after:
        measured, required = f"'{prompt}' heard at {own.at:.1f} s", f"after {after:.1f} s"
        return _violation("prompt_heard", measured, required, "prompt {measured}, expected {required}")
    return own


def _missing_prompt(prompt: str, own: PromptMatch | None, ranking: tuple[PromptMatch, ...]) -> Violation:
    score = f"{own.score:.2f}" if own is not None else "none"
    best = ranking[0] if ranking else None
    if best is not None and best.prompt != prompt and best.score >= SCORE_NEEDED:
        return _prompt_violation(prompt, f"'{best.prompt}' heard (match {best.score:.2f} against {score})")
    if own is not None and own.score == TOO_SHORT:
        return _prompt_violation(prompt, "the call was too short for it")
    measured = f"no prompt of the catalogue heard (match {score}, {SCORE_NEEDED:g} needed)"
    return _prompt_violation(prompt, measured)


def _prompt_violation(prompt: str, measured: str) -> Violation:
    return _violation("prompt_heard", measured, f"'{prompt}'", "prompt {required} expected, {measured}")
