"""The calls of a test in its report: `sift.*` properties and timelines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sipfront.errors import DetailedError

if TYPE_CHECKING:
    from pytest_sipfront.sift.call import Call

PREFIX = "sift."


def forget(properties: list[tuple[str, object]]) -> None:
    """Remove the properties of an earlier attempt at the same test."""
    properties[:] = [entry for entry in properties if not entry[0].startswith(PREFIX)]


def record(properties: list[tuple[str, object]], calls: Iterable[Call]) -> None:
    """Write the properties of each call; the second call's names begin with `sift.2.`, and so on.

    Properties that exist already are replaced.
    """
    for number, call in enumerate(calls, 1):
        prefix = PREFIX if number == 1 else f"{PREFIX}{number}."
        values = {
            "connection_id": call.connection.connection_id,
            "status": call.status,
            "duration": f"{call.duration:.3f}",
        }
        for name, value in values.items():
            _set(properties, prefix + name, value)


def attach(report: pytest.TestReport, calls: Iterable[Call], error: BaseException | None) -> None:
    """Add the timelines of the calls to the report. JUnit reports contain those of a failed test."""
    longrepr: Any = report.longrepr
    in_error = str(error.evidence.get("timeline", "")).strip() if isinstance(error, DetailedError) else ""
    for call in calls:
        title, timeline = f"sift: {call!r}", str(call.timeline)
        if in_error and timeline.strip().startswith(in_error):
            continue
        if error is not None and hasattr(longrepr, "addsection"):
            longrepr.addsection(title, timeline)
        else:
            report.sections.append((title, timeline))


def _set(properties: list[tuple[str, object]], name: str, value: object) -> None:
    for index, (known, _) in enumerate(properties):
        if known == name:
            properties[index] = (name, value)
            return
    properties.append((name, value))
