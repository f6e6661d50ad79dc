"""Judge a call by the conditions of its test.

Unless the conditions contain `media: none`, RTP must have arrived in both directions, or in those that `rtp` names.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_sipfront.lab.calls.call_record import CALLEE, CALLER, LAB, SILENCE_DBFS, CallRecord, Reception
from pytest_sipfront.lab.calls.prompt_recognition import MARGIN_NEEDED, SCORE_NEEDED, TOO_SHORT, PromptMatch, rivals
from pytest_sipfront.lab.file.call_conditions import BOTH, Conditions

_SAME_PLACE_SECONDS = 0.4
_WHO = {CALLER: "the caller", CALLEE: "the callee", LAB: "a limit of the lab"}


def violations(conditions: Conditions, call: CallRecord) -> list[str]:
    """Return a sentence for each violated condition, with the measured value and the bound."""
    sentences = [*call.complaints, *_setup(conditions, call)]
    if call.answered:
        sentences += [*_course(conditions, call), *_media(conditions, call), *_content(conditions, call)]
    return list(dict.fromkeys(sentences))


def _setup(conditions: Conditions, call: CallRecord) -> Iterator[str]:
    if conditions.answered is False and call.answered:
        yield f"answered after {call.answer_after:.2f} s, no answer expected"
    if conditions.sip_code is not None and call.code != conditions.sip_code:
        yield f"{call.outcome}, {conditions.sip_code} expected"
    elif not call.answered and conditions.wants_answer:
        yield call.outcome
    bound = conditions.answer_within
    if bound is not None and call.answer_after is not None and call.answer_after > bound:
        yield f"answered after {call.answer_after:.2f} s, at most {bound:g} s allowed"
    if conditions.max_post_dial_delay is not None:
        yield from _post_dial_delay(call, conditions.max_post_dial_delay)


def _post_dial_delay(call: CallRecord, bound: float) -> Iterator[str]:
    if call.post_dial_delay is None:
        yield f"post-dial delay not measurable: no ringing and no answer within {call.ended_after:.2f} s"
    elif call.post_dial_delay > bound:
        yield f"post-dial delay {call.post_dial_delay:.2f} s, at most {bound:g} s allowed"


def _course(conditions: Conditions, call: CallRecord) -> Iterator[str]:
    if conditions.duration is not None:
        least, most = conditions.duration
        if not least <= call.duration <= most:
            by = f"ended by {_WHO[call.ended_by]}"
            yield f"call lasted {call.duration:.2f} s, {by}; {least:g} to {most:g} s expected"
    if conditions.ended_by is not None and call.ended_by != conditions.ended_by:
        yield (
            f"ended by {_WHO[call.ended_by]} after {call.duration:.2f} s, "
            f"to be ended by {_WHO.get(conditions.ended_by, conditions.ended_by)}"
        )


def _media(conditions: Conditions, call: CallRecord) -> Iterator[str]:
    proof, audible = conditions.proof, conditions.not_silent
    for name, reception in _ends(call):
        if proof in (BOTH, f"from_{name}"):
            yield from _rtp(name, reception, call, conditions.max_rtp_gap)
        if audible in (BOTH, f"from_{name}") and (reception is None or reception.level_dbfs < SILENCE_DBFS):
            yield _silent(name, reception)
    for name, reception in _ends(call):
        if reception is not None:
            yield from _quality(conditions, name, reception)


def _ends(call: CallRecord) -> tuple[tuple[str, Reception | None], ...]:
    return (CALLEE, call.received_by_caller), (CALLER, call.received_by_callee)


def _rtp(sender: str, reception: Reception | None, call: CallRecord, longest: float) -> Iterator[str]:
    if reception is None:  # the called side is not a phone of the lab, so only the sent packets are known
        if not call.sent_packets:
            yield f"no RTP sent by the {sender}"
        return
    # even a call shorter than the longest gap needs audio for half of its duration
    if not reception.packets or reception.longest_gap > min(longest, max(call.duration / 2, 0.5)):
        gap = reception.longest_gap if reception.packets else max(reception.longest_gap, call.duration)
        yield f"no RTP from {sender} for {gap:.1f} s"


def _silent(sender: str, reception: Reception | None) -> str:
    if reception is None:
        return f"level from {sender} not measurable: the called side is not a phone of the lab"
    level = "no audio" if reception.level_dbfs == float("-inf") else f"{reception.level_dbfs:.0f} dBFS at most"
    return f"silence from {sender}: {level}, {SILENCE_DBFS:.0f} dBFS needed"


def _quality(conditions: Conditions, sender: str, reception: Reception) -> Iterator[str]:
    bound = conditions.max_packet_loss
    if bound is not None and reception.loss_percent > bound:
        yield f"{reception.loss_percent:.1f} % of the {sender}'s packets lost, at most {bound:g} % allowed"
    if conditions.max_jitter is not None and reception.jitter_ms > conditions.max_jitter:
        yield f"jitter {reception.jitter_ms:.1f} ms from {sender}, at most {conditions.max_jitter:g} ms allowed"
    if conditions.min_mos is None:
        return
    if reception.mos is None:
        received = f"RTP packets received: {reception.packets}" if reception.packets else "no RTP received"
        yield f"MOS-CQE (E-model) of the {sender}'s audio not measurable: {received}"
    elif reception.mos < conditions.min_mos:
        yield f"MOS-CQE (E-model) {reception.mos:.2f} of the {sender}'s audio, at least {conditions.min_mos:g} needed"


def _content(conditions: Conditions, call: CallRecord) -> Iterator[str]:
    if conditions.dtmf_received is not None:
        yield from _digits(conditions.dtmf_received, call.received_by_callee)
    after = 0.0
    for prompt in conditions.prompt_heard:
        match = _find_prompt(prompt, call.received_by_caller.prompts, after)
        if isinstance(match, str):
            yield match
        else:
            after = match.at


def _digits(wanted: str, reception: Reception | None) -> Iterator[str]:
    if reception is None:
        yield f"DTMF {wanted} expected; not measurable: the called side is not a phone of the lab"
    elif reception.digits != wanted:
        yield f"DTMF {wanted} expected, {reception.digits or 'nothing'} received"


def _find_prompt(prompt: str, ranking: tuple[PromptMatch, ...], after: float) -> PromptMatch | str:
    """Return the match of the prompt, or a sentence about its absence."""
    own = next((match for match in ranking if match.prompt == prompt), None)
    if own is None or own.score < SCORE_NEEDED:
        return _missing_prompt(prompt, own, ranking)
    rival = next(iter(rivals(ranking, prompt, _SAME_PLACE_SECONDS)), None)
    if rival is not None and own.score - rival.score < MARGIN_NEEDED:
        return (
            f"prompt '{prompt}' expected, '{rival.prompt}' sounds too similar "
            f"({rival.score:.2f} against {own.score:.2f}, a margin of {MARGIN_NEEDED:g} needed)"
        )
    if own.at < after:
        return f"prompt '{prompt}' heard at {own.at:.1f} s, expected after {after:.1f} s"
    return own


def _missing_prompt(prompt: str, own: PromptMatch | None, ranking: tuple[PromptMatch, ...]) -> str:
    score = f"{own.score:.2f}" if own is not None else "none"
    best = ranking[0] if ranking else None
    if best is not None and best.prompt != prompt and best.score >= SCORE_NEEDED:
        return f"prompt '{prompt}' expected, '{best.prompt}' heard (match {best.score:.2f} against {score})"
    if own is not None and own.score == TOO_SHORT:
        return f"prompt '{prompt}' expected, the call was too short for it"
    return f"prompt '{prompt}' expected, no prompt of the catalogue heard (match {score}, {SCORE_NEEDED:g} needed)"
