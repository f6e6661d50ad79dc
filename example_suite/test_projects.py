"""A project: all its tests in one run."""

from __future__ import annotations

import pytest

from pytest_sipfront import RunResult


@pytest.mark.sipfront(project="Nightly")
def test_nightly(sipfront_run: RunResult) -> None:
    """The run passes if every test of the project passes."""
    assert {last.test_name for last in sipfront_run.tests} == {"Nightly call", "Nightly greeting"}
