"""From calls to the finding of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("numpy", reason="numpy comes with the extra 'lab'")

from pytest_sipfront.lab.calls.ladder import Rung
from pytest_sipfront.lab.calls.run_result import conclude
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.platform.executor import SipMessage
from tests.lab.calls.test_conditions import ANSWERED, BUSY, WELL

LADDER = (Rung(10.0, "->", "INVITE"), Rung(10.25, "<-", "SIP/2.0 486 Busy Here (1 INVITE)"))


def test_zero_calls_never_pass() -> None:
    """A run that placed no call has proved nothing."""
    finding = conclude(Conditions(), [], [])
    assert (finding.state, finding.description) == ("failed", "no call was placed")


def test_one_bad_call_among_many_fails_the_run_and_is_named() -> None:
    """Every call has to hold; the report says which did not, and shows that one's messages."""
    finding = conclude(Conditions(), [ANSWERED, BUSY, ANSWERED], [(), LADDER, ()])
    assert finding.state == "failed"
    assert finding.description == "call 2 of 3: 486 Busy Here after 0.12 s"
    assert finding.ladder == (
        SipMessage(0.0, "->", "INVITE"),
        SipMessage(0.25, "<-", "SIP/2.0 486 Busy Here (1 INVITE)"),
    )


def test_many_bad_calls_are_told_in_short() -> None:
    """A run of a hundred busy calls does not fill a page."""
    finding = conclude(Conditions(), [BUSY] * 100, [()] * 100)
    assert finding.description.endswith("; and 95 more calls")


def test_measurements_have_units_and_show_the_worst_call() -> None:
    """Of several calls the worst value is told, since it is the one that a bound is about."""
    worse = replace(ANSWERED, answer_after=0.9, heard_by_caller=replace(WELL, lost=25, jitter_ms=30.0))
    measures = conclude(Conditions(), [ANSWERED, worse], [(), ()]).measures
    assert (measures["answer_time"].value, measures["answer_time"].unit) == (0.9, "s")
    assert (measures["packet_loss_caller"].value, measures["packet_loss_caller"].unit) == (20.0, "%")
    assert (measures["jitter_caller"].value, measures["jitter_caller"].unit) == (30.0, "ms")
    assert measures["mos_cqe_caller"].unit == "MOS-CQE (E-model)"
    assert measures["calls_answered"].value == 2


def test_recordings_of_both_ends_are_kept() -> None:
    """What either end heard can be downloaded."""
    ends = replace(WELL, audio=b"\1\0" * 800)
    finding = conclude(Conditions(), [replace(ANSWERED, heard_by_caller=ends, heard_by_callee=ends)], [()])
    assert set(finding.recordings) == {"caller", "callee"}
    assert finding.recordings["caller"].startswith(b"RIFF")
