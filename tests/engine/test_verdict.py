from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.engine.verdict import (
    DESCRIPTION_LIMIT,
    Expectation,
    Judgement,
    Phase,
    Verdict,
    against_project,
    failure_description,
    is_current,
    judge,
    selected_tests,
)

PASSED = {"status": "passed", "has_passed": 1, "is_failed": 0, "is_finished": 1}
FAILED = {"status": "failed", "has_passed": 0, "is_failed": 1, "is_finished": 1}
FINAL_WORDS = ("stopped", "errored", "error", "cancelled", "canceled", "aborted")
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
TEST, PROJECT = RunRequest(test="Basic call"), RunRequest(project="Nightly")

WORDS = st.sampled_from(["running", "passed", "failed", "stopped", "queued", "PASSED", " passed ", "", None, 1, True])
FLAGS: st.SearchStrategy[object] = st.sampled_from(
    [0, 1, True, False, "0", "1", "true", "false", "yes", None, 2, [], "missing"]
)
RUNS = st.dictionaries(st.sampled_from(["status", "session_status", "run_status"]), WORDS).flatmap(
    lambda states: st.fixed_dictionaries(
        {},
        optional={
            "has_passed": FLAGS,
            "is_failed": FLAGS,
            "is_finished": FLAGS,
            "total_tests": st.integers(-1, 3) | st.none(),
            "tests_started": st.integers(-1, 3) | st.none(),
        },
    ).map(lambda flags: {**states, **flags})
)


def judge_polls(*runs: dict[str, Any], request: RunRequest = TEST, launched: Launched | None = None) -> Judgement:
    """Judge the last of several polls in a row."""
    statuses = [None, *map(RunStatus.read, runs)]
    previous, status = statuses[-2:]
    assert status is not None
    return judge(status, request, launched, previous)


def judged(*runs: dict[str, Any], is_project: bool = False) -> tuple[Phase, Verdict | None]:
    judgement = judge_polls(*runs, request=PROJECT if is_project else TEST)
    return judgement.phase, judgement.verdict


def reason(*runs: dict[str, Any], is_project: bool = False) -> str:
    judgement = judge_polls(*runs, request=PROJECT if is_project else TEST)
    assert judgement.phase is not Phase.RUNNING
    assert judgement.verdict is None
    return judgement.reason


@pytest.mark.parametrize("field", ["status", "session_status", "run_status"])
@pytest.mark.parametrize("yes", [1, True, "1", "true", "True"])
@pytest.mark.parametrize("no", [0, False, "0", "false"])
def test_a_verdict_may_be_in_any_state_field_with_flags_of_any_type(field: str, yes: object, no: object) -> None:
    """Discrepancies 1 and 4: three names for the state; flags as 0/1, bool or string."""
    passed = {field: "passed", "has_passed": yes, "is_failed": no, "is_finished": yes}
    failed = {field: "failed", "has_passed": no, "is_failed": yes, "is_finished": yes}
    assert judged(passed) == (Phase.FINAL, Verdict.PASSED)
    assert judged(failed) == (Phase.FINAL, Verdict.FAILED)


@pytest.mark.parametrize(("state", "verdict"), [(" Passed\n", Verdict.PASSED), ("FAILED", Verdict.FAILED)])
def test_case_and_spaces_of_a_state_do_not_matter(state: str, verdict: Verdict) -> None:
    """The platform's spelling may change."""
    base = PASSED if verdict is Verdict.PASSED else FAILED
    assert judged({**base, "status": state}) == (Phase.FINAL, verdict)


def test_a_running_run_needs_only_its_state() -> None:
    """Discrepancy 5: all other fields are absent."""
    assert judged({"status": "running"}) == (Phase.RUNNING, None)


@pytest.mark.parametrize("other", ["passed", "failed", "stopped", "anything"])
@pytest.mark.parametrize("running", ["status", "session_status"])
def test_a_run_is_running_if_one_field_is_running(other: str, running: str) -> None:
    """Discrepancies 1 and 18: `status` is known to lag behind `session_status`, and the other way round."""
    finished = "session_status" if running == "status" else "status"
    assert judged({**PASSED, running: "running", finished: other}) == (Phase.RUNNING, None)


@pytest.mark.parametrize("fields", [("status", "session_status"), ("session_status", "status")])
def test_failed_takes_precedence_over_passed(fields: tuple[str, str]) -> None:
    """Discrepancy 1: a contradicted pass is not a pass."""
    passed, failed = fields
    assert judged({**FAILED, passed: "passed", failed: "failed"}) == (Phase.FINAL, Verdict.FAILED)


def test_a_pass_beside_an_unknown_state_is_no_verdict() -> None:
    """The fields must agree."""
    assert judged({**PASSED, "session_status": "limbo"}) == (Phase.FINAL, None)


@pytest.mark.parametrize("state", ["passed", "failed"])
def test_polling_continues_until_the_run_is_finished(state: str) -> None:
    """`is_finished` 0: the status may still change."""
    base = PASSED if state == "passed" else FAILED
    assert judged({**base, "is_finished": 0}) == (Phase.RUNNING, None)


def test_polling_continues_without_a_state() -> None:
    """Discrepancy 2: the vendor's client treats a missing state as a pass."""
    assert judged({}) == (Phase.UNKNOWN, None)
    assert reason({}) == "the platform reports no state"
    assert judged({"has_passed": 1, "is_failed": 0}) == (Phase.UNKNOWN, None)


@pytest.mark.parametrize("state", ["queued", "pending", "success", "ok", "finished", "1"])
def test_polling_continues_in_an_unknown_state_until_it_is_final(state: str) -> None:
    """Discrepancy 3: an unknown state is not a pass. There is no verdict if the run is finished."""
    assert judged({"status": state}) == (Phase.UNKNOWN, None)
    assert repr(state) in reason({"status": state})
    assert judged({**PASSED, "status": state}) == (Phase.FINAL, None)
    assert reason({**PASSED, "status": state}) == f"the run is finished with the unknown state {state!r}"


@pytest.mark.parametrize("word", FINAL_WORDS)
@pytest.mark.parametrize("flags", [{}, {"has_passed": 1, "is_failed": 0}, {"is_finished": 1}])
def test_a_run_that_was_stopped_has_no_verdict(word: str, flags: dict[str, int]) -> None:
    """The call was not judged, so the flags do not matter."""
    assert judged({"status": word, **flags}) == (Phase.FINAL, None)
    assert reason({"status": word, **flags}) == f"the run ended as {word!r}, which is neither passed nor failed"


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"has_passed": 0}, "has_passed is 0"),
        ({"has_passed": "0"}, "has_passed is 0"),
        ({"has_passed": "maybe"}, "has_passed is 'maybe'"),
        ({"has_passed": 2}, "has_passed is 2"),
        ({"is_failed": 0.0}, "is_failed is 0.0"),
        ({"is_failed": "yes"}, "is_failed is 'yes'"),
        ({"is_finished": 1.0}, "is_finished is 1.0"),
        ({"is_finished": []}, "is_finished is []"),
        ({"session_status": 7}, "session_status is 7"),
        ({"is_failed": 1}, "is_failed is 1"),
        ({"is_failed": True, "has_passed": False}, "has_passed is 0 and is_failed is 1"),
    ],
)
def test_a_pass_with_an_objection_is_no_verdict(change: dict[str, Any], objection: str) -> None:
    """Discrepancy 4: contradictory and unreadable fields are named in the reason."""
    assert reason({**PASSED, **change}) == f"the state is 'passed', but {objection}"


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"is_failed": 0}, "is_failed is 0"),
        ({"has_passed": 1}, "has_passed is 1"),
        ({"has_passed": "1", "is_failed": "0"}, "is_failed is 0 and has_passed is 1"),
        ({"is_failed": 1.0}, "is_failed is 1.0"),
        ({"is_finished": "done"}, "is_finished is 'done'"),
    ],
)
def test_a_failure_with_an_objection_is_no_verdict(change: dict[str, Any], objection: str) -> None:
    """A contradiction is not a failure of the system under test."""
    assert reason({**FAILED, **change}) == f"the state is 'failed', but {objection}"


def test_a_failure_needs_no_flags() -> None:
    """Only a pass has to be confirmed. The vendor's action also fails on the state alone."""
    assert judged({"status": "failed"}) == (Phase.FINAL, Verdict.FAILED)


def test_a_pass_is_polled_again_until_it_has_its_flag() -> None:
    """The state may be ahead of `has_passed` by one poll. If the flag stays missing, there is no verdict."""
    for state in ({"status": "passed"}, {"status": "passed", "is_finished": 1}):
        assert judged(state) == (Phase.UNSETTLED, None)
        assert judged({"status": "running"}, state) == (Phase.UNSETTLED, None)
        assert judged(state, {**PASSED}) == (Phase.FINAL, Verdict.PASSED)
        assert reason(state, state) == "the state is 'passed', but has_passed is missing"


NOT_MARKED_AS_FINISHED = {"status": "passed", "has_passed": 1, "is_failed": 0}


def test_a_pass_that_is_not_marked_as_finished_needs_two_equal_polls() -> None:
    """The first passed status may be followed by a failure."""
    passed = NOT_MARKED_AS_FINISHED
    assert judged(passed) == (Phase.UNSETTLED, None)
    assert judged({"status": "running"}, passed) == (Phase.UNSETTLED, None)
    assert judged(passed, passed) == (Phase.FINAL, Verdict.PASSED)
    assert judged(passed, {**passed, "unrelated": 7}) == (Phase.FINAL, Verdict.PASSED)
    assert judged(passed, FAILED) == (Phase.FINAL, Verdict.FAILED)
    assert judged(passed, {"status": "running"}) == (Phase.RUNNING, None)


@pytest.mark.parametrize("change", [{"result_description": "late"}, {"is_failed": None}, {"stopped_at": str(NOON)}])
def test_a_pass_that_changes_between_two_polls_is_not_settled(change: dict[str, Any]) -> None:
    """It passes only after two equal polls."""
    first, second = NOT_MARKED_AS_FINISHED, {**NOT_MARKED_AS_FINISHED, **change}
    assert judged(first, second) == (Phase.UNSETTLED, None)
    assert judged(first, second, second) == (Phase.FINAL, Verdict.PASSED)


def test_a_project_carries_no_flags() -> None:
    """Its status has only `run_status`."""
    passed = {"run_status": "passed"}
    assert judged(passed, is_project=True) == (Phase.UNSETTLED, None)
    assert judged(passed, passed, is_project=True) == (Phase.FINAL, Verdict.PASSED)
    assert judged({"run_status": "failed"}, is_project=True) == (Phase.FINAL, Verdict.FAILED)
    assert judged({"run_status": "stopped"}, is_project=True) == (Phase.FINAL, None)
    assert judged({"run_status": "running"}, is_project=True) == (Phase.RUNNING, None)


@pytest.mark.parametrize("word", FINAL_WORDS)
def test_a_run_without_verdict_shows_its_description(word: str) -> None:
    """The description is the only explanation of the platform, on one line."""
    assert reason({"status": word, "result_description": "agent\n lost"}) == f"{word} - agent lost"
    long = reason({"status": word, "result_description": "x" * 3000})
    assert len(long) == len(f"{word} - ") + DESCRIPTION_LIMIT


# ---- statuses of other runs

URL_ID = "bae59eae-c123-45ee-6789-6cb5e9a2b1c2"
LAUNCHED = Launched(
    status_url=f"https://app.sipfront.com/api/v2/runs/{URL_ID}/status",
    session_id="bae59eae-c723-11ee-8347-6cb5e9a2b1c2",
)


@pytest.mark.parametrize("base", [PASSED, FAILED])
@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"session_id": "another"}, f"its session_id 'another' names another run than '{URL_ID}'"),
        ({"session_id": "another", "id": 7}, f"its session_id 'another' names another run than '{URL_ID}'"),
        ({"test_name": "Other call"}, "its test_name 'Other call' names another test than 'Basic call'"),
    ],
)
def test_a_status_of_another_run_is_no_verdict(base: dict[str, Any], change: dict[str, Any], objection: str) -> None:
    """Neither a pass nor a failure may come from another run."""
    judgement = judge_polls({**base, **change}, launched=LAUNCHED)
    assert (judgement.phase, judgement.verdict) == (Phase.FINAL, None)
    assert judgement.reason == f"the state is {base['status']!r}, but {objection}"


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"session_id": None, "test_name": None},
        {"session_id": URL_ID, "test_name": "Basic call"},
        {"session_id": URL_ID.upper(), "test_name": " basic  CALL"},
        {"session_id": LAUNCHED.session_id},
        {"session_id": "numbered", "id": URL_ID},
    ],
)
def test_ids_and_names_of_the_launch_are_accepted(change: dict[str, Any]) -> None:
    """Discrepancy 10: the documented sample has two ids. A missing field is not a contradiction."""
    judgement = judge_polls({**PASSED, **change}, launched=LAUNCHED)
    assert (judgement.phase, judgement.verdict) == (Phase.FINAL, Verdict.PASSED)


@pytest.mark.parametrize("url", ["/s", "https://app.sipfront.com/status", "https://app.sipfront.com/runs/7", ""])
def test_a_status_url_without_an_id_is_not_compared(url: str) -> None:
    """There is nothing to compare with."""
    launched = Launched(status_url=url, session_id="launch")
    assert judge_polls({**PASSED, "session_id": "another"}, launched=launched).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("project", "change", "objection"),
    [
        ("Nightly", {"project_name": "Weekly"}, "its project_name 'Weekly' names another project than 'Nightly'"),
        (7, {"project_id": 8}, "its project_id 8 names another project than 7"),
        ("Nightly", {"project_name": "nightly", "project_id": 8, "test_name": "Any"}, ""),
        (7, {"project_name": "Weekly", "project_id": 7}, ""),
    ],
)
def test_a_status_of_another_project_is_no_verdict(project: str | int, change: dict[str, Any], objection: str) -> None:
    """The project is compared by the id or name that launched it."""
    judgement = judge_polls({"run_status": "passed", "is_finished": 1, **change}, request=RunRequest(project=project))
    assert judgement.verdict is (None if objection else Verdict.PASSED)
    assert judgement.reason == (f"the state is 'passed', but {objection}" if objection else "")


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"total_tests": 0}, "the project ran no test"),
        ({"total_tests": 3, "tests_started": 2}, "1 of 3 tests were never started"),
        ({"has_passed": 0}, "has_passed is 0"),
        ({"is_failed": 1}, "is_failed is 1"),
    ],
)
def test_a_project_that_did_not_run_all_its_tests_has_not_passed(change: dict[str, int], objection: str) -> None:
    """A pass without tests would be a false green."""
    run = {"run_status": "passed", **change}
    assert reason(run, is_project=True) == f"the state is 'passed', but {objection}"


def test_a_project_that_started_all_its_tests_has_passed() -> None:
    """The counts agree."""
    run = {"run_status": "passed", "total_tests": 3, "tests_started": 3}
    assert judged(run, run, is_project=True) == (Phase.FINAL, Verdict.PASSED)


@given(run=RUNS, is_project=st.booleans())
def test_no_false_green(run: dict[str, Any], is_project: bool) -> None:
    """In a pass every state field and the flag agree, and no field contradicts or is unreadable."""
    phase, verdict = judged(run, run, is_project=is_project)
    if verdict is not Verdict.PASSED:
        return
    assert phase is Phase.FINAL
    states = [run.get(name) for name in ("status", "session_status", "run_status")]
    words = [state.strip().lower() for state in states if isinstance(state, str) and state.strip()]
    assert words
    assert set(words) == {"passed"}
    yes, no = (1, True, "1", "true"), (0, False, "0", "false")
    assert run.get("has_passed") in yes or (is_project and run.get("has_passed") not in no)
    assert run.get("is_failed") in (*no, None)
    assert run.get("is_finished") in (*yes, None)
    if is_project:
        total, started = run.get("total_tests"), run.get("tests_started")
        assert total != 0
        assert total is None or started is None or started >= total


@given(run=RUNS, is_project=st.booleans())
def test_no_false_red(run: dict[str, Any], is_project: bool) -> None:
    """In a failure a state field names it, and no flag contradicts."""
    _, verdict = judged(run, is_project=is_project)
    if verdict is Verdict.FAILED:
        assert "failed" in [run.get(name) for name in ("status", "session_status", "run_status")]
        assert run.get("has_passed") not in (1, True, "1", "true")
        assert run.get("is_failed") not in (0, False, "0", "false")


@given(run=RUNS, is_project=st.booleans())
def test_a_missing_verdict_has_a_reason(run: dict[str, Any], is_project: bool) -> None:
    """A running run needs no reason."""
    judgement = judge_polls(run, request=PROJECT if is_project else TEST)
    needs_reason = judgement.verdict is None and judgement.phase is not Phase.RUNNING
    assert bool(judgement.reason) is needs_reason


# ---- the tests of a project -------------------------------------------------------------------------------------


def _last(began: datetime | None, state: str = "passed", name: str = "Inner") -> LastStatus:
    status = RunStatus(states={"status": state}, started_at=began)
    return LastStatus(test_id=1, test_name=name, status=status)


def _project(stop: datetime | None = NOON + timedelta(minutes=5), start: datetime | None = NOON) -> RunStatus:
    return RunStatus(states={"run_status": "passed"}, started_at=start, stopped_at=stop)


@pytest.mark.parametrize(
    ("began", "current"),
    [
        (NOON - timedelta(seconds=1), False),
        (NOON, True),
        (NOON + timedelta(minutes=5), True),
        (NOON + timedelta(minutes=5, seconds=1), False),
        (None, False),
    ],
)
def test_the_last_run_of_a_test_belongs_to_the_project_run_by_its_time(began: datetime | None, current: bool) -> None:
    """Discrepancy 13: the list has the last run of each test, which may have been started by hand."""
    assert is_current(_last(began), _project()) is current


def test_without_a_start_time_of_the_project_no_run_belongs_to_it() -> None:
    """A missing end means that the project is still running."""
    assert is_current(_last(NOON), _project(start=None)) is False
    assert is_current(_last(NOON + timedelta(days=1)), _project(stop=None)) is True


def test_a_test_that_failed_within_a_passed_project_contradicts_it() -> None:
    """The reason names the test."""
    tests = (_last(NOON), _last(NOON, "failed", "Inner 2"))
    assert against_project(tests, _project()) == "the project passed, but its test 'Inner 2' failed"
    assert (
        against_project((_last(NOON, "errored"),), _project())
        == "the project passed, but its test 'Inner' ended as 'errored'"
    )


def test_a_stale_failure_does_not_contradict_a_project() -> None:
    """It belongs to another run."""
    assert against_project((_last(NOON - timedelta(days=1), "failed"),), _project()) == ""
    assert against_project((), _project()) == ""


def test_a_project_with_test_ids_is_judged_by_these_tests_only() -> None:
    """Another test of the project may fail at the same time in another run."""
    first, second = _last(NOON), LastStatus(test_id=2, test_name="Other", status=_last(NOON, "failed").status)
    unknown = LastStatus(test_id=None, test_name="Unknown", status=_last(NOON, "failed").status)
    tests = (first, second, unknown)
    assert selected_tests(tests, RunRequest(project="Nightly", test_ids=(1,))) == (first,)
    assert selected_tests(tests, RunRequest(project="Nightly")) == tests


def test_a_failed_project_names_its_failed_tests_and_their_reasons() -> None:
    """The project's own description is usually empty."""
    status = RunStatus(states={"status": "failed"}, started_at=NOON, result_description="no answer")
    failed = LastStatus(test_id=2, test_name="Busy line", status=status)
    silent = LastStatus(test_id=3, test_name="Silent", status=_last(NOON, "failed").status)
    stale = _last(NOON - timedelta(days=1), "failed", "Stale")
    tests = (_last(NOON), failed, silent, stale)
    summary = "2 of 4 tests failed: Busy line: no answer; Silent: no description"
    assert failure_description(_project(), tests) == summary
    described = RunStatus.read({"created_at": str(NOON), "result_description": "2 failed"})
    assert failure_description(described, tests) == f"2 failed ({summary})"
    assert failure_description(described, (_last(NOON),)) == "2 failed"


# ---- expectations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "match", "verdict", "description", "objection"),
    [
        ("passed", "", "passed", "", ""),
        ("passed", "", "failed", "No answer", "No answer"),
        ("passed", "", "failed", "two\n lines", "two lines"),
        ("passed", "", "failed", " \n", "the run failed; the platform gives no description"),
        ("failed", "", "failed", "No answer", ""),
        ("failed", "", "passed", "", "the run passed, but was expected to fail"),
        ("failed", "no ANSWER|(?i:no answer)", "failed", "call: No answer", ""),
        (
            "failed",
            "^busy",
            "failed",
            "No\nanswer",
            "the run failed as expected, but 'No answer' does not match '^busy'",
        ),
        ("failed", "a.b", "failed", "", "the run failed as expected, but '' does not match 'a.b'"),
        (None, "", "passed", "", ""),
        (None, "", "failed", "No answer", ""),
    ],
)
def test_an_objection_is_one_line(
    expected: str | None, match: str, verdict: str, description: str, objection: str
) -> None:
    """The failure message is the platform's description. `match` applies to an expected failure."""
    expectation = Expectation(verdict=Verdict(expected) if expected else None, match=match)
    assert expectation.objection(Verdict(verdict), description) == objection
