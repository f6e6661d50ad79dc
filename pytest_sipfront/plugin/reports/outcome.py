"""How an error of ours becomes a report: ERROR or FAILED, one line, details in a section."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sipfront.errors import DetailedError, SipfrontError, SipfrontWarning
from pytest_sipfront.plugin.reports import error_details


def shape(report: pytest.TestReport, error: BaseException, item: pytest.Item) -> None:
    """Shape the report of a phase that ended in `error`; reports of other errors stay as they are."""
    if not isinstance(error, DetailedError):
        return
    longrepr: Any = report.longrepr
    text = error_details.section(error)
    if text and hasattr(longrepr, "addsection"):
        longrepr.addsection(error_details.SECTION, text)
    if getattr(longrepr, "reprcrash", None) is not None:
        longrepr.reprcrash.message = str(error)  # without the class's path: it is JUnit's message and the summary's
    if isinstance(error, SipfrontError):
        _as_error(report, error, item)


def _as_error(report: pytest.TestReport, error: SipfrontError, item: pytest.Item) -> None:
    """An infrastructure error is no failure of the product, wherever it is raised."""
    if getattr(report, "wasxfail", None) is not None:
        _warn_of_xfail(report, error, item)
    elif report.when == "call" and report.failed:
        report.when = "setup"  # pytest tells ERROR from FAILED by the phase, in every reporter and in JUnit


def _warn_of_xfail(report: pytest.TestReport, error: SipfrontError, item: pytest.Item) -> None:
    try:
        item.warn(
            SipfrontWarning(
                f"xfail hides that there was no verdict ({error}). "
                "Say xfail(raises=pytest_sipfront.RunFailed): then only a failed run is expected."
            )
        )
    except SipfrontWarning:
        # Warnings are errors in this session: then nothing is hidden.
        report.outcome = "failed"
        del report.wasxfail
        report.when = "setup"
