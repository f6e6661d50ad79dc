"""One call as a test."""

from __future__ import annotations

import pytest

from pytest_sipfront import RunResult


@pytest.mark.sipfront(test="Basic call")
def test_basic_call() -> None:
    """The Sipfront test checks answer, audio in both directions, loss, jitter and MOS."""


@pytest.mark.sipfront(test="Basic call", step_1_0_dial_destination="43123102", step_0_0_regexpire=60)
def test_basic_call_with_overrides(sipfront_run: RunResult) -> None:
    """Override parameters for one run, and assert more on its result."""
    assert sipfront_run.passed
    assert sipfront_run.duration < 5
