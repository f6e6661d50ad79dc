from __future__ import annotations

import pytest

from pytest_sipfront.plugin.reports.terminal import SessionSummary, summary


def _lines(*properties: tuple[str, object]) -> list[str]:
    report = pytest.TestReport(
        "test_a", ("test_a.py", 0, "test_a"), {}, "passed", None, "call", user_properties=properties
    )
    return list(summary({"passed": [report]}, None, SessionSummary()))  # type: ignore[arg-type]


def test_a_property_of_the_user_s_own_is_no_run() -> None:
    """Whatever its name: a session without a run has no section, and does not break."""
    assert _lines(("sipfront.note", "x"), ("sipfront.2.note", "y"), ("sipfront.", 1), ("other", 2)) == []
