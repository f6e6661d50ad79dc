"""The source of each measurement, and what a source may claim."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sipfront.lab.calls.audio import AudioReceiver
from pytest_sipfront.lab.calls.call_measurement import measure_reception
from pytest_sipfront.lab.calls.call_record import BUFFER, RTCP, Reception

LADDERS = SimpleNamespace(media=lambda *_: (None, None))


def measured(
    *, rtcp_at: float | None, lost: int, packets: int, jbuf_lost: int | None = None, digits: str = "", overflow: int = 0
) -> Reception:
    """Return the reception of a call of 12 s without captured packets."""
    stats = SimpleNamespace(rx_packets=packets, rx_lost=lost, rx_errors=0, rx_jitter_ms=1.5, rtt_ms=None)
    stats.jbuf_lost, stats.jbuf_overflow, stats.jbuf_out_of_sequence = jbuf_lost, overflow, 2
    leg: Any = SimpleNamespace(
        answered_at=100.0, ended_at=112.0, rtcp_at=rtcp_at, stats=stats, receiver=AudioReceiver(), digits=digits,
        digit_times=[], drops_incoming=False, call_id="1",
    )  # fmt: skip
    stack: Any = SimpleNamespace(capture=None, has_jitter_buffer=jbuf_lost is not None, ladders=LADDERS)
    return measure_reception(leg, "", stack)


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


def test_the_jitter_buffer_counts_the_packets_of_the_whole_call() -> None:
    """It needs no report. Its jitter is none of RFC 3550, so that of RTCP counts if there is one."""
    reception = measured(rtcp_at=None, lost=0, packets=540, jbuf_lost=60)
    assert (reception.source, reception.loss_percent, reception.reordered) == (BUFFER, 10, 2)
    assert (reception.jitter_ms, reception.mos, reception.duplicates) == (None, None, None)
    both = measured(rtcp_at=110.0, lost=100, packets=540, jbuf_lost=60)
    assert (both.loss_percent, both.jitter_ms) == (10, 1.5)
    assert (both.sources["loss_percent"], both.sources["jitter_ms"], both.sources["mos"]) == (
        BUFFER,
        RTCP,
        "jitter buffer, RTCP",
    )


@pytest.mark.parametrize(
    "doubt", [{"digits": "1"}, {"overflow": 1}, {"packets": 590}], ids=["digits", "overflow", "more packets than due"]
)
def test_a_jitter_buffer_that_miscounted_is_no_source(doubt: dict[str, Any]) -> None:
    """It takes packets of digits for lost ones, so a healthy peer that sends DTMF has lost nothing."""
    reception = measured(**{"rtcp_at": None, "lost": 0, "packets": 540, "jbuf_lost": 60, **doubt})
    assert (reception.source, reception.loss_percent) == ("", None)
