from __future__ import annotations

import pytest

from pytest_sipfront.plugin.reports.terminal import SessionSummary, summary


def _lines(*properties: tuple[str, object]) -> list[str]:
    report = pytest.TestReport(
        "test_a", ("test_a.py", 0, "test_a"), {}, "passed", None, "call", user_properties=properties
    )
    return list(summary({"passed": [report]}, None, SessionSummary()))  # type: ignore[arg-type]


def test_other_properties_named_sipfront_are_ignored() -> None:
    """A session without a run has no closing section."""
    assert _lines(("sipfront.note", "x"), ("sipfront.2.note", "y"), ("sipfront.", 1), ("other", 2)) == []
