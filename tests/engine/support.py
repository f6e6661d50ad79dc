"""A platform and a clock of our own: what is asked is scripted, and time passes only when it is slept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.runner import Clock, Runner
from pytest_sipfront.errors import SipfrontError
from tests.support import FakeTime

INTERVAL = 3.0
TEST = RunRequest(test="Basic call")
PROJECT = RunRequest(project="Nightly")
RUNNING: dict[str, Any] = {"status": "running"}
PASSED: dict[str, Any] = {"status": "passed", "has_passed": 1, "is_failed": 0, "is_finished": 1}
FAILED: dict[str, Any] = {
    "status": "failed",
    "has_passed": 0,
    "is_failed": 1,
    "is_finished": 1,
    "result_description": "No answer",
}


class Platform:
    """Answers launches and questions by their scripts, whose last entry repeats; an error in a script is raised."""

    def __init__(self, time: FakeTime) -> None:
        self.time = time
        self.launch_script: list[SipfrontError | None] = [None]
        self.status_script: Sequence[dict[str, Any] | SipfrontError] = [PASSED]
        self.project_tests: list[dict[str, Any]] | SipfrontError = []
        self.launched: list[RunRequest] = []
        self.asked: list[tuple[str, float, float | None]] = []
        self.asked_projects: list[int] = []
        self.before_answer: Callable[[], None] = lambda: None

    async def launch(self, request: RunRequest) -> Launched:
        self.launched.append(request)
        said = self.launch_script[min(len(self.launched), len(self.launch_script)) - 1]
        if said is not None:
            raise said
        return Launched(status_url=f"https://x/{len(self.launched)}", report_url="https://x/report", session_id="s-1")

    async def status(self, status_url: str, *, deadline: float | None = None) -> RunStatus:
        self.asked.append((status_url, self.time.seconds - self.time.start, deadline))
        self.before_answer()
        said = self.status_script[min(len(self.asked), len(self.status_script)) - 1]
        if isinstance(said, SipfrontError):
            raise said
        return RunStatus.read(said)

    async def last_status_of_project(self, project_id: int) -> tuple[LastStatus, ...]:
        self.asked_projects.append(project_id)
        if isinstance(self.project_tests, SipfrontError):
            raise self.project_tests
        return tuple(LastStatus.read(entry) for entry in self.project_tests)


class House:
    """An engine on a platform of our own."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.platform = Platform(self.time)
        self.engine = Runner(
            self.platform,
            poll_interval=INTERVAL,
            clock=Clock(now=self.time.clock, sleep=self.time.sleep, random=lambda: 0.0),
        )

    def launch(self, run: Run) -> None:
        anyio.run(self.engine.launch, run)

    def wait(self, run: Run) -> RunResult:
        return anyio.run(self.engine.wait, run)

    def run(self, request: RunRequest = TEST, *, timeout: float = 0) -> tuple[Run, RunResult]:
        """Launch, wait, and return the run with its result."""
        run = Run(request=request, timeout=timeout)
        self.launch(run)
        return run, self.wait(run)
