"""Masks phone numbers in test ids and reports, before any reporter sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pytest_sipfront.masking import mask_data, mask_numbers
from pytest_sipfront.plugin.reports.run_document import REPORT_ATTRIBUTE

_ID, _NODEID = "_id", "_nodeid"  # pytest has no public way to set the id of a test; 9.2 introduced the first one


class MaskingHooks:
    """Hooks of a session whose phone numbers are masked. Reports become masked in each process that makes them."""

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Mask the name and id of a test. `-k` still finds it by its numbers."""
        name = mask_numbers(item.name)
        if name == item.name:
            return
        item.extra_keyword_matches.add(item.name)
        nodeid = item.nodeid.removesuffix(item.name) + name
        structured = getattr(item, _ID, None)
        if structured is None:
            setattr(item, _NODEID, nodeid)
        else:
            setattr(item, _ID, type(structured).parse(nodeid))
        item.name = name

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Mask a test report."""
        _mask_report(report)
        report.user_properties = [(name, mask_data(value, str(name))) for name, value in report.user_properties]
        if runs := getattr(report, REPORT_ATTRIBUTE, None):
            setattr(report, REPORT_ATTRIBUTE, mask_data(runs))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Mask the report of a module."""
        _mask_report(report)


def _mask_report(report: pytest.TestReport | pytest.CollectReport) -> None:
    report.sections = [(mask_numbers(title), mask_numbers(text)) for title, text in report.sections]
    longrepr: Any = report.longrepr
    if isinstance(longrepr, str):
        report.longrepr = mask_numbers(longrepr)
    elif isinstance(longrepr, tuple):
        path, line, reason = longrepr
        report.longrepr = (path, line, mask_numbers(reason))
    elif longrepr is not None:
        for part in _parts(longrepr):
            _mask_part(part)


def _parts(longrepr: Any) -> Iterator[Any]:
    """Yield the objects that hold the text of a failure: pytest's representations of tracebacks."""
    yield longrepr
    for trace, crash, _ in getattr(longrepr, "chain", ()):
        yield from (trace, crash)
        for entry in getattr(trace, "reprentries", ()):
            yield from (entry, getattr(entry, "reprfuncargs", None), getattr(entry, "reprlocals", None))
            yield getattr(entry, "reprfileloc", None)


def _mask_part(part: Any) -> None:
    """Mask the texts of a representation, whichever of these attributes it has."""
    for name in ("message", "longrepr"):
        if isinstance(text := getattr(part, name, None), str):
            setattr(part, name, mask_numbers(text))
    if isinstance(lines := getattr(part, "lines", None), list):
        part.lines = [mask_numbers(str(line)) for line in lines]
    if isinstance(arguments := getattr(part, "args", None), list):
        part.args = [(name, mask_numbers(str(value))) for name, value in arguments]
    if isinstance(sections := getattr(part, "sections", None), list):
        part.sections = [(title, mask_numbers(text), mark) for title, text, mark in sections]
