"""Sessions that launch, wait, crash and resume in any order, compared with a model of what the platform must see."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import anyio
import anyio.to_thread
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.engine import journal as events
from pytest_sipfront.engine.budget import Budget
from pytest_sipfront.engine.durations import Durations, Observation
from pytest_sipfront.engine.journal import Journal, read_journal
from pytest_sipfront.engine.resume import ResumableRuns, load_resumable, recorded
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.runner import Clock, Runner
from pytest_sipfront.engine.scheduler import Scheduler
from pytest_sipfront.errors import (
    BudgetExceeded,
    InvalidResponse,
    LaunchOutcomeUnknown,
    PlatformBusy,
    RequestRefused,
    SipfrontError,
)
from tests.engine.support import FAILED, PASSED, RUNNING
from tests.engine.virtual import SteppedLoop
from tests.engine.yard import NOON

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MAX_AGE = 12 * 3600.0
SLACK = 0.01
"""Seconds by which two computations of one moment may differ."""


@dataclass(frozen=True)
class Spec:
    """A test of the suite: how long its run takes, its exclusive names, and its verdict."""

    seconds: float
    exclusive: frozenset[str] = frozenset()
    verdict: str = "passed"


SUITE = {
    "a": Spec(5, frozenset("x")),
    "b": Spec(20, frozenset("xy"), "failed"),
    "c": Spec(60),
    "d": Spec(0.5, frozenset("y")),
    "e": Spec(30, verdict="failed"),
}
NAMES = st.sampled_from(sorted(SUITE))
ANSWERS = st.sampled_from(["refused", "busy", "lost", "lost before"])


# ---- the world outside of a session -----------------------------------------------------------------------------


@dataclass
class Call:
    """A run on the platform, and the session that launched it; `lost` if the session never got the answer."""

    name: str
    session: Session
    begin: float
    lost: bool

    @property
    def end(self) -> float:
        return self.begin + SUITE[self.name].seconds


class Platform:
    """All runs of all sessions. Unless scripted otherwise, each launch starts one."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.calls: dict[str, Call] = {}
        self.violations: list[str] = []
        self.closed: set[str] = set()
        """The calls whose verdict belongs to a session that ended by itself: no later one may report it."""
        self.scripts: dict[str, list[str]] = {name: [] for name in SUITE}

    def in_flight(self) -> list[Call]:
        return [call for call in self.calls.values() if call.begin <= self.now() < call.end]


@dataclass
class Client:
    """The platform as one session sees it. Each answer to a launch takes `latency` seconds."""

    platform: Platform
    session: Session
    latency: float

    async def launch(self, request: RunRequest) -> Launched:
        name, platform = str(request.test), self.platform
        try:
            self.session.check_launch(name)
        except AssertionError as error:
            self.platform.violations.append(str(error))
        script = platform.scripts[name]
        answer = script.pop(0) if script else ""
        self.session.sent.append((name, answer))
        call_id = f"{name}{len(platform.calls)}"
        if answer in {"", "lost"}:
            platform.calls[call_id] = Call(name, self.session, platform.now(), answer == "lost")
        await anyio.sleep(self.latency)
        if answer == "refused":
            raise RequestRefused("no")
        if answer == "busy":
            raise PlatformBusy("full", at_capacity=True)
        if answer:
            raise LaunchOutcomeUnknown(InvalidResponse("not JSON"))
        return Launched(status_url=call_id, session_id=call_id)

    async def status(self, status_url: str, *, deadline: float | None = None) -> RunStatus:  # noqa: ARG002
        await anyio.lowlevel.checkpoint()
        call = self.platform.calls[status_url]
        if self.platform.now() < call.end:
            return RunStatus.read(RUNNING)
        return RunStatus.read(PASSED if SUITE[call.name].verdict == "passed" else FAILED)

    async def last_status_of_project(self, project_id: int) -> tuple[LastStatus, ...]:  # noqa: ARG002
        return ()


class Disk:
    """Writes each batch after `latency` seconds. A crash cuts off the batch that is being written."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.cut: int | None = None
        """Number of bytes that still reach the disk; None before the crash."""

    async def run_sync(self, write: Callable[[list[str]], None], lines: list[str]) -> None:
        """Stand in for the thread in which the journal is written."""
        await anyio.sleep(self.latency)
        with mock.patch.object(events, "FileIO", partial(CutFile, self)):
            write(lines)


class CutFile(FileIO):
    """A file of which a crashed process writes only the first bytes."""

    def __init__(self, disk: Disk, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self._disk = disk

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of `data`, or end the process in the middle of it."""
        if self._disk.cut is None:
            return super().write(data)
        super().write(memoryview(data)[: self._disk.cut])
        self._disk.cut = 0
        raise asyncio.CancelledError


class ExactDurations(Durations):
    """Knows the duration of each test, so that the model can predict reservations."""

    def __init__(self) -> None:
        runs = {name: Run(request=RunRequest(test=name), timeout=0) for name in SUITE}
        super().__init__({run.key: [(SUITE[name].seconds, SUITE[name].seconds)] for name, run in runs.items()})

    def learn(self, key: str, observation: Observation) -> None:
        """Stay exact."""


# ---- a session --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The settings of a session."""

    concurrency: int
    max_runs: int | None
    max_minutes: float | None
    resume: bool


LIMITS = st.builds(
    Limits,
    concurrency=st.integers(1, 4),
    max_runs=st.sampled_from([None, None, None, 1, 3, 6]),
    max_minutes=st.sampled_from([None, None, None, 0, 0.1, 1, 1.4, 3]),
    resume=st.sampled_from([True, True, False]),
)


@dataclass(eq=False)
class Session:
    """One session with its scheduler, what it sent, and what its tests got."""

    limits: Limits
    journal: Journal
    resumable: ResumableRuns
    disk: Disk
    platform: Platform
    owed: Counter[str]
    """Number of launches of each test that this session must resume before it may launch the test."""
    scheduler: Scheduler = field(init=False)
    serving: asyncio.Task[None] | None = None
    stopped: bool = False
    runs: list[Run] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)
    """The launches that this session sent: the test, and the scripted answer."""
    waiting: list[asyncio.Task[RunResult | SipfrontError]] = field(default_factory=list)

    def check_launch(self, name: str) -> None:
        """Compare a launch that is about to be sent with the model."""
        spec = SUITE[name]
        own = [call for call in self.platform.in_flight() if call.session is self and not call.lost]
        assert len(own) < self.limits.concurrency, "more runs in flight than allowed"
        held = {taken for call in own for taken in SUITE[call.name].exclusive}
        assert spec.exclusive.isdisjoint(held), "two runs in flight share an exclusive name"
        intents = [entry for entry in recorded(read_journal(self.journal.path).events) if self.is_own(entry.session)]
        assert sum(entry.test == name for entry in intents) > sum(test == name for test, _ in self.sent), (
            "a launch was sent before its intent was on disk"
        )
        submitted = sum(run.label == name for run in self.runs)
        accepted = [test for test, answer in self.sent if answer not in {"refused", "busy"}]
        assert submitted - accepted.count(name) > self.owed[name], "a run of an interrupted session was launched again"
        assert self.limits.max_runs is None or len(accepted) < self.limits.max_runs, "more launches than allowed"
        seconds = sum(SUITE[test].seconds for test in [*accepted, name])
        assert self.limits.max_minutes is None or seconds <= self.limits.max_minutes * 60 + SLACK, "too many minutes"

    def is_own(self, session: str) -> bool:
        return session == self.journal.session

    def spent(self) -> tuple[int, float]:
        """The launched runs, and the seconds that they took until now."""
        counted = [(test, answer) for test, answer in self.sent if answer not in {"refused", "busy"}]
        in_flight = [call for call in self.platform.in_flight() if call.session is self and not call.lost]
        left = sum(call.end - self.platform.now() for call in in_flight)
        return len(counted), sum(SUITE[test].seconds for test, _ in counted) - left

    def check_outcome(self, run: Run, outcome: RunResult | SipfrontError) -> None:
        """Compare a test's result with the run on the platform."""
        scripted = {answer for test, answer in self.sent if test == run.label}
        if isinstance(outcome, RunResult):
            assert self.platform.calls[outcome.session_id].name == run.label
            assert outcome.session_id not in self.platform.closed, "an old verdict was reused"
            assert outcome.verdict == SUITE[run.label].verdict
        elif isinstance(outcome, LaunchOutcomeUnknown):
            assert self.limits.resume or scripted & {"lost", "lost before"}
        elif isinstance(outcome, RequestRefused):
            assert "refused" in scripted
        else:
            assert isinstance(outcome, BudgetExceeded), repr(outcome)
            runs, seconds = self.spent()
            is_out_of_runs = self.limits.max_runs is not None and runs >= self.limits.max_runs
            limit = self.limits.max_minutes
            longest_delay = (0.2 + self.disk.latency) * len(self.sent)  # a run ends before its end is seen
            is_out_of_time = limit is not None and (
                seconds + SUITE[run.label].seconds + longest_delay > limit * 60 - SLACK
            )
            assert is_out_of_runs or is_out_of_time, "a run was refused that fits into the budget"


class Sessions(RuleBasedStateMachine):
    """One session after another on one platform and with one journal."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = SteppedLoop()
        self.platform = Platform(lambda: self.loop.now)
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "ledger.jsonl"
        self.session: Session | None = None
        self.owed: Counter[str] = Counter()
        self.count = 0
        self.patch = mock.patch.object(os, "fsync", return_value=None)
        self.patch.start()

    def utcnow(self) -> datetime:
        return NOON + timedelta(seconds=self.loop.now)

    # ---- sessions begin and end ---------------------------------------------------------------------------------

    @precondition(lambda self: self.session is None)
    @rule(limits=LIMITS, latency=st.sampled_from([0.0, 0.3, 2.0]), disk_latency=st.sampled_from([0.0, 0.1, 1.5]))
    def start(self, limits: Limits, latency: float, disk_latency: float) -> None:
        """Begin a session, which may resume the interrupted ones."""
        self.count += 1
        name = f"s{self.count}"
        resumable = ResumableRuns()
        if limits.resume:
            resumable = load_resumable(self.path, own_session=name, max_age=MAX_AGE, utcnow=self.utcnow)
        journal = Journal(self.path, name, resumes=resumable.sessions, utcnow=self.utcnow)
        durations = ExactDurations()
        clock = Clock(now=lambda: self.loop.now, random=lambda: 0.0, utcnow=self.utcnow)
        session = Session(
            limits=limits,
            journal=journal,
            resumable=resumable,
            disk=Disk(disk_latency),
            platform=self.platform,
            owed=Counter(self.owed) if limits.resume else Counter(),
        )
        session.scheduler = Scheduler(
            Runner(Client(self.platform, session, latency), poll_interval=0.2, durations=durations, clock=clock),
            limit=limits.concurrency,
            journal=journal,
            budget=Budget(limits.max_runs, limits.max_minutes, now=lambda: self.loop.now),
            durations=durations,
            resumable=resumable,
            is_draining=lambda: session.stopped,
            clock=clock,
        )
        self.session = session

        async def serve() -> None:
            session.serving = asyncio.create_task(session.scheduler.serve())

        self._run(serve)

    @precondition(lambda self: self.session is not None)
    @rule(cut=st.integers(0, 400), seconds=st.sampled_from([0.0, 10.0]))
    def crash_and_resume(self, cut: int, seconds: float) -> None:
        """Kill the session and run the same tests again, now or a little later, without any other limit."""
        tests = [run.label for run in self._session().runs]
        self.crash(cut)
        self._run(partial(anyio.sleep, seconds))
        self.start(Limits(concurrency=4, max_runs=None, max_minutes=None, resume=True), 0.3, 0.1)
        self.submit(tests)

    @precondition(lambda self: self.session is not None)
    @rule(cut=st.integers(0, 400))
    def crash(self, cut: int) -> None:
        """Kill the session. A batch that is being written is cut off."""
        session, self.session = self._session(), None
        session.disk.cut = cut

        async def cancel() -> None:
            await _cancel([session.serving, *session.waiting])

        self._run(cancel, session)
        session.journal.close()
        self.owed += Counter(test for test, answer in session.sent if answer in {"", "lost", "lost before"})

    @precondition(lambda self: self.session is not None)
    @rule()
    def finish(self) -> None:
        """Wait for all tests, compare their results, and end the session by itself."""
        session, self.session = self._session(), None
        session.stopped = False

        async def wait_for_all() -> list[RunResult | SipfrontError]:
            outcomes = [await _outcome(session.scheduler, run) for run in session.runs]
            await session.scheduler.close(10)
            await _cancel([session.serving, *session.waiting])
            return outcomes

        outcomes = self._run(wait_for_all, session)
        for run, outcome in zip(session.runs, outcomes, strict=True):
            session.check_outcome(run, outcome)
        if session.journal.is_open or session.resumable.superseded:
            session.journal.append(events.END, superseded=session.resumable.superseded)
        session.journal.close()
        names = {run.label for run in session.runs} if session.limits.resume else set()
        for call_id, call in self.platform.calls.items():
            if call.session is session or call.name in names:
                self.platform.closed.add(call_id)
        for name in names:
            del self.owed[name]

    @precondition(lambda self: self.session is None)
    @rule()
    def wait_until_the_next_day(self) -> None:
        """Everything in the journal becomes too old."""
        self._run(partial(anyio.sleep, MAX_AGE + 3600))
        self.owed.clear()
        self.platform.closed.update(self.platform.calls)

    # ---- what happens in a session ------------------------------------------------------------------------------

    @precondition(lambda self: self.session is not None)
    @rule(names=st.lists(NAMES, min_size=1, max_size=8))
    def submit(self, names: list[str]) -> None:
        """Submit runs, as tests or the look-ahead do."""
        session = self._session()
        for name in names:
            request = RunRequest(test=name)
            run = Run(request=request, timeout=0, label=name, exclusive=SUITE[name].exclusive)
            session.runs.append(run)
            self._run(partial(session.scheduler.submit, run))

    @precondition(lambda self: self.session is not None and self.session.runs)
    @rule(data=st.data())
    def wait_for(self, data: st.DataObject) -> None:
        """Make a test wait for its run, so that the run is urgent."""
        session = self._session()
        run = data.draw(st.sampled_from(range(len(session.runs))))

        async def wait() -> None:
            session.waiting.append(asyncio.create_task(_outcome(session.scheduler, session.runs[run])))
            await anyio.lowlevel.checkpoint()

        self._run(wait)

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.4, 1.0, 5.0, 25.0]))
    def let_time_pass(self, seconds: float) -> None:
        """The platform, the disk and the scheduler go on."""
        self._run(partial(anyio.sleep, seconds))

    @precondition(lambda self: self.session is not None)
    @rule()
    def stop_launching_ahead(self) -> None:
        """pytest is about to end the session: only urgent runs are launched."""
        self._session().stopped = True

    @rule(name=NAMES, answer=ANSWERS)
    def script(self, name: str, answer: str) -> None:
        """Script the answer to the next launch of a test."""
        self.platform.scripts[name].append(answer)

    # ---- what always holds --------------------------------------------------------------------------------------

    @invariant()
    def the_journal_has_no_damaged_line(self) -> None:
        """Whatever was cut off."""
        assert not read_journal(self.path).damaged

    @invariant()
    def every_launch_agrees_with_the_model(self) -> None:
        """Checked when it is sent."""
        assert self.platform.violations == []

    @invariant()
    def the_scheduler_still_serves(self) -> None:
        """Whatever happens, it never ends by itself."""
        if self.session is not None and self.session.serving is not None and self.session.serving.done():
            self.session.serving.result()

    def teardown(self) -> None:
        """Finish the last session: no test may wait for ever."""
        try:
            if self.session is not None:
                self.finish()
        finally:
            self.patch.stop()
            self.loop.close()
            self.directory.cleanup()

    # ---- helpers ------------------------------------------------------------------------------------------------

    def _session(self) -> Session:
        assert self.session is not None
        return self.session

    def _run(self, function: Callable[[], Any], session: Session | None = None) -> Any:
        session = session or self.session
        disk = session.disk if session is not None else Disk(0.0)
        with mock.patch.object(anyio.to_thread, "run_sync", disk.run_sync):
            return self.loop.run(function)


async def _outcome(scheduler: Scheduler, run: Run) -> RunResult | SipfrontError:
    try:
        return await scheduler.finished(run)
    except SipfrontError as error:
        return error


async def _cancel(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def test_any_order_of_events_agrees_with_the_model() -> None:
    """No launch is sent twice, against a limit or before its intent, and every test gets its own run's verdict."""
    run_state_machine_as_test(Sessions)
