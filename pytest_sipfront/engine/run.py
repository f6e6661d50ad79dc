"""A run from its request to its result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.engine.verdict import Expectation, Verdict, failure_description

MOST_EVENTS = 200
"""Events that a run keeps. If it has more, the polls in the middle are dropped."""
QUEUED, LAUNCHING, LAUNCHED, POLLED, FINISHED = "queued", "launching", "launched", "polled", "finished"


class RunEvent(NamedTuple):
    """A moment of a run.

    Args:
        name: "queued", "launching" (the request is sent), "launched" (it is answered), "polled", or "finished".
        at: The wall-clock time, in POSIX seconds.
        seconds: Monotonic seconds of the engine, comparable among the runs of a session.
        state: The state that a poll returned; "" for other events, and for a poll without a readable answer.
    """

    name: str
    at: float
    seconds: float
    state: str = ""


@dataclass(slots=True, eq=False)
class Run:
    """One run, with what is known about it so far.

    Attributes:
        request: The test or project to launch.
        timeout: Seconds from launch to deadline; 0 for no limit.
        label: The id of the test that it belongs to, as `stable_test_id` returns it.
        service: The service that executes it: the platform's URL, or the lab.
        exclusive: Names that no two concurrent runs may share.
        expectation: The verdict that the test expects.
        launched: The platform's answer to the launch; None before.
        launched_at: When that answer arrived, in monotonic seconds of the engine.
        launch_seconds: How long the answer took. The run may have begun at any moment of that time.
        status: The latest status; None before the first poll.
        expected: The duration in seconds that was expected at its admission; None if it was unknown.
        polls: Number of polls.
        running_at: When it was last seen running, in monotonic seconds of the engine; None before the first poll.
        resumed: When an interrupted session launched it (UTC); None if this session did.
        notes: Remarks for the report. They decide nothing.
        events: When it was queued, launched, polled and finished.
        key: The key of its service and request.
        id: The engine's id of the run, for the pytest processes; "" in the engine itself.
    """

    request: RunRequest
    timeout: float
    label: str = ""
    service: str = ""
    exclusive: frozenset[str] = frozenset()
    expectation: Expectation = field(default_factory=Expectation)
    launched: Launched | None = None
    launched_at: float | None = None
    launch_seconds: float = 0.0
    status: RunStatus | None = None
    expected: float | None = None
    polls: int = 0
    running_at: float | None = None
    resumed: datetime | None = None
    notes: list[str] = field(default_factory=list)
    events: list[RunEvent] = field(default_factory=list)
    id: str = ""
    key: str = field(init=False)

    def __post_init__(self) -> None:
        self.key = request_key(self.service, self.request)

    @property
    def report_url(self) -> str:
        """URL of the report page; "" if unknown."""
        return self.launched.report_url if self.launched else ""

    @property
    def session_id(self) -> str:
        """The session id from the launch; "" if unknown."""
        return self.launched.session_id if self.launched else ""

    @property
    def has_own_duration(self) -> bool:
        """Whether the platform has said when the run began and ended."""
        return self.status is not None and None not in {self.status.started_at, self.status.stopped_at}

    def record(self, event: RunEvent) -> None:
        """Add an event."""
        self.events.append(event)
        if len(self.events) > MOST_EVENTS:
            del self.events[MOST_EVENTS // 2]

    def age(self, now: float) -> float:
        """Return the seconds from the launch to `now`; 0 before the launch."""
        return 0.0 if self.launched_at is None else now - self.launched_at


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A finished run with its verdict.

    Attributes:
        request: The launched test or project.
        verdict: "passed" or "failed", as the platform explicitly reported.
        result_description: The platform's reason for a failure. For a project it names the failed tests.
        duration: Seconds. The platform's figure, or the measured one if the platform gives none or only rounds it.
        session_id, report_url, status_url: From the answer to the launch.
        status: The final status; `status.raw` is the platform's JSON.
        tests: For a project run: the last run of each of its tests.
        notes: Remarks for the report. They decided nothing.
        repeats: With `repeat=` in the marker: the results of all runs of the test that have a verdict.
    """

    request: RunRequest
    verdict: str
    result_description: str
    duration: float
    session_id: str
    report_url: str
    status_url: str
    status: RunStatus
    tests: tuple[LastStatus, ...] = ()
    notes: tuple[str, ...] = ()
    repeats: tuple[RunResult, ...] = ()

    @property
    def passed(self) -> bool:
        """True if the run passed."""
        return self.verdict == Verdict.PASSED.value

    @property
    def started_at(self) -> datetime | None:
        """When the run began (UTC); None if the platform does not report it."""
        return self.status.started_at

    @property
    def stopped_at(self) -> datetime | None:
        """When the run ended (UTC); None if the platform does not report it."""
        return self.status.stopped_at

    @property
    def raw(self) -> Mapping[str, Any]:
        """The platform's `run` object as received."""
        return self.status.raw

    @classmethod
    def of(
        cls, run: Run, launched: Launched, verdict: Verdict, *, elapsed: float, tests: tuple[LastStatus, ...] = ()
    ) -> RunResult:
        """Return the result of a run that ended `elapsed` measured seconds after its launch."""
        status = run.status or RunStatus(states={})
        return cls(
            request=run.request,
            verdict=verdict.value,
            result_description=failure_description(status, tests if verdict is Verdict.FAILED else ()),
            duration=_seconds(status, elapsed),
            session_id=launched.session_id,
            report_url=launched.report_url,
            status_url=launched.status_url,
            status=status,
            tests=tests,
            notes=tuple(run.notes),
        )


def request_key(service: str, request: RunRequest) -> str:
    """Return a key that is equal for equal requests to one service. The report mode makes no difference."""
    digest = replace(request, report_mode=None).digest
    return hashlib.sha256(f"{service} {digest}".encode()).hexdigest()[:16]


def stable_test_id(nodeid: str, groups: Iterable[str] = ()) -> str:
    """Return a node id without the suffix that pytest-xdist appends with `--dist=loadgroup`.

    Args:
        nodeid: The node id, perhaps with `@group`.
        groups: The names in the test's `xdist_group` markers.
    """
    suffix = "_".join(sorted(set(groups)))
    return nodeid.removesuffix(f"@{suffix}") if suffix else nodeid


def _seconds(status: RunStatus, measured: float) -> float:
    """Return the platform's duration, unless its whole seconds only round the measured one."""
    if status.started_at is None or status.stopped_at is None:
        return measured
    own = max((status.stopped_at - status.started_at).total_seconds(), 0.0)
    return measured if abs(own - measured) <= 1 else own


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """How many of a session's runs are in which state.

    Attributes:
        running, waiting: Runs in flight, and runs that wait for a slot.
        passed, failed, none: Finished runs by verdict; `none` counts those without one.
        remaining: Estimated seconds until all of them are finished; None if no duration is known.
    """

    running: int
    waiting: int
    passed: int
    failed: int
    none: int
    remaining: float | None
