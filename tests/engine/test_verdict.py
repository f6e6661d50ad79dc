from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.sipfront.models import LastStatus, RunStatus
from pytest_sipfront.engine.verdict import Expectation, Phase, Verdict, against_project, is_current, judge

PASSED = {"status": "passed", "has_passed": 1, "is_failed": 0, "is_finished": 1}
FAILED = {"status": "failed", "has_passed": 0, "is_failed": 1, "is_finished": 1}
FINAL_WORDS = ("stopped", "errored", "error", "cancelled", "canceled", "aborted")
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)

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


def judged(run: dict[str, Any], *, is_project: bool = False) -> tuple[Phase, Verdict | None]:
    judgement = judge(RunStatus.read(run), is_project=is_project)
    return judgement.phase, judgement.verdict


def reason(run: dict[str, Any], *, is_project: bool = False) -> str:
    judgement = judge(RunStatus.read(run), is_project=is_project)
    assert judgement.phase is not Phase.RUNNING
    assert judgement.verdict is None
    return judgement.reason


@pytest.mark.parametrize("field", ["status", "session_status", "run_status"])
@pytest.mark.parametrize("yes", [1, True, "1", "true", "True"])
@pytest.mark.parametrize("no", [0, False, "0", "false"])
def test_an_explicit_verdict_is_taken_whatever_its_field_and_the_type_of_its_flags(
    field: str, yes: object, no: object
) -> None:
    """Discrepancies 1 and 4: three names for the state; flags as 0/1, bool or text."""
    passed = {field: "passed", "has_passed": yes, "is_failed": no, "is_finished": yes}
    failed = {field: "failed", "has_passed": no, "is_failed": yes, "is_finished": yes}
    assert judged(passed) == (Phase.FINAL, Verdict.PASSED)
    assert judged(failed) == (Phase.FINAL, Verdict.FAILED)


@pytest.mark.parametrize(("state", "verdict"), [(" Passed\n", Verdict.PASSED), ("FAILED", Verdict.FAILED)])
def test_case_and_space_of_a_state_say_nothing(state: str, verdict: Verdict) -> None:
    """The word counts, not how it is written."""
    base = PASSED if verdict is Verdict.PASSED else FAILED
    assert judged({**base, "status": state}) == (Phase.FINAL, verdict)


def test_a_running_run_needs_nothing_but_its_state() -> None:
    """Discrepancy 5: all other fields are absent while it runs."""
    assert judged({"status": "running"}) == (Phase.RUNNING, None)


@pytest.mark.parametrize("other", ["passed", "failed", "stopped", "anything"])
@pytest.mark.parametrize("running", ["status", "session_status"])
def test_where_one_field_still_runs_the_run_is_running(other: str, running: str) -> None:
    """Discrepancies 1 and 18: `status` is known to lag behind `session_status`, and the other way round."""
    finished = "session_status" if running == "status" else "status"
    assert judged({**PASSED, running: "running", finished: other}) == (Phase.RUNNING, None)


@pytest.mark.parametrize("fields", [("status", "session_status"), ("session_status", "status")])
def test_where_fields_disagree_a_failure_wins(fields: tuple[str, str]) -> None:
    """Discrepancy 1: never a pass that another field contradicts."""
    passed, failed = fields
    assert judged({**FAILED, passed: "passed", failed: "failed"}) == (Phase.FINAL, Verdict.FAILED)


def test_a_pass_beside_an_unknown_state_is_no_verdict() -> None:
    """Two fields must say the same, or nothing is known."""
    assert judged({**PASSED, "session_status": "limbo"}) == (Phase.FINAL, None)


@pytest.mark.parametrize("state", ["passed", "failed"])
def test_a_verdict_that_is_not_finished_yet_is_waited_for(state: str) -> None:
    """`is_finished` 0 says that more may come."""
    base = PASSED if state == "passed" else FAILED
    assert judged({**base, "is_finished": 0}) == (Phase.RUNNING, None)


def test_a_run_without_any_state_is_asked_again() -> None:
    """Discrepancy 2: the vendor's client took a missing state for a pass."""
    assert judged({}) == (Phase.UNKNOWN, None)
    assert reason({}) == "the platform reports no state"
    assert judged({"has_passed": 1, "is_failed": 0}) == (Phase.UNKNOWN, None)


@pytest.mark.parametrize("state", ["queued", "pending", "success", "ok", "finished", "1"])
def test_an_unknown_state_is_asked_again_until_it_claims_to_be_final(state: str) -> None:
    """Discrepancy 3: neither final nor a pass; and no verdict once the run is finished."""
    assert judged({"status": state}) == (Phase.UNKNOWN, None)
    assert repr(state) in reason({"status": state})
    assert judged({**PASSED, "status": state}) == (Phase.FINAL, None)
    assert reason({**PASSED, "status": state}) == f"the run is finished with the unknown state {state!r}"


@pytest.mark.parametrize("word", FINAL_WORDS)
@pytest.mark.parametrize("flags", [{}, {"has_passed": 1, "is_failed": 0}, {"is_finished": 1}])
def test_a_run_that_was_stopped_has_no_verdict(word: str, flags: dict[str, int]) -> None:
    """Neither passed nor failed, whatever the flags say: the call was not judged."""
    assert judged({"status": word, **flags}) == (Phase.FINAL, None)
    assert reason({"status": word, **flags}) == f"the run ended as {word!r}, which is neither passed nor failed"


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"has_passed": 0}, "has_passed is 0"),
        ({"has_passed": "0"}, "has_passed is 0"),
        ({"has_passed": None}, "has_passed is missing"),
        ({"has_passed": "maybe"}, "has_passed is missing"),
        ({"has_passed": 2}, "has_passed is missing"),
        ({"is_failed": 1}, "is_failed is 1"),
        ({"is_failed": True, "has_passed": False}, "has_passed is 0 and is_failed is 1"),
    ],
)
def test_a_pass_with_anything_against_it_is_no_verdict(change: dict[str, Any], objection: str) -> None:
    """Discrepancy 4: state and flags are cross-checked, and the contradiction is shown."""
    assert reason({**PASSED, **change}) == f"the state is 'passed', but {objection}"


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"is_failed": 0}, "is_failed is 0"),
        ({"has_passed": 1}, "has_passed is 1"),
        ({"has_passed": "1", "is_failed": "0"}, "is_failed is 0 and has_passed is 1"),
    ],
)
def test_a_failure_with_anything_against_it_is_no_verdict(change: dict[str, Any], objection: str) -> None:
    """A contradiction is no failure of the product either."""
    assert reason({**FAILED, **change}) == f"the state is 'failed', but {objection}"


def test_a_failure_needs_no_flags() -> None:
    """Only a pass has to be proven: the vendor's own action fails on the state alone."""
    assert judged({"status": "failed"}) == (Phase.FINAL, Verdict.FAILED)


def test_a_pass_without_its_flag_is_no_verdict() -> None:
    """A state alone is what the documentation shows of running runs."""
    assert judged({"status": "passed"}) == (Phase.FINAL, None)


def test_a_project_carries_no_flags() -> None:
    """Its status has `run_status` alone."""
    assert judged({"run_status": "passed"}, is_project=True) == (Phase.FINAL, Verdict.PASSED)
    assert judged({"run_status": "failed"}, is_project=True) == (Phase.FINAL, Verdict.FAILED)
    assert judged({"run_status": "stopped"}, is_project=True) == (Phase.FINAL, None)
    assert judged({"run_status": "running"}, is_project=True) == (Phase.RUNNING, None)


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
    """A pass of nothing would be a false green."""
    run = {"run_status": "passed", **change}
    assert reason(run, is_project=True) == f"the state is 'passed', but {objection}"


def test_a_project_that_started_all_its_tests_has_passed() -> None:
    """The counts agree."""
    run = {"run_status": "passed", "total_tests": 3, "tests_started": 3}
    assert judged(run, is_project=True) == (Phase.FINAL, Verdict.PASSED)


@given(run=RUNS, is_project=st.booleans())
def test_no_false_green(run: dict[str, Any], is_project: bool) -> None:
    """Whatever the platform sends: a pass is said by every state field, by the flag, and denied by nothing."""
    phase, verdict = judged(run, is_project=is_project)
    if verdict is not Verdict.PASSED:
        return
    assert phase is Phase.FINAL
    states = [run.get(name) for name in ("status", "session_status", "run_status")]
    said = [state.strip().lower() for state in states if isinstance(state, str) and state.strip()]
    assert said
    assert set(said) == {"passed"}
    yes, no = (1, True, "1", "true"), (0, False, "0", "false")
    assert run.get("has_passed") in yes or (is_project and run.get("has_passed") not in no)
    assert run.get("is_failed") not in yes
    assert run.get("is_finished") not in no
    if is_project:
        total, started = run.get("total_tests"), run.get("tests_started")
        assert total != 0
        assert total is None or started is None or started >= total


@given(run=RUNS, is_project=st.booleans())
def test_no_false_red(run: dict[str, Any], is_project: bool) -> None:
    """A failure is said by a state field, and no flag denies it."""
    _, verdict = judged(run, is_project=is_project)
    if verdict is Verdict.FAILED:
        assert "failed" in [run.get(name) for name in ("status", "session_status", "run_status")]
        assert run.get("has_passed") not in (1, True, "1", "true")
        assert run.get("is_failed") not in (0, False, "0", "false")


@given(run=RUNS, is_project=st.booleans())
def test_what_has_no_verdict_says_why(run: dict[str, Any], is_project: bool) -> None:
    """An engineer reads the reason; a running run needs none."""
    judgement = judge(RunStatus.read(run), is_project=is_project)
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
def test_a_test_s_last_run_belongs_to_the_project_run_by_its_time(began: datetime | None, current: bool) -> None:
    """Discrepancy 13: the list gives each test's last run, whoever started it."""
    assert is_current(_last(began), _project()) is current


def test_without_times_of_the_project_nothing_is_known_to_belong_to_it() -> None:
    """An open end counts as still going on; a missing beginning as unknown."""
    assert is_current(_last(NOON), _project(start=None)) is False
    assert is_current(_last(NOON + timedelta(days=1)), _project(stop=None)) is True


def test_a_test_that_failed_within_a_passed_project_contradicts_it() -> None:
    """The text names the test."""
    tests = (_last(NOON), _last(NOON, "failed", "Inner 2"))
    assert against_project(tests, _project()) == "the project passed, but its test 'Inner 2' failed within its time"


def test_a_stale_failure_does_not_contradict_a_project() -> None:
    """Another run's failure is not this run's."""
    assert against_project((_last(NOON - timedelta(days=1), "failed"),), _project()) == ""
    assert against_project((), _project()) == ""


# ---- expectations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "match", "verdict", "description", "objection"),
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
def test_an_expectation_objects_on_one_line_or_not_at_all(
    wanted: str | None, match: str, verdict: str, description: str, objection: str
) -> None:
    """The failure message is the platform's own description; a test that must fail may say how."""
    expectation = Expectation(verdict=Verdict(wanted) if wanted else None, match=match)
    assert expectation.objection(Verdict(verdict), description) == objection
