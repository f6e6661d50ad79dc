"""Shows a replay as a replay: no test with a replayed run counts as passed in any report."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_sipfront.plugin.reports.properties import PREFIX, REPLAYED

_WORDS = {"failed": "FAILED (replayed)", "error": "ERROR (replayed)"}


class ReplayReports:
    """Hooks of a session that replays a recording."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn a pass into a skip with a reason: every consumer of reports knows that a skipped test did not pass."""
        report = yield
        if report.when == "call" and report.passed and is_replayed(report):
            path, line, _ = item.location
            report.outcome = "skipped"
            report.longrepr = (path, line or 0, "replayed: the verdict is that of a recorded run")
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str | tuple[str, dict[str, bool]]] | None:
        """Report replayed tests in a separate category, with other words."""
        if not isinstance(report, pytest.TestReport) or hasattr(report, "wasxfail") or not is_replayed(report):
            return None
        if report.when == "call" and report.skipped:
            return "replayed", "r", ("REPLAYED", {"yellow": True})
        if report.failed:
            category = "failed" if report.when == "call" else "error"
            return category, category[0].upper(), _WORDS[category]
        return None


def is_replayed(report: pytest.TestReport) -> bool:
    """Return whether a test had a replayed run."""
    return any(name.startswith(PREFIX) and name.endswith(REPLAYED) for name, _ in report.user_properties)
