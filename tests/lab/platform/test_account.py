from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.platform.account import MAX_RECORDED_RUNS, Account, Refusal, progress
from pytest_sipfront.lab.platform.executor import LabRunResult
from pytest_sipfront.lab.platform.responses import run_status

START = datetime(2024, 2, 9, 8, 20, 18, tzinfo=UTC)
PASSED, FAILED = LabRunResult(state="passed"), LabRunResult(state="failed", description="486 Busy Here")


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def utcnow(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> Callable[[str], Account]:
    ids = count(1)

    def make(text: str) -> Account:
        file = load(text, ScriptedBackend())
        return Account(file=file, clock=clock, utcnow=clock.utcnow, new_id=lambda: f"id-{next(ids)}")

    return make


MakeAccount = Callable[[str], Account]


def test_a_run_is_in_flight_until_its_finding_is_there(account: MakeAccount) -> None:
    """Counts follow launches and findings, and a second finding for one run changes nothing."""
    kept = account("tests: {A: {}}")
    test = kept.file.tests["A"]
    first, second = kept.launch(test, {}, "full"), kept.launch(test, {}, "full")
    assert (kept.launches, kept.in_flight, kept.peak_in_flight) == (2, 2, 2)
    kept.finish(first, PASSED)
    kept.finish(first, FAILED)
    assert (kept.launches, kept.in_flight, kept.peak_in_flight) == (2, 1, 2)
    assert (kept.state(first), kept.state(second)) == ("passed", "running")


def test_the_limit_refuses_exactly_the_launch_beyond_it(account: MakeAccount) -> None:
    """The launch beyond `concurrent_runs` gets 429 with Retry-After and is not counted; a free place is taken again."""
    kept = account("account: {concurrent_runs: 2, retry_after: 3}\ntests: {A: {}}")
    test = kept.file.tests["A"]
    first = kept.launch(test, {}, "full")
    kept.launch(test, {}, "full")
    with pytest.raises(Refusal) as caught:
        kept.launch(test, {}, "full")
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "3"})
    assert (kept.launches, kept.in_flight) == (2, 2)
    kept.finish(first, PASSED)
    kept.launch(test, {}, "full")
    assert (kept.launches, kept.in_flight) == (3, 2)


def test_a_project_run_takes_one_place_whatever_the_number_of_its_tests(account: MakeAccount) -> None:
    """A project larger than the account's limit can run."""
    kept = account("account: {concurrent_runs: 1}\ntests: {A: {}, B: {}}")
    project = kept.file.projects["Default"]
    run = kept.launch_project(project, project.tests, "full")
    assert (kept.launches, kept.in_flight) == (1, 1)
    with pytest.raises(Refusal):
        kept.launch(project.tests[0], {}, "full")
    for one in run.runs:
        kept.finish(one, PASSED)
    assert kept.in_flight == 1
    kept.finish_project(run)
    kept.finish_project(run)
    assert kept.in_flight == 0


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        (("passed", "passed"), "passed"),
        (("passed", "failed"), "failed"),
        (("stopped", "failed"), "failed"),
        (("passed", "errored"), "errored"),
    ],
)
def test_a_project_passes_only_if_all_its_tests_passed(
    account: MakeAccount, findings: tuple[str, ...], verdict: str
) -> None:
    """One failed test fails the project; any other state that is no pass is the project's too."""
    kept = account("tests: {A: {}, B: {}}")
    project = kept.file.projects["Default"]
    run = kept.launch_project(project, project.tests, "full")
    for one, state in zip(run.runs, findings, strict=True):
        kept.finish(one, LabRunResult(state=state))
    kept.finish_project(run)
    assert kept.project_state(run) == verdict


def test_a_project_s_verdict_can_be_forced(account: MakeAccount) -> None:
    """A file can make a project end in any state."""
    kept = account("tests: {A: {}}\nprojects: {P: {tests: [A], verdict: stopped}}")
    run = kept.launch_project(kept.file.projects["P"], (), "full")
    kept.finish_project(run)
    assert kept.project_state(run) == "stopped"


def test_scripted_states_share_the_run_s_time(account: MakeAccount, clock: Clock) -> None:
    """`states` are reported in turn over the time the run takes, the last one until the verdict."""
    kept = account("tests: {A: {takes: 2, states: [queued, running]}}")
    run = kept.launch(kept.file.tests["A"], {}, "full")
    seen = []
    for clock.seconds in (0.0, 0.9, 1.1, 5.0):
        seen.append(kept.state(run))
    assert seen == ["queued", "queued", "running", "running"]
    assert progress(("queued", "running"), 0.0, 0.0) == "queued"


def test_a_strict_test_refuses_what_it_does_not_list(account: MakeAccount) -> None:
    """`strict`: an override that is no parameter of the test is refused with 400 and starts nothing."""
    kept = account("tests: {A: {strict: true, parameters: {step.1.0.to: '1'}}}")
    kept.launch(kept.file.tests["A"], {"step.1.0.to": "2"}, "full")
    with pytest.raises(Refusal, match=r"Unknown parameter step\.1\.0\.too .*it has step\.1\.0\.to") as caught:
        kept.launch(kept.file.tests["A"], {"step.1.0.too": "2"}, "full")
    assert (caught.value.status, kept.launches) == (400, 1)


def test_times_are_utc_without_a_zone_as_the_documentation_shows_them(account: MakeAccount, clock: Clock) -> None:
    """started_at and stopped_at have the documented form, seconds apart as the clock went."""
    kept = account("tests: {A: {}}")
    run = kept.launch(kept.file.tests["A"], {}, "full")
    clock.seconds = 115
    kept.finish(run, PASSED)
    body = run_status(kept, run)
    assert (body["started_at"], body["stopped_at"]) == ("2024-02-09 08:20:18", "2024-02-09 08:22:13")


def test_the_last_run_of_a_test_is_the_latest_launched(account: MakeAccount) -> None:
    """Each test's last run is kept, also when an earlier one ends later."""
    kept = account("tests: {A: {}, B: {}}")
    kept.launch(kept.file.tests["A"], {}, "full")
    latest = kept.launch(kept.file.tests["A"], {}, "full")
    assert kept.last_run(kept.file.tests["A"]) is latest
    assert kept.last_run(kept.file.tests["B"]) is None


def test_recordings_are_kept_for_a_bounded_number_of_runs(account: MakeAccount) -> None:
    """A long session does not collect audio without end."""
    kept = account("tests: {A: {}}")
    runs = [kept.launch(kept.file.tests["A"], {}, "full") for _ in range(MAX_RECORDED_RUNS + 1)]
    for run in runs:
        kept.finish(run, LabRunResult(state="passed", recordings={"caller": b"RIFF"}))
    with_audio = [run for run in runs if run.result and run.result.recordings]
    assert with_audio == runs[1:]
