"""The calls with Sift in the example suite."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

SUITE = Path(__file__).parents[2] / "example_suite"


def test_the_calls_of_the_example_suite_pass(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The callees are phones of the lab, or scripts if no call can be placed."""
    monkeypatch.delenv("SIPFRONT_LAB", raising=False)
    for name in ("lab.yaml", "pytest.ini", "test_sift.py"):
        shutil.copy(SUITE / name, pytester.path)
    shutil.copytree(SUITE / "prompts", pytester.path / "prompts")
    pytester.runpytest_inprocess().assert_outcomes(passed=5)
