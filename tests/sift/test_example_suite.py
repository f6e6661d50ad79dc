"""The example suite's calls at Sift, as a new user runs them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

SUITE = Path(__file__).parents[2] / "example_suite"


def test_the_example_suites_calls_pass_as_they_stand(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lab file has everybody that they call; with real phones where these can be called, else by script."""
    monkeypatch.delenv("SIPFRONT_LAB", raising=False)
    for name in ("lab.yaml", "pytest.ini", "test_sift.py"):
        shutil.copy(SUITE / name, pytester.path)
    shutil.copytree(SUITE / "prompts", pytester.path / "prompts")
    pytester.runpytest_inprocess().assert_outcomes(passed=5)
