"""Runs by the dozen on virtual time: a platform that knows how long each takes, and a ledger that can be looked at."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import anyio

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.engine.budget import Budget
from pytest_sipfront.engine.durations import Durations, Observation
from pytest_sipfront.engine.journal import Journal
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.runner import Clock, Runner
from pytest_sipfront.engine.scheduler import Scheduler
from pytest_sipfront.errors import PlatformBusy, SipfrontError
from tests.engine import virtual
from tests.engine.support import FAILED, PASSED, RUNNING

T = TypeVar("T")
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def full(retry_after: float | None = None) -> PlatformBusy:
    """What the client makes of a 429."""
    return PlatformBusy("at capacity", at_capacity=True, retry_after=retry_after)


@dataclass
class Seconds:
    """A platform on which a run takes as many seconds as `takes` says for its test's name, a minute otherwise."""

    log: list[tuple[str, str]]
    takes: dict[str, float] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)
    capacity: int = 1_000_000
    answers_after: float = 0.0
    says: dict[str, list[SipfrontError | Exception | None]] = field(default_factory=dict)
    before_answer: Callable[[], None] = lambda: None
    stays: dict[str, tuple[float, float]] = field(default_factory=dict)
    asked: int = 0

    def in_flight(self, at: float) -> int:
        """How many runs there are, the one that begins at that moment included."""
        return sum(1 for begin, end in self.stays.values() if begin <= at < end)

    async def launch(self, request: RunRequest) -> Launched:
        name = request.target
        self.log.append(("launch", name))
        await anyio.sleep(self.answers_after)
        script = self.says.get(name, [])
        said = script.pop(0) if script else None
        if said is not None:
            raise said
        now = virtual.now()
        if self.in_flight(now) >= self.capacity:
            raise full()
        assert name not in self.stays, "launched twice"
        self.stays[name] = (now, now + self.takes.get(name, 60.0))
        self.before_answer()
        return Launched(status_url=name, report_url=f"https://x/{name}", session_id=name)

    async def status(self, status_url: str, *, deadline: float | None = None) -> RunStatus:  # noqa: ARG002
        self.asked += 1
        over = virtual.now() >= self.stays[status_url][1]
        await anyio.lowlevel.checkpoint()
        if not over:
            return RunStatus.read(RUNNING)
        return RunStatus.read(FAILED if status_url in self.fails else PASSED)

    async def last_status_of_project(self, project_id: int) -> tuple[LastStatus, ...]:  # noqa: ARG002
        return ()


class Book(Journal):
    """A ledger in memory; `broken` says from which kind of event on it cannot be written."""

    def __init__(self, log: list[tuple[str, str]]) -> None:
        super().__init__(Path("in-memory"), "s", utcnow=lambda: NOON)
        self.events: list[dict[str, Any]] = []
        self.broken: dict[str, SipfrontError] = {}
        self._log = log

    def write(self, lines: Iterable[str]) -> None:
        events = [json.loads(line) for line in lines]
        for event in events:
            if event["event"] in self.broken:
                raise self.broken[event["event"]]
        self._log += [(event["event"], event.get("launch", "")) for event in events]
        self.events += events

    @property
    def kinds(self) -> list[str]:
        return [event["event"] for event in self.events]


class Yard:
    """A dispatcher on such a platform, and what was seen of it."""

    def __init__(self, limit: int = 2, **options: Any) -> None:
        self.log: list[tuple[str, str]] = []
        self.platform = Seconds(self.log)
        self.book = Book(self.log)
        self.durations: Durations = options.setdefault("durations", Durations())
        self._options: dict[str, Any] = {
            "limit": limit,
            "journal": self.book,
            "budget": Budget(),
        } | options

    def dispatcher(self) -> Scheduler:
        clock = Clock(now=virtual.now, random=lambda: 0.0, utcnow=lambda: NOON + timedelta(seconds=virtual.now()))
        engine = Runner(self.platform, poll_interval=1.0, durations=self.durations, clock=clock)
        return Scheduler(engine, clock=clock, **self._options)

    def drive(self, use: Callable[[Scheduler], Awaitable[T]]) -> T:
        """Return what `use` makes of a dispatcher that serves meanwhile."""

        async def main() -> T:
            dispatcher = self.dispatcher()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(dispatcher.serve)
                found = await use(dispatcher)
                tasks.cancel_scope.cancel()
            return found

        return virtual.run(main)

    def finish(self, *runs: Run) -> list[RunResult | SipfrontError]:
        """Submit all runs, and wait for one after another, as pytest does."""

        async def all_of_them(dispatcher: Scheduler) -> list[RunResult | SipfrontError]:
            for run in runs:
                await dispatcher.submit(run)
            return [await outcome(dispatcher, run) for run in runs]

        return self.drive(all_of_them)

    @property
    def launched(self) -> list[str]:
        """The names of the launches that were sent, in order."""
        return [name for what, name in self.log if what == "launch"]


async def outcome(dispatcher: Scheduler, run: Run) -> RunResult | SipfrontError:
    """Wait for a run's result or error."""
    try:
        return await dispatcher.finished(run)
    except SipfrontError as error:
        return error


def run_of(name: str, *exclusive: str, timeout: float = 0) -> Run:
    """A run of the test of that name, for a test of that name."""
    return Run(request=RunRequest(test=name), timeout=timeout, label=name, exclusive=frozenset(exclusive))


def runs_of(names: Iterable[str]) -> list[Run]:
    """A run for each name."""
    return [run_of(name) for name in names]


def verdicts(found: Iterable[RunResult | SipfrontError]) -> list[str]:
    """The verdict of each, or its error's class."""
    return [one.verdict if isinstance(one, RunResult) else type(one).__name__ for one in found]


def durations_of(observed: Mapping[str, Observation]) -> Durations:
    """Durations that know one run of each test, by its name."""
    return Durations({run_of(name).key: [observation] for name, observation in observed.items()})
