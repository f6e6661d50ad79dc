"""The account: its runs, their progress, and the number of runs in flight. It does not use HTTP, and it never waits."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from time import monotonic

from pytest_sipfront.lab.file.lab_file import PASSED, LabFile, ProjectSpec, TestSpec
from pytest_sipfront.lab.file.phone_faults import FAULT_PARAMETER, coverage
from pytest_sipfront.lab.platform.executor import LabRunResult
from pytest_sipfront.lab.platform.http_requests import Refusal

RUNNING = "running"
FIRST_RUN_ID = 12345
MAX_RECORDED_RUNS = 200  # a second of audio is 16 kB


@dataclass(slots=True, kw_only=True)
class LabRun:
    """One run of a test.

    `session_id` is the id in the launch response; `uuid` is the id in the run's URLs. `started` and `stopped` are in
    seconds of the account's clock, `started_at` and `stopped_at` in UTC.
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
    result: LabRunResult | None = None
    stopped: float | None = None
    stopped_at: datetime | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The test's parameters, updated with the launch's overrides."""
        return {**self.test.parameters, **self.overrides}

    @property
    def report_path(self) -> str:
        """The path of the report page, which depends on the report mode of the launch ("print" is an assumption)."""
        if self.mode == "kiosk":
            return f"/kiosk/{self.kiosk}/{self.uuid}"
        return f"/run/{'print' if self.mode == 'print' else 'details'}/{self.uuid}"


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

    @property
    def report_path(self) -> str:
        """The path of the report page, which depends on the report mode of the launch."""
        return f"/kiosk/{self.kiosk}/{self.uuid}" if self.mode == "kiosk" else f"/projectrun/{self.uuid}/details"


@dataclass(slots=True, kw_only=True)
class Account:
    """The runs of one lab file. `clock` returns monotonic seconds, `utcnow` the wall-clock time, `new_id` a UUID."""

    file: LabFile
    clock: Callable[[], float] = monotonic
    utcnow: Callable[[], datetime] = lambda: datetime.now(UTC)
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
            Refusal: 429 at the account's limit, 400 for an override that a strict test does not list.
        """
        unknown = sorted(overrides.keys() - test.parameters.keys() - {FAULT_PARAMETER})
        if test.strict and unknown:
            known = ", ".join(test.parameters) or "no parameters"
            raise Refusal(400, f"Unknown parameter {', '.join(unknown)} for test '{test.name}'; it has {known}")
        self._admit()
        return self._start(test, overrides, mode)

    def launch_project(
        self, project: ProjectSpec, tests: Collection[TestSpec], mode: str, fault: str = ""
    ) -> LabProjectRun:
        """Start a run of `project` with `tests`; it counts as one launch for any number of tests.

        Args:
            project: The project.
            tests: Its tests to run.
            mode: The report mode.
            fault: The fault of the phones in the runs that can show it, or "".

        Raises:
            Refusal: 429 at the account's limit.
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
            started_at=self.utcnow(),
            runs=tuple(self._start(test, self._with_fault(fault, test), mode, project_run=run_id) for test in tests),
        )
        self.project_runs[run.uuid] = run
        return run

    def _with_fault(self, fault: str, test: TestSpec) -> dict[str, str]:
        is_shown = fault and coverage(self.file, test, test.parameters).get(fault) == ""
        return {FAULT_PARAMETER: fault} if is_shown else {}

    def finish(self, run: LabRun, result: LabRunResult) -> None:
        """Record the result of a run and remove it from the runs in flight; a second result is ignored."""
        if run.result is None:
            run.result, run.stopped, run.stopped_at = result, self.clock(), self.utcnow()
            self.in_flight -= run.project_run is None
            self._keep_recordings(run, result)

    def finish_project(self, run: LabProjectRun) -> None:
        """Record the verdict of a project run: the one in the lab file, or else the one that its tests yield."""
        if run.state is None:
            run.state = run.project.verdict or project_verdict(run.runs)
            run.stopped, run.stopped_at = self.clock(), self.utcnow()
            self.in_flight -= 1

    def state(self, run: LabRun) -> str:
        """Return the current state of a run, as its status reports it."""
        if run.result is not None:
            return run.result.state
        expected = run.test.outcome(run.parameters).takes.high
        return progress(run.test.states, self.clock() - run.started, expected)

    def project_state(self, run: LabProjectRun) -> str:
        """Return the current state of a project run, as its status reports it."""
        if run.state is not None:
            return run.state
        durations = [r.test.outcome(r.parameters).takes.high for r in run.runs]
        expected = max([*durations, run.project.takes.high if run.project.takes else 0.0])
        return progress(run.project.states, self.clock() - run.started, expected)

    def last_run(self, test: TestSpec) -> LabRun | None:
        """Return the latest run of a test, None if it never ran."""
        return self._last.get(test.id)

    def _keep_recordings(self, run: LabRun, result: LabRunResult) -> None:
        if result.recordings:
            self._recorded.append(run)
        while len(self._recorded) > MAX_RECORDED_RUNS:
            oldest = self._recorded.popleft()
            if oldest.result is not None:
                oldest.result = replace(oldest.result, recordings={})

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
            started_at=self.utcnow(),
            project_run=project_run,
        )
        self.runs[run.uuid] = run
        self._last[test.id] = run
        return run


def progress(states: tuple[str, ...], elapsed: float, expected: float) -> str:
    """Return which of `states` is due after `elapsed` of `expected` seconds; all last equally long."""
    if not states:
        return RUNNING
    part = elapsed / expected if expected else 0.0
    return states[min(int(part * len(states)), len(states) - 1)]


def project_verdict(runs: Iterable[LabRun]) -> str:
    """Return "failed" if any run failed, else the first state that is not "passed", else "passed"."""
    states = [run.result.state if run.result else RUNNING for run in runs]
    others = [state for state in states if state != PASSED]
    return "failed" if "failed" in others else (others[0] if others else PASSED)
