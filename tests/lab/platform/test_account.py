from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.platform.account import MAX_RECORDED_RUNS, Account, progress
from pytest_sipfront.lab.platform.executor import LabRunResult
from pytest_sipfront.lab.platform.http_requests import Refusal
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
def make_account(clock: Clock) -> Callable[[str], Account]:
    ids = count(1)

    def make(text: str) -> Account:
        file = load(text, ScriptedBackend())
        return Account(file=file, clock=clock, utcnow=clock.utcnow, new_id=lambda: f"id-{next(ids)}")

    return make


MakeAccount = Callable[[str], Account]


def test_a_run_is_in_flight_until_it_has_a_result(make_account: MakeAccount) -> None:
    """A second result of the same run is ignored."""
    account = make_account("tests: {A: {}}")
    test = account.file.tests["A"]
    first, second = account.launch(test, {}, "full"), account.launch(test, {}, "full")
    assert (account.launches, account.in_flight, account.peak_in_flight) == (2, 2, 2)
    account.finish(first, PASSED)
    account.finish(first, FAILED)
    assert (account.launches, account.in_flight, account.peak_in_flight) == (2, 1, 2)
    assert (account.state(first), account.state(second)) == ("passed", "running")


def test_launches_beyond_the_limit_are_refused(make_account: MakeAccount) -> None:
    """They get 429 with Retry-After and are not counted. A run that ends permits another launch."""
    account = make_account("account: {concurrent_runs: 2, retry_after: 3}\ntests: {A: {}}")
    test = account.file.tests["A"]
    first = account.launch(test, {}, "full")
    account.launch(test, {}, "full")
    with pytest.raises(Refusal) as caught:
        account.launch(test, {}, "full")
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "3"})
    assert (account.launches, account.in_flight) == (2, 2)
    account.finish(first, PASSED)
    account.launch(test, {}, "full")
    assert (account.launches, account.in_flight) == (3, 2)


def test_a_project_run_counts_as_one_launch(make_account: MakeAccount) -> None:
    """A project with more tests than the account's limit can run."""
    account = make_account("account: {concurrent_runs: 1}\ntests: {A: {}, B: {}}")
    project = account.file.projects["Default"]
    run = account.launch_project(project, project.tests, "full")
    assert (account.launches, account.in_flight) == (1, 1)
    with pytest.raises(Refusal):
        account.launch(project.tests[0], {}, "full")
    for each in run.runs:
        account.finish(each, PASSED)
    assert account.in_flight == 1
    account.finish_project(run)
    account.finish_project(run)
    assert account.in_flight == 0


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        (("passed", "passed"), "passed"),
        (("passed", "failed"), "failed"),
        (("stopped", "failed"), "failed"),
        (("passed", "errored"), "errored"),
    ],
)
def test_a_project_passes_only_if_all_its_tests_passed(
    make_account: MakeAccount, states: tuple[str, ...], verdict: str
) -> None:
    """A failed test fails the project. Without one, the first state other than passed is the state of the project."""
    account = make_account("tests: {A: {}, B: {}}")
    project = account.file.projects["Default"]
    run = account.launch_project(project, project.tests, "full")
    for each, state in zip(run.runs, states, strict=True):
        account.finish(each, LabRunResult(state=state))
    account.finish_project(run)
    assert account.project_state(run) == verdict


def test_a_lab_file_can_set_the_verdict_of_a_project(make_account: MakeAccount) -> None:
    """The verdicts of its tests do not matter then."""
    account = make_account("tests: {A: {}}\nprojects: {P: {tests: [A], verdict: stopped}}")
    run = account.launch_project(account.file.projects["P"], (), "full")
    account.finish_project(run)
    assert account.project_state(run) == "stopped"


def test_scripted_states_share_the_duration_of_the_run(make_account: MakeAccount, clock: Clock) -> None:
    """Each of `states` lasts equally long; the last one stays until the verdict."""
    account = make_account("tests: {A: {takes: 2, states: [queued, running]}}")
    run = account.launch(account.file.tests["A"], {}, "full")
    states = []
    for clock.seconds in (0.0, 0.9, 1.1, 5.0):
        states.append(account.state(run))
    assert states == ["queued", "queued", "running", "running"]
    assert progress(("queued", "running"), 0.0, 0.0) == "queued"


def test_a_strict_test_refuses_unknown_overrides(make_account: MakeAccount) -> None:
    """An override that is not a parameter of the test is refused with 400, and no run starts."""
    account = make_account("tests: {A: {strict: true, parameters: {step.1.0.to: '1'}}}")
    account.launch(account.file.tests["A"], {"step.1.0.to": "2"}, "full")
    with pytest.raises(Refusal, match=r"Unknown parameter step\.1\.0\.too .*it has step\.1\.0\.to") as caught:
        account.launch(account.file.tests["A"], {"step.1.0.too": "2"}, "full")
    assert (caught.value.status, account.launches) == (400, 1)


def test_timestamps_are_in_utc_without_a_zone(make_account: MakeAccount, clock: Clock) -> None:
    """`started_at` and `stopped_at` have the documented format."""
    account = make_account("tests: {A: {}}")
    run = account.launch(account.file.tests["A"], {}, "full")
    clock.seconds = 115
    account.finish(run, PASSED)
    body = run_status(account, run)
    assert (body["started_at"], body["stopped_at"]) == ("2024-02-09 08:20:18", "2024-02-09 08:22:13")


def test_the_last_run_of_a_test_is_the_one_launched_last(make_account: MakeAccount) -> None:
    """An earlier run that ends later does not replace it."""
    account = make_account("tests: {A: {}, B: {}}")
    account.launch(account.file.tests["A"], {}, "full")
    latest = account.launch(account.file.tests["A"], {}, "full")
    assert account.last_run(account.file.tests["A"]) is latest
    assert account.last_run(account.file.tests["B"]) is None


def test_only_the_latest_recordings_are_kept(make_account: MakeAccount) -> None:
    """A long session does not fill the memory."""
    account = make_account("tests: {A: {}}")
    runs = [account.launch(account.file.tests["A"], {}, "full") for _ in range(MAX_RECORDED_RUNS + 1)]
    for run in runs:
        account.finish(run, LabRunResult(state="passed", recordings={"caller": b"RIFF"}))
    with_audio = [run for run in runs if run.result and run.result.recordings]
    assert with_audio == runs[1:]
