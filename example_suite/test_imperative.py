"""Runs from a test's body, for cases that a marker cannot describe."""

from __future__ import annotations

import pytest

from pytest_sipfront import Sipfront


def test_two_calls_at_the_same_time(sipfront: Sipfront) -> None:
    """Launch both runs, then wait for them."""
    busy = sipfront.launch(test="Busy number")
    basic = sipfront.launch(test="Basic call")
    assert busy.wait().passed
    assert basic.wait().passed


def test_measurements(sipfront: Sipfront) -> None:
    """Assert on the platform's measurements. Each has a value and a unit."""
    run = sipfront.run(test="Basic call")
    stats = sipfront.stats(run).data["stats"]
    if not stats:
        pytest.skip("no measurements: this machine cannot place calls, so the verdicts are scripted")
    assert stats["mos_cqe_caller"]["unit"] == "MOS-CQE (E-model)"
    assert stats["mos_cqe_caller"]["value"] > 4.2
    assert stats["rtp_packets_caller"]["value"] > 40
