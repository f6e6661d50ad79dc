"""A whole project in one run."""

from __future__ import annotations

import pytest

from pytest_sipfront import RunResult


@pytest.mark.sipfront(project="Nightly")
def test_nightly(sipfront_run: RunResult) -> None:
    """Passes where every test of the project does."""
    assert {last.test_name for last in sipfront_run.tests} == {"Nightly call", "Nightly greeting"}
