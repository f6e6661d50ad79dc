"""The E-model: quality figures from loss, jitter and delay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.lab.calls.call_record import mos, mos_cqe, rating

LOSS = st.floats(0, 100)
MILLISECONDS = st.floats(0, 2000)


def test_a_faultless_call_scores_the_models_ceiling() -> None:
    """G.711 without loss, jitter and delay scores 4.4, as G.107 has it for its default values."""
    assert mos_cqe(loss_percent=0, jitter_ms=0, rtt_ms=0) == pytest.approx(4.4, abs=0.02)


@pytest.mark.parametrize(("r", "expected"), [(0, 1.0), (50, 2.58), (70, 3.60), (80, 4.02), (90, 4.34), (100, 4.5)])
def test_ratings_become_the_scores_of_the_recommendation(r: float, expected: float) -> None:
    """G.107 Annex B gives the score of each rating."""
    assert mos(r) == pytest.approx(expected, abs=0.01)


@given(loss=LOSS, more=LOSS, jitter=MILLISECONDS, rtt=MILLISECONDS)
def test_more_loss_never_sounds_better(loss: float, more: float, jitter: float, rtt: float) -> None:
    """Loss only ever lowers the rating."""
    worse = rating(loss_percent=loss + more, jitter_ms=jitter, rtt_ms=rtt)
    assert worse <= rating(loss_percent=loss, jitter_ms=jitter, rtt_ms=rtt)


@given(loss=LOSS, jitter=MILLISECONDS, rtt=MILLISECONDS, more=MILLISECONDS)
def test_more_delay_never_sounds_better(loss: float, jitter: float, rtt: float, more: float) -> None:
    """Delay, on the way or in the jitter buffer, only ever lowers the rating."""
    rated = rating(loss_percent=loss, jitter_ms=jitter, rtt_ms=rtt)
    assert rating(loss_percent=loss, jitter_ms=jitter, rtt_ms=rtt + more) <= rated
    assert rating(loss_percent=loss, jitter_ms=jitter + more, rtt_ms=rtt) <= rated


@given(loss=LOSS, jitter=MILLISECONDS, rtt=MILLISECONDS)
def test_a_score_stays_on_its_scale(loss: float, jitter: float, rtt: float) -> None:
    """A mean opinion score lies between 1.0 and 4.5."""
    assert 1.0 <= mos_cqe(loss_percent=loss, jitter_ms=jitter, rtt_ms=rtt) <= 4.5


def test_five_percent_loss_is_heard() -> None:
    """Five percent of random loss costs about half a point with G.711 and concealment."""
    assert 3.6 < mos_cqe(loss_percent=5, jitter_ms=2, rtt_ms=20) < 4.0
