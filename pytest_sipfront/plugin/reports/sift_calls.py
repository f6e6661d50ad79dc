"""What a report says of a test's calls: `sift.*` properties and the timelines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sipfront.errors import DetailedError

if TYPE_CHECKING:
    from pytest_sipfront.sift.call import Call

PREFIX = "sift."


def forget(properties: list[tuple[str, object]]) -> None:
    """Drop our properties of an earlier attempt at the same test."""
    properties[:] = [entry for entry in properties if not entry[0].startswith(PREFIX)]


def record(properties: list[tuple[str, object]], calls: Iterable[Call]) -> None:
    """Write each call's properties, those of a second one as `sift.2.*`, and so on; later values replace earlier."""
    for number, call in enumerate(calls, 1):
        prefix = PREFIX if number == 1 else f"{PREFIX}{number}."
        found = {
            "connection_id": call.connection.connection_id,
            "status": call.status,
            "duration": f"{call.duration:.3f}",
        }
        for name, value in found.items():
            _put(properties, prefix + name, value)


def attach(report: pytest.TestReport, calls: Iterable[Call], error: BaseException | None) -> None:
    """Show the timelines: with the failure where there is one, which then reaches JUnit too."""
    longrepr: Any = report.longrepr
    told = str(error.evidence.get("timeline", "")).strip() if isinstance(error, DetailedError) else ""
    for call in calls:
        title, timeline = f"sift: {call!r}", str(call.timeline)
        if told and timeline.strip().startswith(told):
            continue  # the error itself shows it
        if error is not None and hasattr(longrepr, "addsection"):
            longrepr.addsection(title, timeline)
        else:
            report.sections.append((title, timeline))


def _put(properties: list[tuple[str, object]], name: str, value: object) -> None:
    for place, (known, _) in enumerate(properties):
        if known == name:
            properties[place] = (name, value)
            return
    properties.append((name, value))
