"""The `sipfront.*` properties of a test's report, and the evidence in its details. Pure.

Properties go through `item.user_properties`: they reach JUnit in every family, and survive xdist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sipfront.clients.sipfront.models import RunRequest, RunStatus
    from pytest_sipfront.engine.run import Run, RunResult

PREFIX = "sipfront."
TEST, REPORT_URL, VERDICT, POOL, RESUMED = "test", "report_url", "verdict", "agentpool", "resumed"
NO_VERDICT = "none"
_FIRST_OF_A_RUN = re.compile(r"sipfront\.(\d+\.)?test")

Property = tuple[str, str]
Record = Callable[[Iterable[Property]], None]


def recorder(properties: list[tuple[str, object]]) -> Record:
    """Return what records one run's properties in a test's list; a later value replaces an earlier one.

    The names begin with `sipfront.`; those of a test's second run with `sipfront.2.`, and so on.
    """
    number = 1 + sum(1 for name, _ in properties if _FIRST_OF_A_RUN.fullmatch(name))
    prefix = PREFIX if number == 1 else f"{PREFIX}{number}."

    def record(found: Iterable[Property]) -> None:
        for name, value in found:
            places = [n for n, (known, _) in enumerate(properties) if known == prefix + name]
            if places:
                properties[places[0]] = (prefix + name, value)
            else:
                properties.append((prefix + name, value))

    return record


def forget(properties: list[tuple[str, object]]) -> None:
    """Drop our properties of an earlier attempt at the same test."""
    properties[:] = [entry for entry in properties if not entry[0].startswith(PREFIX)]


def of_request(request: RunRequest) -> Iterator[Property]:
    """What is known before the launch."""
    yield TEST, request.target
    yield VERDICT, NO_VERDICT
    for key, value in request.overrides.items():
        yield f"override.{key}", str(value)


def of_launch(run: Run) -> Iterator[Property]:
    """What is known from the launch on."""
    yield "session_id", run.session_id
    yield REPORT_URL, run.report_url
    if run.resumed is not None:
        yield RESUMED, utc(run.resumed)


def of_status(status: RunStatus) -> Iterator[Property]:
    """What is known at the end, with or without a verdict."""
    yield "result_description", status.result_description
    yield "started_at", utc(status.started_at)
    yield "stopped_at", utc(status.stopped_at)
    yield POOL, status.agentpool_name


def utc(moment: datetime | None) -> str:
    """ISO 8601 with its zone; "" if unknown."""
    return moment.isoformat() if moment else ""


def evidence(run: Run | RunResult) -> dict[str, object]:
    """What a failure's details show of the run, in that order."""
    shown: dict[str, object] = {
        "report": run.report_url,
        "session": run.session_id,
        "test": run.request.target,
    }
    shown |= {f"override {key}": value for key, value in run.request.overrides.items()}
    if status := run.status:
        shown |= {
            "scenario": status.testcase_name,
            "pool": status.agentpool_name,
            "started": utc(status.started_at),
            "stopped": utc(status.stopped_at),
            "state": status.state,
        }
    shown |= {f"note {number}": note for number, note in enumerate(run.notes, 1)}
    return {name: value for name, value in shown.items() if value != ""}


def evidence_of_tests(result: RunResult) -> dict[str, object]:
    """One line for each test of a project run that did not pass."""
    return {
        f"test {last.test_name!r}": f"{last.status.state or 'no state'} {last.status.result_description}".strip()
        for last in result.tests
        if last.status.state != "passed"
    }
