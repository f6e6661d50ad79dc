"""Judging a call by conditions."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from pytest_sipfront.lab.calls.call_record import UNMEASURED, CallRecord, Reception
from pytest_sipfront.lab.calls.conditions import violations
from pytest_sipfront.lab.calls.prompt_recognition import PromptMatch
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.plugin.reports.reason_kinds import kind_of_text

WELL = Reception(
    packets=100, packets_due=100, lost=0, jitter_ms=1.0, rtt_ms=5.0, source="packet capture", level_dbfs=-20.0
)
ANSWERED = CallRecord(
    destination="100",
    answered=True,
    code=200,
    reason="OK",
    ended_after=2.2,
    post_dial_delay=0.05,
    answer_after=0.2,
    duration=2.0,
    received_by_caller=WELL,
    received_by_callee=replace(WELL, digits="42"),
    sent_packets=100,
)
BUSY = CallRecord(destination="300", answered=False, code=486, reason="Busy Here", ended_after=0.12)
RANG_OUT = CallRecord(
    destination="300",
    answered=False,
    code=487,
    reason="no answer",
    ended_after=3.0,
    cancelled=True,
    post_dial_delay=0.1,
)
MUTE = replace(ANSWERED, received_by_caller=Reception(longest_gap=2.0))


def texts(conditions: Conditions, call: CallRecord) -> list[str]:
    return [violation.text for violation in violations(conditions, call)]


def heard(*ranking: tuple[str, float, float]) -> CallRecord:
    prompts = tuple(PromptMatch(prompt=name, score=score, at=at) for name, score, at in ranking)
    return replace(ANSWERED, received_by_caller=replace(WELL, prompts=prompts))


def caller_hears(**changes: Any) -> CallRecord:
    return replace(ANSWERED, received_by_caller=replace(WELL, **changes))


def callee_hears(**changes: Any) -> CallRecord:
    return replace(ANSWERED, received_by_callee=replace(WELL, **changes))


@pytest.mark.parametrize(
    ("conditions", "call", "expected"),
    [
        ({}, BUSY, "486 Busy Here after 0.12 s"),
        ({"answered": True}, RANG_OUT, "no answer within 3.00 s, cancelled (487)"),
        ({"answered": False, "media": "none"}, ANSWERED, "answered after 0.20 s, no answer expected"),
        ({"answer_within": 0.1}, ANSWERED, "answered after 0.20 s, at most 0.1 s allowed"),
        ({"sip_code": 603, "media": "none"}, BUSY, "486 Busy Here after 0.12 s, 603 expected"),
        ({"sip_code": 486, "media": "none"}, ANSWERED, "200 OK after 0.20 s, 486 expected"),
        ({"answer_within": 1, "media": "none"}, BUSY, "486 Busy Here after 0.12 s"),
        ({"duration": (0, 3), "media": "none"}, RANG_OUT, "no answer within 3.00 s, cancelled (487)"),
        ({"ended_by": "caller", "media": "none"}, BUSY, "486 Busy Here after 0.12 s"),
        ({"max_post_dial_delay": 0.01}, ANSWERED, "post-dial delay 0.05 s, at most 0.01 s allowed"),
        ({"duration": (3, 5)}, ANSWERED, "call lasted 2.00 s, ended by the caller; 3 to 5 s expected"),
        ({"ended_by": "callee"}, ANSWERED, "ended by the caller after 2.00 s, to be ended by the callee"),
        ({}, MUTE, "no RTP from callee for 2.0 s"),
        (
            {"max_rtp_gap": 1},
            caller_hears(longest_gap=1.2),
            "no RTP from callee for 1.2 s, max_rtp_gap allows 1 s",
        ),
        ({"rtp": "from_caller"}, callee_hears(packets=0, longest_gap=2.0), "no RTP from caller for 2.0 s"),
        (
            {"not_silent": "from_callee"},
            caller_hears(level_dbfs=-70.0),
            "silence from callee: -70 dBFS, -50 dBFS needed",
        ),
        (
            {"not_silent": "from_caller"},
            callee_hears(level_dbfs=float("-inf")),
            "silence from caller: no audio, -50 dBFS needed",
        ),
        (
            {"max_packet_loss": 1},
            caller_hears(lost=5),
            "4.8 % of the callee's packets lost (packet capture), at most 1 % allowed",
        ),
        (
            {"max_jitter": 20},
            caller_hears(jitter_ms=31.5),
            "jitter 31.5 ms from callee (packet capture), at most 20 ms allowed",
        ),
        (
            {"min_mos": 4},
            caller_hears(lost=10),
            "MOS-CQE (E-model) 3.47 of the callee's audio (packet capture), at least 4 needed",
        ),
        (
            {"max_packet_loss": 5},
            caller_hears(lost=None, packets=90),
            f"packet loss from callee not measurable: {UNMEASURED}; at most 10 % by 100 packets due",
        ),
        ({"max_jitter": 20}, caller_hears(jitter_ms=None), f"jitter from callee not measurable: {UNMEASURED}"),
        (
            {"rtp": "from_callee"},
            replace(caller_hears(packets=1, longest_gap=0.28), duration=0.3),
            "call of 0.30 s is too short to judge RTP from callee: 1 packet received, 10 needed; add 'hold' or 'play'",
        ),
        ({"bye_confirmed": True, "media": "none"}, ANSWERED, "no response from the callee to BYE, 200 expected"),
        (
            {"answered": False, "media": "none"},
            replace(RANG_OUT, reason="no response", code=None, post_dial_delay=None),
            "no response within 3.00 s, cancelled; 'answered: false' needs ringing, 480, 486, 600, 603, or 'sip_code'",
        ),
        (
            {},
            replace(MUTE, media_problem="its SDP rejects the audio (port 0)"),
            "no audio with the callee: its SDP rejects the audio (port 0)",
        ),
        ({"dtmf_received": "42"}, callee_hears(digits="4"), "DTMF 42 expected, 4 received"),
        ({"dtmf_received": "42"}, callee_hears(digits=""), "DTMF 42 expected, nothing received"),
        (
            {"prompt_heard": ("sales",)},
            heard(("support", 0.97, 1.0), ("sales", 0.2, 0.0)),
            "prompt 'sales' expected, 'support' heard (match 0.97 against 0.20)",
        ),
        (
            {"prompt_heard": ("sales",)},
            heard(("support", 0.4, 1.0), ("sales", 0.2, 0.0)),
            "prompt 'sales' expected, no prompt of the catalogue heard (match 0.20, 0.78 needed)",
        ),
        (
            {"prompt_heard": ("sales",)},
            heard(("support", 0.3, 0.0), ("sales", -1.0, 0.0)),
            "prompt 'sales' expected, the call was too short for it",
        ),
        (
            {"prompt_heard": ("sales",)},
            heard(("sales", 0.9, 1.0), ("sails", 0.89, 1.1)),
            "prompt 'sales' expected, 'sails' sounds too similar (0.89 against 0.90)",
        ),
        (
            {"prompt_heard": ("menu", "sales")},
            heard(("sales", 0.9, 1.0), ("menu", 0.9, 3.0)),
            "prompt 'sales' heard at 1.0 s, expected after 3.0 s",
        ),
    ],
)
def test_a_violation_names_measure_and_bound(conditions: dict[str, Any], call: CallRecord, expected: str) -> None:
    """Each violation is one sentence with the measured value, and there is no other."""
    (violation,) = violations(Conditions(**conditions), call)
    assert violation.text == expected
    assert violation.condition in Conditions.model_fields
    assert violation.measured in expected
    assert violation.required
    one_direction = conditions.get("rtp") is not None  # the text does not tell that the other one is not judged
    assert violation.kind == ("no-media" if one_direction else kind_of_text(expected))


def test_a_violation_has_measure_and_bound_for_tables() -> None:
    """Each with its unit."""
    (violation,) = violations(Conditions(answer_within=0.1), ANSWERED)
    assert (violation.condition, violation.measured, violation.required) == ("answer_within", "0.20 s", "at most 0.1 s")


@pytest.mark.parametrize(
    ("conditions", "call"),
    [
        ({}, ANSWERED),
        ({"media": "none", "sip_code": 486}, BUSY),
        ({"media": "none", "answered": False}, RANG_OUT),
        ({"media": "none", "max_post_dial_delay": 1}, RANG_OUT),
        ({"rtp": "from_caller"}, MUTE),
        ({"max_rtp_gap": 3}, caller_hears(longest_gap=2.9)),
        ({}, caller_hears(longest_gap=9.0)),
        ({"max_packet_loss": 10}, caller_hears(lost=None, packets=90)),
        ({"bye_confirmed": True}, replace(ANSWERED, bye_confirmed_after=0.01)),
        ({"media": "none", "answered": False}, BUSY),
        ({"prompt_heard": ("menu", "sales")}, heard(("sales", 0.9, 3.0), ("menu", 0.9, 1.0))),
        ({"dtmf_received": "42", "min_mos": 4, "not_silent": "both", "duration": (1, 3)}, ANSWERED),
    ],
)
def test_a_call_that_meets_its_conditions_has_no_violation(conditions: dict[str, Any], call: CallRecord) -> None:
    """Conditions that hold cause no sentence."""
    assert texts(Conditions(**conditions), call) == []


def test_all_violations_are_listed_together() -> None:
    """The first violation does not hide the others."""
    call = replace(
        ANSWERED, received_by_caller=replace(WELL, level_dbfs=-80.0), received_by_callee=replace(WELL, digits="4")
    )
    sentences = texts(Conditions(answer_within=0.1, not_silent="from_callee", dtmf_received="42"), call)
    assert [sentence.split()[0] for sentence in sentences] == ["answered", "silence", "DTMF"]


def test_other_conditions_still_need_media() -> None:
    """A call without RTP fails even if all other conditions hold."""
    assert texts(Conditions(answered=True, answer_within=1.0), MUTE) == ["no RTP from callee for 2.0 s"]


def test_a_mute_call_has_no_quality() -> None:
    """Without RTP there is no MOS, and `min_mos` is violated."""
    assert MUTE.received_by_caller.mos is None
    sentences = texts(Conditions(min_mos=1), MUTE)
    assert "MOS-CQE (E-model) from callee not measurable: 0 RTP packets received, 10 needed" in sentences


def test_digits_received_by_another_phone_are_not_measurable() -> None:
    """A condition that the lab cannot measure is violated."""
    sentences = texts(Conditions(dtmf_received="1"), replace(ANSWERED, received_by_callee=None))
    assert sentences == ["DTMF 1 expected; not measurable: the called side is not a phone of the lab"]


def test_a_single_packet_has_no_quality() -> None:
    """A mute phone sends a single packet, which is too few for an estimate."""
    sentences = texts(Conditions(min_mos=4), caller_hears(packets=1, longest_gap=1.9))
    assert sentences == [
        "no RTP from callee for 1.9 s (1 packet in all)",
        "MOS-CQE (E-model) from callee not measurable: 1 RTP packet received, 10 needed",
    ]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"sip_code": 486}, "add 'media: none'"),
        ({"answered": False}, "add 'media: none'"),
        ({"media": "none", "answered": True, "min_mos": 4}, "'media: none' and min_mos are mutually exclusive"),
        ({"media": "none", "answered": True, "max_packet_loss": 0}, "'media: none' and max_packet_loss are mutually"),
        ({"media": "none"}, "'media: none' alone accepts every call"),
        ({"media": "none", "sip_code": 486, "answer_within": 1}, "must not be answered contradicts answer_within"),
    ],
)
def test_conditions_that_contradict_each_other_are_refused(conditions: dict[str, Any], expected: str) -> None:
    """A call that must not be answered needs `media: none`."""
    with pytest.raises(ValueError, match=re.escape(expected)):
        Conditions(**conditions)
