"""Many calls at the same time within one run."""

from __future__ import annotations

import pytest

from pytest_sipfront import RunResult


@pytest.mark.sipfront(test="Basic call", step_1_0_max_total_calls=10)
def test_ten_parallel_calls(sipfront_run: RunResult) -> None:
    """All ten calls must satisfy every condition."""
    assert sipfront_run.duration < 10
