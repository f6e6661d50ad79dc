"""What a report says of a test's calls: `sift.*` properties and the timelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_sipfront.errors import Explained
from pytest_sipfront.sift.state import CALLS, FAILURE

if TYPE_CHECKING:
    from pytest_sipfront.sift.call import Call

PREFIX = "sift."


def forget(item: pytest.Item) -> None:
    """Begin each attempt at a test anew."""
    for key in (CALLS, FAILURE):
        if key in item.stash:
            del item.stash[key]
    item.user_properties[:] = [entry for entry in item.user_properties if not entry[0].startswith(PREFIX)]


def record(item: pytest.Item) -> None:
    """Write each call's properties, those of a second one as `sift.2.*`, and so on; later values replace earlier."""
    for number, call in enumerate(_calls(item), 1):
        prefix = PREFIX if number == 1 else f"{PREFIX}{number}."
        found = {
            "connection_id": call.connection.connection_id,
            "status": call.status,
            "duration": f"{call.duration:.3f}",
        }
        for name, value in found.items():
            _put(item.user_properties, prefix + name, value)


def attach(report: pytest.TestReport, item: pytest.Item, error: BaseException | None) -> None:
    """Show the timelines: with the failure where there is one, which then reaches JUnit too."""
    longrepr: Any = report.longrepr
    for call in _calls(item):
        title = f"sift: {call!r}"
        if error is None or isinstance(error, Explained) or not hasattr(longrepr, "addsection"):
            report.sections.append((title, str(call.timeline)))
        else:
            longrepr.addsection(title, str(call.timeline))


def _calls(item: pytest.Item) -> list[Call]:
    calls = item.stash.get(CALLS, None)
    return calls.all if calls is not None else []


def _put(properties: list[tuple[str, object]], name: str, value: object) -> None:
    for place, (known, _) in enumerate(properties):
        if known == name:
            properties[place] = (name, value)
            return
    properties.append((name, value))
