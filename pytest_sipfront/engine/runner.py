"""Launches one run and polls it until its verdict."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import anyio

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.engine.circuit_breaker import CircuitBreaker
from pytest_sipfront.engine.durations import Durations, Observation, observation
from pytest_sipfront.engine.poll_schedule import Moment, PollLoad, is_overdue, next_poll
from pytest_sipfront.engine.run import LAUNCHED, LAUNCHING, POLLED, Run, RunEvent, RunResult
from pytest_sipfront.engine.verdict import Judgement, Phase, Verdict, against_project, is_current, judge, selected_tests
from pytest_sipfront.errors import NoVerdict, RunTimeout, SipfrontError


class Platform(Protocol):
    """The part of a Sipfront client that a runner uses."""

    async def launch(self, request: RunRequest) -> Launched:
        """Start a run."""
        ...

    async def status(self, status_url: str, *, deadline: float | None = None) -> RunStatus:
        """Return a run's status; `deadline` is on the engine's monotonic clock."""
        ...

    async def last_status_of_project(self, project_id: int) -> tuple[LastStatus, ...]:
        """Return the last run of each test of a project."""
        ...


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and randomness. Tests inject their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    random: Callable[[], float] = random.random
    utcnow: Callable[[], datetime] = lambda: datetime.now(UTC)

    def age(self, at: datetime) -> float:
        """Return how many seconds ago `at` was, by the wall clock."""
        return max((self.utcnow() - at).total_seconds(), 0.0)

    def event(self, name: str, state: str = "") -> RunEvent:
        """Return an event of a run that happens now."""
        return RunEvent(name, self.utcnow().timestamp(), self.now(), state)


class Runner:
    """Launches and polls runs on one platform. All methods belong to the event loop."""

    def __init__(
        self,
        platform: Platform,
        *,
        poll_interval: float,
        durations: Durations | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Use `platform`.

        Args:
            platform: The client.
            poll_interval: Seconds between two polls of a run whose duration is unknown.
            durations: The durations of earlier runs.
            clock: Time and randomness.
        """
        self._platform = platform
        self._durations = durations or Durations()
        self._clock = clock or Clock()
        self._breaker = CircuitBreaker()
        self._load = PollLoad(poll_interval)

    def check(self) -> None:
        """Return if the platform may be tried.

        Raises:
            LaunchSkipped: An earlier error shows that a launch would fail, too.
        """
        self._breaker.check()

    async def launch(self, run: Run) -> None:
        """Launch `run`.

        Raises:
            SipfrontError: It was not launched, or that is unknown (`LaunchOutcomeUnknown`).
        """
        self.check()
        sent_at = self._clock.now()
        run.record(self._clock.event(LAUNCHING))
        try:
            run.launched = await self._platform.launch(run.request)
        except SipfrontError as error:
            self._breaker.failed(error)
            raise
        run.launched_at = self._clock.now()
        run.launch_seconds = run.launched_at - sent_at
        run.record(self._clock.event(LAUNCHED))

    async def wait(self, run: Run) -> RunResult:
        """Poll a launched `run` until it has ended, and return its result.

        Raises:
            RunTimeout: It was not finished by its deadline.
            NoVerdict: It ended without a verdict.
            SipfrontError: Its status could not be read.
        """
        try:
            result = await self._follow(run)
        except SipfrontError as error:
            self._breaker.failed(error)
            raise
        self._breaker.answered()
        return result

    def observed_duration(self, run: Run) -> Observation:
        """Return the duration of a run that was just seen to have ended."""
        now = self._clock.now()
        running = None if run.running_at is None else run.age(run.running_at)
        status = run.status or RunStatus(states={})
        return observation(running, run.age(now), status, self._durations.expected(run.key))

    async def _follow(self, run: Run) -> RunResult:
        if run.launched is None or run.launched_at is None:
            raise RuntimeError("wait() follows launch()")
        deadline = run.launched_at + run.timeout if run.timeout else None
        status, judgement = await self._final(run, run.launched, deadline)
        tests = await self._project_tests(run, status)
        if judgement.verdict is Verdict.PASSED and (objection := against_project(tests, status)):
            judgement = Judgement(Phase.FINAL, reason=objection)
        if judgement.verdict is None:
            raise NoVerdict(f"no verdict: {judgement.reason}", evidence={"run": dict(status.raw)})
        elapsed = run.age(self._clock.now())
        return RunResult.of(run, run.launched, judgement.verdict, elapsed=elapsed, tests=tests)

    async def _final(self, run: Run, launched: Launched, deadline: float | None) -> tuple[RunStatus, Judgement]:
        duration: float | None = None
        self._load.begin()
        try:
            final = await self._poll_until_final(run, launched, deadline)
            duration = None if run.resumed else run.age(self._clock.now())
            return final
        finally:
            self._load.end(duration)

    async def _poll_until_final(
        self, run: Run, launched: Launched, deadline: float | None
    ) -> tuple[RunStatus, Judgement]:
        while True:
            await self._wait_for_next_poll(run, deadline)
            polled_at, previous = self._clock.now(), run.status
            status = await self._poll(run, launched, deadline)
            judgement = judge(status, run.request, launched, previous)
            if judgement.phase is Phase.FINAL:
                return status, judgement
            run.running_at = polled_at
            if judgement.phase is Phase.UNKNOWN and judgement.reason not in run.notes:
                run.notes.append(judgement.reason)
            if is_overdue(self._clock.now(), deadline):
                raise self._timeout(run)

    async def _wait_for_next_poll(self, run: Run, deadline: float | None) -> None:
        moment, expected = self._moment(run, deadline), self._durations.expected(run.key) or self._load.expected
        due = next_poll(moment, self._load.interval, expected, random=self._clock.random())
        await self._clock.sleep(due - moment.now)
        if delay := self._load.delay(self._clock.now()):
            await self._clock.sleep(delay)

    def _moment(self, run: Run, deadline: float | None) -> Moment:
        now = self._clock.now()
        return Moment(
            now=now,
            launched_at=now - run.age(now),
            deadline=deadline,
            polls=run.polls,
            hint=run.status.retry_after if run.status else None,
        )

    async def _poll(self, run: Run, launched: Launched, deadline: float | None) -> RunStatus:
        run.polls += 1
        try:
            run.status = await self._platform.status(launched.status_url, deadline=deadline)
        except SipfrontError as error:
            run.record(self._clock.event(POLLED))
            if is_overdue(self._clock.now(), deadline):
                raise self._timeout(run, error) from None
            raise
        run.record(self._clock.event(POLLED, run.status.state))
        return run.status

    def _timeout(self, run: Run, error: SipfrontError | None = None) -> RunTimeout:
        elapsed = run.age(self._clock.now())
        last = run.status.state or "none" if run.status else "none"
        evidence = {"last status": last, "elapsed": f"{elapsed:.1f} s", "polls": run.polls}
        return RunTimeout(
            f"not finished after {elapsed:.1f} s (timeout {run.timeout:g} s), last status: {last}",
            evidence=evidence | ({"last answer": str(error)} if error else {}),
            hint="The run may still be running. Raise timeout= of the marker, --sipfront-timeout, SIPFRONT_TIMEOUT or "
            "sipfront_timeout.",
        )

    async def _project_tests(self, run: Run, status: RunStatus) -> tuple[LastStatus, ...]:
        """Return the last run of each test of a project, since the status of the project names no test."""
        if not run.request.is_project or status.project_id is None:
            return ()
        try:
            tests = await self._platform.last_status_of_project(status.project_id)
        except SipfrontError as error:
            run.notes.append(f"the results of the project's tests could not be read: {error}")
            return ()
        tests = selected_tests(tests, run.request)
        stale = [t.test_name for t in tests if not is_current(t, status)]
        if stale:
            run.notes.append(f"not of this project run, by their times: {', '.join(stale)}")
        return tests
