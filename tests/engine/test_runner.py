from __future__ import annotations

from typing import Any

import pytest

from pytest_sipfront.engine.run import Run
from pytest_sipfront.errors import (
    LaunchOutcomeUnknown,
    NotFound,
    NoVerdict,
    PlatformUnavailable,
    RequestRefused,
    RunTimeout,
    SipfrontError,
)
from tests.engine.support import FAILED, INTERVAL, PASSED, PROJECT, RUNNING, TEST, House

BEGAN, ENDED, LATER = "2026-01-15 12:00:00", "2026-01-15 12:05:00", "2026-01-15 13:00:00"
PROJECT_PASSED: dict[str, Any] = {
    "run_status": "passed",
    "project_id": 7,
    "total_tests": 1,
    "tests_started": 1,
    "created_at": BEGAN,
    "stopped_at": ENDED,
}


def _entry(name: str, run: dict[str, Any], started_at: str = BEGAN) -> dict[str, Any]:
    return {"test": {"id": 1, "name": name}, "run": {**run, "started_at": started_at}}


# ---- the way to a verdict ---------------------------------------------------------------------------------------


def test_a_run_is_launched_once_and_followed_to_its_verdict(house: House) -> None:
    """One launch, one question an interval, the platform's words in the result."""
    house.platform.status_script = [RUNNING, RUNNING, {**FAILED, "tags": ["a"]}]
    run, result = house.run()
    assert house.platform.launched == [TEST]
    assert (result.verdict, result.passed, result.result_description) == ("failed", False, "No answer")
    assert (result.session_id, result.report_url, result.status_url) == ("s-1", "https://x/report", "https://x/1")
    assert result.raw["tags"] == ["a"]
    assert run.polls == 3


def test_a_passed_run_is_passed(house: House) -> None:
    """The other verdict."""
    _, result = house.run()
    assert (result.verdict, result.passed) == ("passed", True)


def test_the_first_question_comes_one_interval_after_the_launch(house: House) -> None:
    """Nothing is known earlier; then one question an interval, and none after the end."""
    house.platform.status_script = [RUNNING, RUNNING, PASSED]
    house.run()
    assert [at for _, at, _ in house.platform.asked] == [INTERVAL, 2 * INTERVAL, 3 * INTERVAL]


def test_the_status_url_of_the_launch_is_asked(house: House) -> None:
    """Discrepancy 10: it is never rebuilt from an id."""
    house.run()
    assert {url for url, _, _ in house.platform.asked} == {"https://x/1"}


def test_waiting_without_a_launch_is_a_mistake_of_the_caller(house: House) -> None:
    """There would be nothing to ask for."""
    with pytest.raises(RuntimeError):
        house.wait(Run(request=TEST, timeout=0))


# ---- launch -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        RequestRefused("no"),
        NotFound("no"),
        LaunchOutcomeUnknown(PlatformUnavailable("reset", arrived=True)),
        PlatformUnavailable("refused", arrived=False),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_launch_that_failed_is_not_sent_again(house: House, error: SipfrontError) -> None:
    """Whatever may be repeated was repeated below; a call cannot be unplaced."""
    house.platform.launch_script = [error, None]
    run = Run(request=TEST, timeout=0)
    with pytest.raises(type(error)) as caught:
        house.launch(run)
    assert caught.value is error
    assert len(house.platform.launched) == 1
    assert (run.launched, run.launched_at, house.platform.asked) == (None, None, [])


def test_a_launched_run_knows_its_report_before_the_first_question(house: House) -> None:
    """Discrepancy 17: report and session are kept from the launch on, in every outcome."""
    run = Run(request=TEST, timeout=0)
    assert (run.report_url, run.session_id) == ("", "")
    house.launch(run)
    assert (run.report_url, run.session_id) == ("https://x/report", "s-1")


# ---- deadline ---------------------------------------------------------------------------------------------------


def test_a_run_that_does_not_end_is_given_up_at_its_deadline(house: House) -> None:
    """The error names the last status, the time, and where the limit is set."""
    house.platform.status_script = [RUNNING]
    run = Run(request=TEST, timeout=10)
    house.launch(run)
    with pytest.raises(RunTimeout) as caught:
        house.wait(run)
    assert str(caught.value) == "not finished after 10.0 s (timeout 10 s), last status: running"
    assert dict(caught.value.evidence) == {"last status": "running", "elapsed": "10.0 s", "polls": 4}
    assert all(place in caught.value.hint for place in ("timeout=", "--sipfront-timeout", "SIPFRONT_TIMEOUT"))


def test_the_last_question_comes_right_at_the_deadline(house: House) -> None:
    """A run that ends just in time has its verdict."""
    house.platform.status_script = [RUNNING, RUNNING, RUNNING, PASSED]
    _, result = house.run(timeout=10)
    assert result.passed
    assert [at for _, at, _ in house.platform.asked] == [3.0, 6.0, 9.0, 10.0]


def test_every_question_knows_the_deadline(house: House) -> None:
    """So that its repetitions end there, too."""
    house.run(timeout=10)
    assert [deadline for _, _, deadline in house.platform.asked] == [house.time.start + 10]


def test_without_a_timeout_a_run_is_waited_for_as_long_as_it_takes(house: House) -> None:
    """0 is no limit."""
    house.platform.status_script = [RUNNING] * 2000 + [PASSED]
    _, result = house.run(timeout=0)
    assert result.passed
    assert house.platform.asked[-1][2] is None


def test_a_question_that_lasts_beyond_the_deadline_ends_in_a_timeout(house: House) -> None:
    """The run is overdue; why its last question failed is evidence."""

    def until_the_deadline() -> None:
        house.time.seconds = house.time.start + 10

    house.platform.before_answer = until_the_deadline
    house.platform.status_script = [PlatformUnavailable("no answer", arrived=True)]
    with pytest.raises(RunTimeout, match="last status: none") as caught:
        house.run(timeout=10)
    assert caught.value.evidence["last answer"] == "no answer"


def test_a_question_that_fails_before_the_deadline_is_an_error_of_its_own(house: House) -> None:
    """The client has asked long enough; the state is not known."""
    error = PlatformUnavailable("gone", arrived=True)
    house.platform.status_script = [RUNNING, error]
    with pytest.raises(PlatformUnavailable) as caught:
        house.run(timeout=100)
    assert caught.value is error


# ---- states -----------------------------------------------------------------------------------------------------


def test_an_unknown_state_is_asked_again_and_noted_once(house: House) -> None:
    """It may be new to us; a hundred notes of it would help nobody."""
    house.platform.status_script = [*[{"status": "queued"}] * 5, RUNNING, {"status": "queued"}, PASSED]
    run, result = house.run()
    assert result.passed
    assert run.notes == ["the platform reports the unknown state 'queued'"]
    assert result.notes == tuple(run.notes)


def test_an_unknown_state_at_the_deadline_is_a_timeout_with_that_state(house: House) -> None:
    """Discrepancies 2 and 3: never a pass, not even at last."""
    house.platform.status_script = [{"status": "limbo", "has_passed": 1}]
    with pytest.raises(RunTimeout, match="last status: limbo"):
        house.run(timeout=10)


@pytest.mark.parametrize(
    ("final", "reason"),
    [
        ({"status": "stopped", "is_finished": 1}, "the run ended as 'stopped', which is neither passed nor failed"),
        ({"status": "limbo", "is_finished": 1}, "the run is finished with the unknown state 'limbo'"),
        ({**PASSED, "has_passed": 0}, "the state is 'passed', but has_passed is 0"),
        ({**FAILED, "is_failed": 0}, "the state is 'failed', but is_failed is 0"),
        ({"is_finished": 1}, "the run is finished with no state"),
    ],
)
def test_a_run_that_ends_without_a_verdict_shows_what_the_platform_said(
    house: House, final: dict[str, Any], reason: str
) -> None:
    """ERROR with the raw fields, at the first final answer."""
    house.platform.status_script = [RUNNING, final]
    with pytest.raises(NoVerdict) as caught:
        house.run()
    assert str(caught.value) == f"no verdict: {reason}"
    assert caught.value.evidence["run"] == final
    assert len(house.platform.asked) == 2


def test_where_state_fields_disagree_the_run_is_followed_until_they_agree(house: House) -> None:
    """Discrepancies 1 and 18: one field lags behind the other."""
    house.platform.status_script = [
        {"status": "running", "session_status": "passed"},
        {**PASSED, "session_status": "passed"},
    ]
    run, result = house.run()
    assert (result.passed, run.polls) == (True, 2)


# ---- projects ---------------------------------------------------------------------------------------------------


def test_a_project_s_tests_are_asked_for_once_it_is_over(house: House) -> None:
    """Its own status names no test."""
    house.platform.status_script = [{"run_status": "running", "project_id": 7}, PROJECT_PASSED]
    house.platform.project_tests = [_entry("Inner", PASSED)]
    _, result = house.run(PROJECT)
    assert result.passed
    assert house.platform.asked_projects == [7]
    assert [last.test_name for last in result.tests] == ["Inner"]
    assert result.notes == ()


def test_a_test_run_asks_for_no_project(house: House) -> None:
    """Though its status names one."""
    house.platform.status_script = [{**PASSED, "project_id": 7}]
    _, result = house.run()
    assert (house.platform.asked_projects, result.tests) == ([], ())


def test_stale_results_of_a_project_s_tests_are_noted(house: House) -> None:
    """Discrepancy 13: the list gives each test's last run, whoever started it."""
    house.platform.status_script = [PROJECT_PASSED]
    house.platform.project_tests = [_entry("Inner", PASSED), _entry("Elsewhere", FAILED, LATER)]
    _, result = house.run(PROJECT)
    assert result.passed
    assert result.notes == ("not of this project run, by their times: Elsewhere",)


def test_a_passed_project_with_a_test_that_failed_has_no_verdict(house: House) -> None:
    """A contradiction is never a pass."""
    house.platform.status_script = [PROJECT_PASSED]
    house.platform.project_tests = [_entry("Inner", FAILED)]
    with pytest.raises(NoVerdict, match="its test 'Inner' failed"):
        house.run(PROJECT)


def test_a_project_s_verdict_stands_without_the_results_of_its_tests(house: House) -> None:
    """They are evidence; the project's own state is the verdict."""
    house.platform.status_script = [PROJECT_PASSED]
    house.platform.project_tests = NotFound("no such project")
    _, result = house.run(PROJECT)
    assert result.passed
    assert result.notes == ("the results of the project's tests could not be read: no such project",)


def test_a_failed_project_names_its_tests(house: House) -> None:
    """Its failure message needs them."""
    house.platform.status_script = [{**PROJECT_PASSED, "run_status": "failed"}]
    house.platform.project_tests = [_entry("Inner", FAILED)]
    _, result = house.run(PROJECT)
    assert result.verdict == "failed"
    assert result.tests[0].status.result_description == "No answer"


def test_a_project_without_an_id_in_its_status_is_not_asked_for_tests(house: House) -> None:
    """There is nothing to ask by."""
    house.platform.status_script = [{"run_status": "passed"}]
    _, result = house.run(PROJECT)
    assert (result.passed, house.platform.asked_projects) == (True, [])
