"""A run as the engine follows it, and its result as tests see it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.engine.verdict import Expectation, Verdict, failure_description


@dataclass(slots=True, eq=False)
class Run:
    """One run from its request to its end; the engine fills in what becomes known.

    Attributes:
        request: What to launch.
        timeout: Seconds from launch to deadline; 0 for no limit.
        label: The id of the test that it belongs to, as `stable_test_id` returns it.
        service: The service that executes it: the platform's URL, or the lab.
        exclusive: Names; runs that share one never overlap.
        expectation: What its test wants of its verdict.
        launched: The platform's answer to the launch; None before.
        launched_at: When that answer came, on the engine's clock.
        status: What the platform said last; None before the first poll.
        polls: How often it was asked.
        running_at: When it was last seen not to be over, on the engine's clock; None before.
        resumed: When an interrupted session launched it (UTC); None if this one did.
        notes: What a reader of the report should know and that decides nothing.
        key: The key of its service and request.
    """

    request: RunRequest
    timeout: float
    label: str = ""
    service: str = ""
    exclusive: frozenset[str] = frozenset()
    expectation: Expectation = field(default_factory=Expectation)
    launched: Launched | None = None
    launched_at: float | None = None
    status: RunStatus | None = None
    polls: int = 0
    running_at: float | None = None
    resumed: datetime | None = None
    notes: list[str] = field(default_factory=list)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        self.key = request_key(self.service, self.request)

    @property
    def report_url(self) -> str:
        """The page for people; "" if it is not known."""
        return self.launched.report_url if self.launched else ""

    @property
    def session_id(self) -> str:
        """The session's id as the launch named it; "" if it is not known."""
        return self.launched.session_id if self.launched else ""

    def age(self, now: float) -> float:
        """Return the seconds from its launch to `now`; 0 before."""
        return 0.0 if self.launched_at is None else now - self.launched_at


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A finished run with its verdict.

    Attributes:
        request: What was launched.
        verdict: "passed" or "failed", as the platform explicitly said.
        result_description: Why the run failed, in the platform's words; of a project also its failed tests.
        duration: Seconds: the platform's own, or as measured here where it does not say or merely rounds.
        session_id, report_url, status_url: As the launch named them.
        status: Everything that the platform said at the end, with `raw`.
        tests: Of a project run: the last run of each of its tests.
        notes: What a reader should know and that decided nothing.
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

    @property
    def passed(self) -> bool:
        """True if the platform says that the run passed."""
        return self.verdict == Verdict.PASSED.value

    @property
    def started_at(self) -> datetime | None:
        """When the run began (UTC), if the platform says."""
        return self.status.started_at

    @property
    def stopped_at(self) -> datetime | None:
        """When the run ended (UTC), if the platform says."""
        return self.status.stopped_at

    @property
    def raw(self) -> Mapping[str, Any]:
        """The platform's `run` object as received."""
        return self.status.raw

    @classmethod
    def of(
        cls, run: Run, launched: Launched, verdict: Verdict, *, elapsed: float, tests: tuple[LastStatus, ...] = ()
    ) -> RunResult:
        """Make the result of a run that is over after `elapsed` seconds, measured here."""
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
    """The platform's own duration, unless its clock of whole seconds merely rounds what was measured here."""
    if status.started_at is None or status.stopped_at is None:
        return measured
    own = max((status.stopped_at - status.started_at).total_seconds(), 0.0)
    return measured if abs(own - measured) <= 1 else own
