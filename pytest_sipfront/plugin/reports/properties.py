"""The `sipfront.*` properties of a test report, and a run's evidence for error details.

Properties are stored in `item.user_properties`, which reach JUnit in every family and survive xdist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sipfront.clients.sipfront.models import RunRequest, RunStatus
    from pytest_sipfront.engine.run import Run, RunResult

FAULT_PARAMETER = "lab.fault"
"""Launch parameter by which a proof gives a fault to the phones of a run."""
PREFIX = "sipfront."
TEST, REPORT_URL, VERDICT, POOL, KIND = "test", "report_url", "verdict", "agentpool", "kind"
ARTIFACTS = "artifacts"
"""The directory with the files of the last attempt."""
RATE = "pass_rate"
ATTEMPT = "attempt."
"""The head of the names of earlier attempts: `sipfront.attempt.1` and so on."""
RESUMED, REUSED = "resumed", "reused_verdict"
REPLAYED = "replayed"
NO_VERDICT = "none"
_TEST_OF_A_RUN = re.compile(r"sipfront\.(\d+\.)?test")

Property = tuple[str, str]
Record = Callable[[Iterable[Property]], None]


def recorder(user_properties: list[tuple[str, object]]) -> Record:
    """Return a function that records the properties of one run. A later value replaces an earlier one.

    The names start with `sipfront.` for the first run of a test, with `sipfront.2.` for the second, and so on.
    """
    number = 1 + sum(1 for name, _ in user_properties if _TEST_OF_A_RUN.fullmatch(name))
    prefix = PREFIX if number == 1 else f"{PREFIX}{number}."

    def record(properties: Iterable[Property]) -> None:
        for name, value in properties:
            set_property(user_properties, prefix + name, value)

    return record


def set_property(user_properties: list[tuple[str, object]], name: str, value: str) -> None:
    """Set a property; a value that it has already is replaced."""
    index = next((n for n, (known, _) in enumerate(user_properties) if known == name), None)
    if index is None:
        user_properties.append((name, value))
    else:
        user_properties[index] = (name, value)


def forget(user_properties: list[tuple[str, object]]) -> None:
    """Remove the properties of an earlier attempt of the same test."""
    user_properties[:] = [entry for entry in user_properties if not entry[0].startswith(PREFIX)]


def of_request(request: RunRequest) -> Iterator[Property]:
    """Yield the properties that are known before the launch."""
    yield TEST, request.target
    yield VERDICT, NO_VERDICT
    for key, value in request.overrides.items():
        yield f"override.{key}", str(value)


def of_replay(directory: Path | None) -> Iterator[Property]:
    """Yield the recording that a run is replayed from, if it is."""
    if directory is not None:
        yield REPLAYED, directory.name


def of_launch(run: Run) -> Iterator[Property]:
    """Yield the properties that are known after the launch."""
    yield "session_id", run.session_id
    yield REPORT_URL, run.report_url
    if run.resumed is not None:
        yield RESUMED, utc(run.resumed)
        yield REUSED, "no" if run.polls else "yes"


def of_status(status: RunStatus) -> Iterator[Property]:
    """Yield the properties that are known at the end, with or without a verdict."""
    yield "result_description", status.result_description
    yield "started_at", utc(status.started_at)
    yield "stopped_at", utc(status.stopped_at)
    yield POOL, status.agentpool_name


def utc(moment: datetime | None) -> str:
    """Return ISO 8601 with time zone, or "" if unknown."""
    return moment.isoformat() if moment else ""


def evidence(run: Run | RunResult) -> dict[str, object]:
    """Return a run's evidence in the order in which error details show it."""
    values: dict[str, object] = {
        "report": run.report_url,
        "session": run.session_id,
        "test": run.request.target,
    }
    values |= {f"override {key}": value for key, value in run.request.overrides.items()}
    if status := run.status:
        values |= {
            "scenario": status.testcase_name,
            "pool": status.agentpool_name,
            "started": utc(status.started_at),
            "stopped": utc(status.stopped_at),
            "state": status.state,
        }
    values |= {f"note {number}": note for number, note in enumerate(run.notes, 1)}
    return {name: value for name, value in values.items() if value != ""}


def evidence_of_tests(result: RunResult) -> dict[str, object]:
    """Return state and description of each test of a project run that did not pass."""
    return {
        f"test {last.test_name!r}": f"{last.status.state or 'no state'} {last.status.result_description}".strip()
        for last in result.tests
        if last.status.state != "passed"
    }
