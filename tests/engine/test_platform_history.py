from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest
from hypothesis import given

from pytest_sipfront.clients.sipfront.models import Document, RunRequest, RunStatus
from pytest_sipfront.engine.durations import Durations
from pytest_sipfront.engine.platform_history import PlatformHistory, ids_by_name
from pytest_sipfront.engine.poll_schedule import ExpectedDuration
from pytest_sipfront.engine.run import Run
from pytest_sipfront.engine.scheduler import Scheduler
from pytest_sipfront.errors import NotFound, PlatformUnavailable, SipfrontError
from tests.clients.sipfront.test_models import JSON
from tests.engine import virtual
from tests.engine.support import PASSED, PROJECT
from tests.engine.yard import Yard, runs_of, verdicts

MINUTE = RunStatus.read(PASSED | {"started_at": "2026-01-15 12:00:00", "stopped_at": "2026-01-15 12:01:00"})


@dataclass
class Platform:
    """Knows tests by name; each answer takes a tenth of a second."""

    ids: dict[str, int] = field(default_factory=dict)
    statuses: dict[int, RunStatus | Exception] = field(default_factory=dict)
    tests_error: SipfrontError | None = None
    requests: list[str] = field(default_factory=list)
    concurrent: int = 0
    peak: int = 0

    async def tests(self) -> Document:
        await self._answer("tests")
        if self.tests_error is not None:
            raise self.tests_error
        return Document({"tests": [{"id": test_id, "name": name} for name, test_id in self.ids.items()]})

    async def last_status_of_test(self, test_id: int) -> RunStatus:
        await self._answer(f"last {test_id}")
        status = self.statuses.get(test_id, MINUTE)
        if isinstance(status, Exception):
            raise status
        return status

    async def _answer(self, request: str) -> None:
        self.requests.append(request)
        self.concurrent += 1
        self.peak = max(self.peak, self.concurrent)
        await anyio.sleep(0.1)
        self.concurrent -= 1


def _run(name: str, **overrides: int) -> Run:
    return Run(request=RunRequest(test=name, overrides=overrides), timeout=0)


def _look_up(platform: Platform, *runs: Run, durations: Durations | None = None) -> Durations:
    """Want all runs, and return the durations a minute later."""
    durations = durations or Durations()

    async def main() -> None:
        history = PlatformHistory(platform, durations)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(history.serve)
            for run in runs:
                history.want(run)
            await anyio.sleep(60)
            tasks.cancel_scope.cancel()

    virtual.run(main)
    return durations


def _expected(durations: Durations, run: Run) -> ExpectedDuration | None:
    return durations.expected(run.key)


# ---- looking up -------------------------------------------------------------------------------------------------


def test_the_last_run_on_the_platform_tells_the_duration() -> None:
    """For every request of that test, whatever its overrides."""
    runs = [_run("A"), _run("A", x=1), _run("B")]
    platform = Platform({"A": 1, "B": 2})
    durations = _look_up(platform, *runs)
    assert [_expected(durations, run) for run in runs] == [ExpectedDuration(59, 61)] * 3
    assert sorted(platform.requests) == ["last 1", "last 2", "tests"]


def test_nothing_is_looked_up_for_requests_of_known_duration() -> None:
    """Nor for projects, whose last run the platform does not tell."""
    durations = Durations()
    durations.learn(_run("A").key, (1, 2))
    platform = Platform({"A": 1})
    _look_up(platform, _run("A"), Run(request=PROJECT, timeout=0), durations=durations)
    assert platform.requests == []


def test_a_request_that_comes_after_the_answer_gets_it_too() -> None:
    """Without another question to the platform."""
    platform, durations = Platform({"A": 1}), Durations()

    async def main() -> None:
        history = PlatformHistory(platform, durations)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(history.serve)
            history.want(_run("A"))
            await anyio.sleep(1)
            history.want(_run("A", x=1))
            history.want(_run("B"))
            await anyio.sleep(1)
            tasks.cancel_scope.cancel()

    virtual.run(main)
    assert _expected(durations, _run("A", x=1)) == ExpectedDuration(59, 61)
    assert platform.requests == ["tests", "last 1"]


def test_few_requests_are_sent_at_once() -> None:
    """Launches must not wait for them."""
    platform = Platform({str(n): n for n in range(40)})
    _look_up(platform, *(_run(str(n)) for n in range(40)))
    assert (len(platform.requests), platform.peak) == (41, 4)


@pytest.mark.parametrize(
    "status",
    [RunStatus.read({"status": "running"}), replace(MINUTE, test_name="Another"), NotFound("404")],
    ids=["running", "another test", "never ran"],
)
def test_a_test_without_a_usable_last_run_is_left_out(status: RunStatus | Exception) -> None:
    """And no other test is."""
    platform = Platform({"A": 1, "B": 2, "C": 3}, {1: status})
    durations = _look_up(platform, *map(_run, "ABCD"))
    assert [_expected(durations, _run(name)) is not None for name in "ABCD"] == [False, True, True, False]


def test_a_failure_ends_all_lookups() -> None:
    """A platform in trouble gets no further questions, and the session goes on."""
    gone = PlatformUnavailable("gone", arrived=False)
    platform = Platform(tests_error=gone)
    assert _expected(_look_up(platform, _run("A")), _run("A")) is None
    assert platform.requests == ["tests"]
    platform = Platform({str(n): n for n in range(40)}, {0: gone})
    _look_up(platform, *(_run(str(n)) for n in range(40)))
    assert len(platform.requests) <= 9


def test_a_platform_without_earlier_runs_is_not_asked_for_every_test() -> None:
    """Ten tests without a run are enough to know, unless another one had a run."""
    requests = {}
    for known in (False, True):
        statuses: dict[int, RunStatus | Exception] = {n: NotFound("404") for n in range(known, 40)}
        platform = Platform({str(n): n for n in range(40)}, statuses)
        _look_up(platform, *(_run(str(n)) for n in range(40)))
        requests[known] = len(platform.requests)
    assert 11 <= requests[False] <= 19
    assert requests[True] == 41


def test_the_scheduler_looks_up_what_it_launches_and_starts_the_longest_first() -> None:
    """The first launches do not wait for the answers."""
    yard = Yard(limit=1)
    seconds = {"a": 5, "b": 10, "c": 30, "d": 20}
    yard.platform.takes = dict(seconds)
    statuses: dict[int, RunStatus | Exception] = {
        n: RunStatus.read(
            PASSED | {"started_at": "2026-01-15 12:00:00", "stopped_at": f"2026-01-15 12:00:{seconds[name]:02}"}
        )
        for n, name in enumerate(seconds)
    }
    platform = Platform({name: n for n, name in enumerate(seconds)}, statuses)
    yard = Yard(limit=1, durations=(durations := Durations()), platform_history=PlatformHistory(platform, durations))
    yard.platform.takes = dict(seconds)

    async def in_queue(scheduler: Scheduler) -> None:
        for run in runs_of("abcd"):
            await scheduler.submit(run)
        await anyio.sleep(1000)

    yard.drive(in_queue)
    assert yard.launched == ["a", "c", "d", "b"]


def test_a_session_does_not_depend_on_the_lookups() -> None:
    """Even if the answer makes no sense at all."""
    platform = Platform({"a": 1}, {1: NotFound("no")})
    durations = Durations()
    yard = Yard(durations=durations, platform_history=PlatformHistory(platform, durations))
    assert verdicts(yard.finish(*runs_of("ab"))) == ["passed", "passed"]


# ---- names and ids ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "ids"),
    [
        ({"tests": [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]}, {"A": 1, "B": 2}),
        ([{"test_id": 1, "test_name": "A"}], {"A": 1}),
        ({"data": {"x": [{"test": {"id": 7, "name": "A", "project": {"id": 3, "name": "P"}}}]}}, {"A": 7, "P": 3}),
        ({"tests": [{"id": 1, "name": "A"}, {"id": 2, "name": "A"}, {"id": 3, "name": "B"}]}, {"B": 3}),
        ({"tests": [{"id": 1, "name": "A"}], "again": [{"id": 1, "name": "A"}]}, {"A": 1}),
        ({"tests": [{"id": "1", "name": "A"}, {"id": True, "name": "B"}, {"id": 1, "name": 5}, {"id": 2}, 7]}, {}),
        (None, {}),
        ("name", {}),
    ],
    ids=["list", "prefixed", "nested", "ambiguous", "repeated", "other types", "null", "text"],
)
def test_ids_are_found_beside_names_wherever_they_are(data: Any, ids: dict[str, int]) -> None:
    """The shape of the answer is not published. A name with two ids is left out."""
    assert ids_by_name(Document(data)) == ids


@given(JSON)
def test_any_answer_has_ids_or_none(data: Any) -> None:
    """Whatever the platform sends, nothing is raised."""
    assert all(isinstance(test_id, int) for test_id in ids_by_name(Document(data)).values())
