"""The account: which runs there are, how far they have come and how many are in flight. No HTTP and no waiting here."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from time import monotonic

from pytest_sipfront.lab.file.lab_file import PASSED, LabFile, ProjectSpec, TestSpec
from pytest_sipfront.lab.platform.executor import LabRunResult

RUNNING = "running"
FIRST_RUN_ID = 12345
RECORDINGS_KEPT = 200  # runs; a second of audio is 16 kB


class Refusal(Exception):
    """A request that the platform does not carry out: HTTP status, the body's `error` text, further headers."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}


@dataclass(slots=True, kw_only=True)
class LabRun:
    """One run of a test. `session_id` is what the launch answers, `uuid` what stands in its URLs.

    `started` and `stopped` are seconds of the account's clock, `started_at` and `stopped_at` are UTC.
    """

    id: int
    session_id: str
    uuid: str
    kiosk: str
    test: TestSpec
    overrides: Mapping[str, str]
    mode: str
    started: float
    started_at: datetime
    project_run: str | None = None
    finding: LabRunResult | None = None
    stopped: float | None = None
    stopped_at: datetime | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The test's own parameters with the launch's overrides laid over them."""
        return {**self.test.parameters, **self.overrides}


@dataclass(slots=True, kw_only=True)
class LabProjectRun:
    """One run of a project, with the runs of its selected tests."""

    id: int
    uuid: str
    kiosk: str
    project: ProjectSpec
    mode: str
    started: float
    started_at: datetime
    runs: tuple[LabRun, ...]
    state: str | None = None
    stopped: float | None = None
    stopped_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Account:
    """Keeps the runs of one lab file. `clock` gives seconds, `now` the UTC time, `new_id` a fresh UUID's text."""

    file: LabFile
    clock: Callable[[], float] = monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    runs: dict[str, LabRun] = field(default_factory=dict)
    project_runs: dict[str, LabProjectRun] = field(default_factory=dict)
    launches: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: count(FIRST_RUN_ID))
    _last: dict[int, LabRun] = field(default_factory=dict)
    _recorded: deque[LabRun] = field(default_factory=deque)

    def launch(self, test: TestSpec, overrides: Mapping[str, str], mode: str) -> LabRun:
        """Start a run of `test` and count it.

        Raises:
            Refusal: 429 when the account's limit is reached, 400 for an override that a strict test does not list.
        """
        unknown = sorted(overrides.keys() - test.parameters.keys())
        if test.strict and unknown:
            known = ", ".join(test.parameters) or "none"
            raise Refusal(400, f"Unknown parameter {', '.join(unknown)} for test '{test.name}', known are: {known}")
        self._admit()
        return self._start(test, overrides, mode)

    def launch_project(self, project: ProjectSpec, tests: Collection[TestSpec], mode: str) -> LabProjectRun:
        """Start a run of `project` with `tests`; it counts as one launch, whatever the number of its tests.

        Raises:
            Refusal: 429 when the account's limit is reached.
        """
        self._admit()
        run_id = self.new_id()
        run = LabProjectRun(
            id=next(self._numbers),
            uuid=run_id,
            kiosk=self.new_id(),
            project=project,
            mode=mode,
            started=self.clock(),
            started_at=self.now(),
            runs=tuple(self._start(test, {}, mode, project_run=run_id) for test in tests),
        )
        self.project_runs[run.uuid] = run
        return run

    def finish(self, run: LabRun, finding: LabRunResult) -> None:
        """Record what came out of a run, once; a launched run is no longer in flight then."""
        if run.finding is None:
            run.finding, run.stopped, run.stopped_at = finding, self.clock(), self.now()
            self.in_flight -= run.project_run is None
            self._keep_recordings(run, finding)

    def finish_project(self, run: LabProjectRun) -> None:
        """Record the verdict of a project run from those of its tests, or the one that the file forces."""
        if run.state is None:
            run.state = run.project.verdict or project_verdict(run.runs)
            run.stopped, run.stopped_at = self.clock(), self.now()
            self.in_flight -= 1

    def state(self, run: LabRun) -> str:
        """Return what the platform says of a run at this moment."""
        if run.finding is not None:
            return run.finding.state
        expected = run.test.outcome(run.parameters).takes.high
        return progress(run.test.states, self.clock() - run.started, expected)

    def project_state(self, run: LabProjectRun) -> str:
        """Return what the platform says of a project run at this moment."""
        if run.state is not None:
            return run.state
        spans = [r.test.outcome(r.parameters).takes.high for r in run.runs]
        expected = max([*spans, run.project.takes.high if run.project.takes else 0.0])
        return progress(run.project.states, self.clock() - run.started, expected)

    def last_run(self, test: TestSpec) -> LabRun | None:
        """Return the latest run of a test, or None when it never ran."""
        return self._last.get(test.id)

    def _keep_recordings(self, run: LabRun, finding: LabRunResult) -> None:
        if finding.recordings:
            self._recorded.append(run)
        while len(self._recorded) > RECORDINGS_KEPT:
            oldest = self._recorded.popleft()
            if oldest.finding is not None:
                oldest.finding = replace(oldest.finding, recordings={})

    def _admit(self) -> None:
        limit = self.file.account.concurrent_runs
        if limit is not None and self.in_flight >= limit:
            seconds = f"{self.file.account.retry_after:g}"
            raise Refusal(429, f"Limit of {limit} concurrent runs reached", {"Retry-After": seconds})
        self.launches += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def _start(self, test: TestSpec, overrides: Mapping[str, str], mode: str, project_run: str | None = None) -> LabRun:
        run = LabRun(
            id=next(self._numbers),
            session_id=self.new_id(),
            uuid=self.new_id(),
            kiosk=self.new_id(),
            test=test,
            overrides=overrides,
            mode=mode,
            started=self.clock(),
            started_at=self.now(),
            project_run=project_run,
        )
        self.runs[run.uuid] = run
        self._last[test.id] = run
        return run


def progress(states: tuple[str, ...], elapsed: float, expected: float) -> str:
    """Return which of `states` is due after `elapsed` of `expected` seconds; each lasts an equal part."""
    if not states:
        return RUNNING
    part = elapsed / expected if expected else 0.0
    return states[min(int(part * len(states)), len(states) - 1)]


def project_verdict(runs: Iterable[LabRun]) -> str:
    """Return "failed" if any run failed, else the first state that is not "passed", else "passed"."""
    states = [run.finding.state if run.finding else RUNNING for run in runs]
    others = [state for state in states if state != PASSED]
    return "failed" if "failed" in others else (others[0] if others else PASSED)
