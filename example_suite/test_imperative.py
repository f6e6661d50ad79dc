"""Runs from within a test, for what a mark cannot say."""

from __future__ import annotations

import pytest

from pytest_sipfront import Sipfront


def test_two_calls_at_the_same_time(sipfront: Sipfront) -> None:
    """Launch first, wait later."""
    busy = sipfront.launch(test="Busy number")
    basic = sipfront.launch(test="Basic call")
    assert busy.wait().passed
    assert basic.wait().passed


def test_what_was_measured(sipfront: Sipfront) -> None:
    """The platform's measurements, with their units, for bounds of your own."""
    run = sipfront.run(test="Basic call")
    stats = sipfront.stats(run).data["stats"]
    if not stats:
        pytest.skip("nothing was measured: this machine cannot place calls, and the lab scripts its verdicts")
    assert stats["mos_cqe_caller"]["unit"] == "MOS-CQE (E-model)"
    assert stats["mos_cqe_caller"]["value"] > 4.2
    assert stats["rtp_packets_caller"]["value"] > 40
