"""Project runs."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

NIGHTLY = "@marked(project='Nightly')\ndef test_nightly(sipfront_run): pass\n"
TESTS = (
    "tests:\n  Good: {id: 101, takes: 0.05}\n  Bad: {id: 102, takes: 0.05, verdict: failed, description: No answer}\n"
)


def project(tests: str, extra: str = "") -> str:
    return f"{TESTS}projects:\n  Nightly: {{id: 7, tests: [{tests}]{extra}}}\n"


@pytest.mark.parametrize(
    ("words", "body"),
    [
        ("project='Nightly'", {"project.name": "Nightly"}),
        ("project=7", {"id": 7}),
        ("project=7, test_ids=[101]", {"id": 7, "test_ids": [101]}),
        ("project='Nightly', report_mode='kiosk'", {"project.name": "Nightly", "report.mode": "kiosk"}),
    ],
)
def test_a_project_is_launched_by_name_or_id_with_a_choice_of_tests(
    suite: Suite, words: str, body: dict[str, object]
) -> None:
    """The marker's project words become the API's."""
    suite.configure(project("Good"))
    suite.write(f"@marked({words})\ndef test_nightly(): pass\n")
    suite.run().assert_outcomes(passed=1)
    assert suite.lab.requests[0]["body"] == body


def test_a_failed_project_names_its_failed_tests_and_their_reasons(suite: Suite) -> None:
    """The platform's own status has totals only; which test failed, and why, is what one wants to read."""
    suite.configure(project("Good, Bad"))
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(failed=1)
    failure = suite.case("test_nightly").find("failure")
    assert failure is not None
    assert "test 'Bad'" in (failure.text or "")
    assert "failed No answer" in (failure.text or "")
    assert "test 'Good'" not in (failure.text or "")


def test_a_stopped_project_is_an_error(suite: Suite) -> None:
    """Stopped is no verdict, of a project as of a test."""
    suite.configure(project("Good", ", verdict: stopped"))
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(errors=1)


@pytest.mark.parametrize("lie", ["{total_tests: 0}", "{total_tests: 5, tests_started: 3}"])
def test_a_passed_project_that_did_not_run_all_its_tests_is_an_error(suite: Suite, lie: str) -> None:
    """A run in which tests never started proves nothing of them."""
    suite.configure(project("Good", f", faults: [{{on: status, during: finished, set: {lie}}}]"))
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(errors=1)


def test_the_projects_status_is_asked_where_the_launch_says(suite: Suite) -> None:
    """Its path is not published: it is taken from the answer."""
    suite.configure(project("Good"))
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(passed=1)
    polled = [r["path"] for r in suite.lab.requests if "projectruns" in r["path"]]
    assert polled


def test_the_start_of_a_project_is_its_created_at(suite: Suite) -> None:
    """Projects say created_at where tests say started_at; reports have one name for it."""
    suite.configure(
        project("Good", ", faults: [{on: status, during: finished, set: {created_at: '2024-02-09 08:20:18'}}]")
    )
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(passed=1)
    assert suite.properties("test_nightly")["sipfront.started_at"] == "2024-02-09T08:20:18+00:00"


def last_status(tests: str) -> str:
    return f"{project('Good')}faults: [{{on: last, body: {tests}}}]\n"


def test_a_last_run_from_another_time_is_not_taken_for_this_project_run(suite: Suite) -> None:
    """The API gives each test's last run, whoever started it: one that is older is named as such, and not believed."""
    suite.configure(
        last_status("{tests: [{test: {name: Good}, run: {status: failed, started_at: '2020-01-01 00:00:00'}}]}")
    )
    suite.write(NIGHTLY)
    result = suite.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*not of this project run, by their times: Good*"])


@pytest.mark.parametrize("body", ["{tests: {list}}", "{data: {list}}", "{list}"])
def test_a_project_that_passed_while_a_test_of_it_failed_is_an_error(suite: Suite, body: str) -> None:
    """A contradiction within the project's own time is no pass, wherever the answer keeps its list."""
    entry = "[{test: {name: Good}, run: {status: failed, started_at: '2024-02-09 08:21:00'}}]"
    suite.configure(
        f"{TESTS}projects:\n  Nightly:\n    tests: [Good]\n    faults:\n"
        "      - {on: status, during: finished, set: {created_at: '2024-02-09 08:20:18', "
        "stopped_at: '2024-02-09 08:22:13'}}\n"
        f"faults: [{{on: last, body: {body.replace('{list}', entry)}}}]\n"
    )
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_nightly").find("error")
    assert error is not None
    assert "the project passed, but its test 'Good' failed" in (error.get("message") or "")


def test_a_project_keeps_its_verdict_when_its_tests_cannot_be_read(suite: Suite) -> None:
    """The results of its tests are for the report; the verdict does not hang on them."""
    suite.configure(last_status("{nothing: here}"))
    suite.write(NIGHTLY)
    result = suite.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*the results of the project's tests could not be read*"])
