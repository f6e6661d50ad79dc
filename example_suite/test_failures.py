"""Calls that must fail, with their reasons."""

from __future__ import annotations

import pytest


@pytest.mark.sipfront(test="Busy number")
def test_busy() -> None:
    """The Sipfront test itself expects the 486, so it passes."""


@pytest.mark.sipfront(test="No answer")
def test_no_answer() -> None:
    """The phone rings and is not answered. The Sipfront test expects that, so it passes."""


@pytest.mark.sipfront(test="Basic call", step_1_0_dial_destination="43123111", expect="failed", match="486")
def test_a_busy_destination_is_reported() -> None:
    """A Sipfront test that expects an answer fails with the final SIP code as its reason."""


@pytest.mark.sipfront(test="Basic call", step_1_0_dial_destination="43123113", expect="failed", match="no RTP")
def test_one_way_audio_is_caught() -> None:
    """The call is answered, but the callee sends no audio."""


@pytest.mark.sipfront(test="PIN entry", step_1_0_dial_destination="43123115", expect="failed", match="411# received")
def test_a_lost_digit_is_caught() -> None:
    """One digit of the PIN does not arrive."""
