"""The record of a session, from which all reports are made: its tests with all attempts, their runs, and the figures.

`session.schema.json` beside this module is the JSON Schema of `SessionRecord.to_json`.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sipfront.plugin.reports.properties import KIND, PREFIX

if TYPE_CHECKING:
    from pytest_sipfront.plugin.options import Settings
    from pytest_sipfront.plugin.reports.terminal import SessionSummary

SCHEMA_VERSION = 1
SCHEMA = Path(__file__).with_name("session.schema.json")
PASSED, FAILED, ERROR = "passed", "failed", "error"
SKIPPED, XFAILED, XPASSED = "skipped", "xfailed", "xpassed"
OUTCOMES = (ERROR, FAILED, XPASSED, XFAILED, SKIPPED, PASSED)
"""All outcomes, the worst first."""
LONGEST_MESSAGE, LONGEST_DETAILS = 1_000, 30_000
"""Limits of texts, in characters."""
_PHASES = ("setup", "call", "teardown")


@dataclass(slots=True, kw_only=True)
class AttemptRecord:
    """One attempt at a test. Reruns make further attempts.

    Attributes:
        number: Its number, from 1.
        outcome: One of `OUTCOMES`.
        kind: The kind of a failure or error, see `reason_kinds`; otherwise "".
        message: The first line of the failure message, or the reason of a skip; otherwise "".
        details: The text that pytest shows for a failure or error; otherwise "".
        started_at: When it began (UTC, ISO 8601).
        duration: Seconds, including setup and teardown. A run counts with its own duration.
        runs: The run documents of its runs and calls.
    """

    number: int
    outcome: str = PASSED
    kind: str = ""
    message: str = ""
    details: str = ""
    started_at: str = ""
    duration: float = 0.0
    runs: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class TestRecord:
    """One test that uses Sipfront or Sift.

    Attributes:
        nodeid: Its id.
        file, line: Where it is defined; the line counts from 1.
        worker: The xdist worker that ran its last attempt; otherwise "".
        properties: Its `user_properties` as text, by name.
        attempts: All attempts in their order; the last one decides.
        history: The result of `history.compare`; None without a history.
    """

    __test__ = False  # pytest must not collect this class

    nodeid: str
    file: str = ""
    line: int = 0
    worker: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    attempts: list[AttemptRecord] = field(default_factory=list)
    history: dict[str, Any] | None = None

    @property
    def last(self) -> AttemptRecord:
        """The attempt that decides."""
        return self.attempts[-1]

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The run documents of all attempts."""
        return [run for attempt in self.attempts for run in attempt.runs]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightRecord:
    """A run that was started and has not ended for the session.

    Attributes:
        nodeid: Its test.
        target: The Sipfront test or project.
        launched_at: When it was to be launched (UTC, ISO 8601).
        report_url: Its report page; "" if the response to its launch is unknown.
        origin: "session" for a run of this session, "earlier session" for one of an interrupted session.
    """

    nodeid: str
    target: str
    launched_at: str
    report_url: str
    origin: str = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Sums over all runs of a session. Sift calls do not count.

    Attributes:
        launches: Launched runs, including those without a verdict.
        run_seconds: The sum of their durations.
        expected_seconds: The sum of the durations that were expected at their launches; None if one was unknown.
        wall_seconds: From the first launch to the end of the last run.
        saved_seconds: What the overlap of runs saved: the sum less the wall time, at least 0.
        peak_concurrency: The largest number of runs at the same time.
        polls: Status polls.
    """

    launches: int
    run_seconds: float
    expected_seconds: float | None
    wall_seconds: float
    saved_seconds: float
    peak_concurrency: int
    polls: int


@dataclass(slots=True, kw_only=True)
class SessionRecord:
    """A session.

    Attributes:
        started_at, finished_at: UTC, ISO 8601; `finished_at` is "" before the end.
        service: The platform's URL, or the lab and its file.
        lab: How the lab reaches its verdicts; "" without a lab.
        concurrency: The maximum number of concurrent runs.
        workers: The number of xdist workers; 0 without xdist.
        max_runs, max_minutes: The budget; None without a limit.
        exit_status: pytest's exit status; None before the end.
        interrupted: Whether the session was interrupted.
        collected: The number of collected tests, including those without a run.
        versions: Versions of Python, pytest and this package, and the operating system.
        tests: The tests that use Sipfront or Sift, in the order in which they finished first.
        collection_errors: Modules that could not be collected: id and message.
        in_flight: Runs without a known end.
    """

    started_at: str
    service: str
    lab: str = ""
    concurrency: int = 1
    workers: int = 0
    max_runs: int | None = None
    max_minutes: float | None = None
    finished_at: str = ""
    exit_status: int | None = None
    interrupted: bool = False
    collected: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    tests: list[TestRecord] = field(default_factory=list)
    collection_errors: list[dict[str, str]] = field(default_factory=list)
    in_flight: list[FlightRecord] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """The number of tests by outcome, without zeros."""
        counted = Counter(test.last.outcome for test in self.tests)
        return {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}

    @property
    def kinds(self) -> dict[str, int]:
        """The number of failures and errors by kind."""
        return dict(Counter(test.last.kind for test in self.tests if test.last.kind))

    @property
    def seconds(self) -> float:
        """The length of the session in seconds; 0 before its end."""
        if not self.finished_at:
            return 0.0
        return (moment(self.finished_at) - moment(self.started_at)).total_seconds()

    def figures(self) -> Figures:
        """Return the sums over all runs."""
        return sums(run for test in self.tests for run in test.runs)

    def to_json(self) -> dict[str, Any]:
        """Return the record as `session.schema.json` describes it."""
        return {
            "version": SCHEMA_VERSION,
            **{name: value for name, value in asdict(self).items() if name != "tests"},
            "seconds": round(self.seconds, 3),
            "counts": self.counts,
            "kinds": self.kinds,
            "figures": asdict(self.figures()),
            "tests": [_test_to_json(test) for test in self.tests],
        }


def _test_to_json(test: TestRecord) -> dict[str, Any]:
    last = test.last
    head = {"nodeid": test.nodeid, "outcome": last.outcome, "kind": last.kind, "message": last.message}
    return {**head, "duration": last.duration, **asdict(test)}


# ---- collection -----------------------------------------------------------------------------------------------------


class SessionRecorder:
    """Builds the record of a session from the reports of pytest.

    Args:
        settings: The session's settings.
        started: When the session began, in seconds of `time.time()`.
        lab: How the lab reaches its verdicts; "" without a lab.
        workers: The number of xdist workers.
        runs_everywhere: Whether each worker runs all tests, so that the test of each worker is one of its own.
    """

    def __init__(
        self, settings: Settings, started: float, *, lab: str = "", workers: int = 0, runs_everywhere: bool = False
    ) -> None:
        self.record = SessionRecord(
            started_at=_iso(started),
            service=settings.service,
            lab=lab,
            concurrency=settings.concurrency,
            workers=workers,
            max_runs=settings.max_runs,
            max_minutes=settings.max_minutes,
            versions={
                "python": platform.python_version(),
                "pytest": pytest.__version__,
                "pytest-sipfront": version("pytest-sipfront"),
                "platform": platform.platform(terse=True),
            },
        )
        self._runs_everywhere = runs_everywhere
        self._tests: dict[tuple[str, str], TestRecord] = {}
        self._open: set[tuple[str, str]] = set()
        self._reran: set[tuple[str, str]] = set()  # tests whose next setup is that of another attempt
        self._concerned: set[tuple[str, str]] = set()  # tests that use Sipfront or Sift

    def add(self, report: pytest.TestReport) -> None:
        """Add the report of one phase of a test."""
        worker = _worker(report)
        key = (worker if self._runs_everywhere else "", report.nodeid)
        if concerns(report):
            self._concerned.add(key)
        test = self._tests.get(key)
        if test is None:
            test = self._tests[key] = TestRecord(nodeid=report.nodeid)
            test.file, line, _ = report.location
            test.line = (line or 0) + 1
        test.worker = worker
        if report.when == "setup" and key in self._reran:
            self._reran.discard(key)
            self._open.discard(key)  # early releases of pytest-rerunfailures report no teardown before a rerun
        if key not in self._open:
            self._open.add(key)
            test.attempts.append(
                AttemptRecord(number=len(test.attempts) + 1, started_at=_iso(_start(report) or time()))
            )
        _extend(test.last, report)
        test.properties = {str(name): str(value) for name, value in report.user_properties}
        if str(report.outcome) == "rerun":  # an outcome that pytest-rerunfailures adds
            self._reran.add(key)
        if report.when not in {"setup", "call"}:  # the teardown, or the report of a crashed worker
            self._open.discard(key)

    def add_collection_error(self, report: pytest.CollectReport) -> None:
        """Add a module that could not be collected."""
        crash = getattr(report.longrepr, "reprcrash", None)
        text = str(report.longrepr) if crash is None else crash.message
        self.record.collection_errors.append({"nodeid": report.nodeid, "message": text[:LONGEST_DETAILS]})

    def finish(
        self, *, finished: float, exit_status: int, collected: int, interrupted: bool, journal: SessionSummary
    ) -> SessionRecord:
        """Return the complete record.

        Args:
            finished: When the tests ended, in seconds of `time.time()`.
            exit_status: pytest's exit status.
            collected: The number of collected tests.
            interrupted: Whether the session was interrupted.
            journal: The launches of the session.
        """
        record = self.record
        record.finished_at, record.exit_status = _iso(finished), exit_status
        record.collected, record.interrupted = collected, interrupted
        record.tests = [test for key, test in self._tests.items() if key in self._concerned]
        record.in_flight = [
            FlightRecord(
                nodeid=entry.test,
                target=entry.target,
                launched_at=_iso(entry.at.timestamp()),
                report_url=entry.launched.report_url if entry.launched else "",
                origin=origin,
            )
            for origin, entries in (("session", journal.launches), ("earlier session", journal.left_behind))
            for entry in entries
            if entry.is_in_flight or origin != "session"
        ]
        return record


def concerns(report: pytest.TestReport) -> bool:
    """Return whether a report is of a test that uses Sipfront or Sift, as far as it shows that."""
    if hasattr(report, "sipfront_runs"):
        return True
    names = [str(name) for name, _ in report.user_properties]
    return any(name.startswith((PREFIX, "sift.")) for name in names) or (
        report.skipped and not {"sipfront", "sift"}.isdisjoint(report.keywords)
    )


def _extend(attempt: AttemptRecord, report: pytest.TestReport) -> None:
    """Add a phase to its attempt. The first failure of an attempt is its outcome."""
    attempt.duration = round(attempt.duration + report.duration, 3)
    attempt.runs = getattr(report, "sipfront_runs", None) or attempt.runs
    outcome = _outcome(report)
    if attempt.outcome != PASSED or outcome == PASSED:
        return
    attempt.outcome = outcome
    attempt.message = _message(report)
    if outcome in {FAILED, ERROR}:
        attempt.kind = str(dict(report.user_properties).get(PREFIX + KIND, ""))
        attempt.details = report.longreprtext[:LONGEST_DETAILS]


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return XFAILED if report.skipped else XPASSED
    if report.passed:
        return PASSED
    if report.skipped:
        return SKIPPED
    return FAILED if report.when == "call" else ERROR  # also the reports that a rerun replaces


def _message(report: pytest.TestReport) -> str:
    longrepr = report.longrepr
    if isinstance(longrepr, tuple):
        text = str(longrepr[2])
    elif (crash := getattr(longrepr, "reprcrash", None)) is not None:
        text = str(crash.message)
    else:
        text = str(longrepr or "")
    reason = getattr(report, "wasxfail", "")
    return (text.strip().partition("\n")[0] or str(reason))[:LONGEST_MESSAGE]


def _worker(report: pytest.TestReport) -> str:
    return str(getattr(report, "worker_id", "") or "")


def _start(report: pytest.TestReport) -> float:
    return float(getattr(report, "start", 0.0) or 0.0)


# ---- figures --------------------------------------------------------------------------------------------------------


def sums(runs: Iterable[Mapping[str, Any]]) -> Figures:
    """Return the sums over run documents."""
    launches = polls = 0
    seconds = 0.0
    expected: list[float | None] = []
    spans: list[tuple[float, float]] = []
    for run in runs:
        times = run["times"]
        if run["service"]["name"] != "sipfront" or times["launched_at"] is None:
            continue
        launches, polls = launches + 1, polls + run["polls"]
        expected.append(run.get("expected_duration"))
        start = moment(times["launched_at"]).timestamp()
        end = start + run["duration"] if run["duration"] is not None else start
        if times["finished_at"] is not None:
            end = max(end, moment(times["finished_at"]).timestamp()) if run["duration"] is None else end
        spans.append((start, end))
        seconds += end - start
    wall = max((end for _, end in spans), default=0.0) - min((start for start, _ in spans), default=0.0)
    return Figures(
        launches=launches,
        run_seconds=round(seconds, 3),
        expected_seconds=_sum(expected),
        wall_seconds=round(wall, 3),
        saved_seconds=round(max(seconds - wall, 0.0), 3),
        peak_concurrency=_peak(spans),
        polls=polls,
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 3) if values and len(known) == len(values) else None


def _peak(spans: Iterable[tuple[float, float]]) -> int:
    """Return the largest number of spans that overlap. A span that ends when another one starts does not."""
    changes = sorted(change for start, end in spans for change in ((start, 1), (max(end, start + 1e-6), -1)))
    peak = current = 0
    for _, change in changes:
        current += change
        peak = max(peak, current)
    return peak


def moment(text: str) -> datetime:
    """Return the time of an ISO 8601 text."""
    return datetime.fromisoformat(text)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
