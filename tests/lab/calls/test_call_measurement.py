"""The source of each measurement, and what a source may claim."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sipfront.lab.calls.audio import AudioReceiver
from pytest_sipfront.lab.calls.call_measurement import RTCP, measure_reception
from pytest_sipfront.lab.calls.call_record import Reception

STACK: Any = SimpleNamespace(capture=None, ladders=SimpleNamespace(media=lambda *_: (None, None)))


def measured(*, rtcp_at: float | None, lost: int, packets: int) -> Reception:
    """Return the reception of a call of 12 s without captured packets."""
    stats = SimpleNamespace(rx_packets=packets, rx_lost=lost, rx_errors=0, rx_jitter_ms=1.5, rtt_ms=None)
    leg: Any = SimpleNamespace(
        answered_at=100.0, ended_at=112.0, rtcp_at=rtcp_at, stats=stats, receiver=AudioReceiver(), digits="",
        drops_incoming=False, call_id="1",
    )  # fmt: skip
    return measure_reception(leg, "", STACK)


def test_a_report_before_the_end_stands_for_the_whole_call() -> None:
    """The stack counts losses when a report arrives: 50 of 500 packets until 10 s are 60 of 600 until 12 s."""
    reception = measured(rtcp_at=110.0, lost=50, packets=540)
    assert (reception.source, reception.lost) == (RTCP, 60)
    assert reception.loss_percent == 10


@pytest.mark.parametrize("rtcp_at", [None, 105.0])
def test_without_a_report_on_half_of_the_call_nothing_is_measured(rtcp_at: float | None) -> None:
    """The packets due by the length of the call only limit the loss."""
    reception = measured(rtcp_at=rtcp_at, lost=0, packets=540)
    assert (reception.source, reception.lost, reception.jitter_ms, reception.mos) == ("", None, None, None)
    assert reception.packets_due == 601
    assert reception.max_loss_percent == pytest.approx(100 * 61 / 601)
