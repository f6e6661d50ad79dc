"""The result of a run from the records of its calls."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

pytest.importorskip("numpy", reason="numpy comes with the extra 'lab'")

from pytest_sipfront.lab.calls.ladder import Rung
from pytest_sipfront.lab.calls.run_result import CallRecords, conclude
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.platform.executor import SipMessage
from tests.lab.calls.test_conditions import ANSWERED, BUSY, WELL

LADDER = (Rung(10.0, "->", "INVITE"), Rung(10.25, "<-", "SIP/2.0 486 Busy Here (1 INVITE)"))


def test_zero_calls_never_pass() -> None:
    """A run without a call fails."""
    result = conclude(Conditions(), [])
    assert (result.state, result.description) == ("failed", "no call was placed")


def test_one_bad_call_among_many_fails_the_run_and_is_named() -> None:
    """Every call must meet the conditions. The result names the one that does not and contains its messages."""
    result = conclude(Conditions(), [ANSWERED, replace(BUSY, ladder=LADDER), ANSWERED])
    assert result.state == "failed"
    assert result.description == "call 2 of 3: 486 Busy Here after 0.12 s"
    assert [(violation.condition, violation.call) for violation in result.violations] == [("answered", 2)]
    assert result.ladder == (
        SipMessage(0.0, "->", "INVITE"),
        SipMessage(0.25, "<-", "SIP/2.0 486 Busy Here (1 INVITE)"),
    )


def test_long_descriptions_are_shortened() -> None:
    """A run with a hundred busy calls lists the first few."""
    result = conclude(Conditions(), [BUSY] * 100)
    assert result.description.endswith("; and 95 more calls")


def test_measurements_have_units_and_show_the_worst_call() -> None:
    """Of several calls the worst value counts, because bounds apply to it."""
    worse = replace(ANSWERED, answer_after=0.9, received_by_caller=replace(WELL, lost=25, jitter_ms=30.0))
    measures = conclude(Conditions(), [ANSWERED, worse]).measures
    assert (measures["answer_time"].value, measures["answer_time"].unit) == (0.9, "s")
    assert (measures["packet_loss_caller"].value, measures["packet_loss_caller"].unit) == (20.0, "%")
    assert (measures["jitter_caller"].value, measures["jitter_caller"].unit) == (30.0, "ms")
    assert measures["mos_cqe_caller"].unit == "MOS-CQE (E-model)"
    assert measures["calls_answered"].value == 2


def test_recordings_of_both_ends_are_kept() -> None:
    """The received audio of both ends can be downloaded."""
    ends = replace(WELL, audio=b"\1\0" * 800)
    result = conclude(Conditions(), [replace(ANSWERED, received_by_caller=ends, received_by_callee=ends)])
    assert set(result.recordings) == {"caller", "callee"}
    assert result.recordings["caller"].startswith(b"RIFF")


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_only_the_call_that_is_shown_keeps_its_audio(order: tuple[int, ...]) -> None:
    """A run of many calls keeps one recording of each end, whichever call ends first."""
    ends = replace(WELL, audio=b"\1\0" * 800)
    passed = replace(ANSWERED, received_by_caller=ends, received_by_callee=ends)
    failed = replace(passed, received_by_caller=replace(ends, packets=0))
    for calls, shown in (([passed] * 4, 0), ([passed, passed, failed, failed], 2)):
        records = CallRecords(Conditions())
        for number in order:
            records.add(number, calls[number])
        with_audio = [number for number, call in enumerate(records.in_order()) if call.received_by_caller.audio]
        assert with_audio == [shown]
        assert set(conclude(Conditions(), records.in_order()).recordings) == {"caller", "callee"}
