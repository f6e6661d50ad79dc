"""One call, whose verdict is the test's."""

from __future__ import annotations

import pytest

from pytest_sipfront import RunResult


@pytest.mark.sipfront(test="Basic call")
def test_basic_call() -> None:
    """Answered, audio both ways, loss, jitter and MOS within bounds: all of it is in the Sipfront test."""


@pytest.mark.sipfront(test="Basic call", step_1_0_dial_destination="43123102", step_0_0_regexpire=60)
def test_basic_call_with_overrides(sipfront_run: RunResult) -> None:
    """Parameters of the Sipfront test can be overridden for one run, and its result be asserted on."""
    assert sipfront_run.passed
    assert sipfront_run.duration < 5
