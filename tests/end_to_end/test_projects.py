"""Project runs."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

NIGHTLY = "@marked(project='Nightly')\ndef test_nightly(sipfront_run): pass\n"
TESTS = (
    "tests:\n  Good: {id: 101, takes: 0.05}\n  Bad: {id: 102, takes: 0.05, verdict: failed, description: No answer}\n"
)


def project(tests: str, extra: str = "") -> str:
    """Return a lab file whose project has these tests."""
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
def test_a_project_is_launched_by_name_or_id(suite: Suite, words: str, body: dict[str, object]) -> None:
    """test_ids= selects some of its tests."""
    suite.configure(project("Good"))
    suite.write(f"@marked({words})\ndef test_nightly(): pass\n")
    suite.run().assert_outcomes(passed=1)
    assert suite.lab.requests[0]["body"] == body


def test_a_failed_project_names_its_failed_tests_and_their_reasons(suite: Suite) -> None:
    """The status of a project run has totals only."""
    suite.configure(project("Good, Bad"))
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(failed=1)
    report = suite.report("test_nightly")
    assert report.outcome == "failure"
    assert "test 'Bad'" in report.details
    assert "failed No answer" in report.details
    assert "test 'Good'" not in report.details


def test_a_stopped_project_is_an_error(suite: Suite) -> None:
    """As for a test, stopped is not a verdict."""
    suite.configure(project("Good", ", verdict: stopped"))
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(errors=1)


@pytest.mark.parametrize("lie", ["{total_tests: 0}", "{total_tests: 5, tests_started: 3}"])
def test_a_passed_project_must_have_run_all_its_tests(suite: Suite, lie: str) -> None:
    """A test that did not start has no verdict."""
    suite.configure(project("Good", f", faults: [{{on: status, during: finished, set: {lie}}}]"))
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(errors=1)


def test_the_status_of_a_project_is_polled_at_the_url_of_the_launch(suite: Suite) -> None:
    """The path is not documented."""
    suite.configure(project("Good"))
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(passed=1)
    polled = [r["path"] for r in suite.lab.requests if "projectruns" in r["path"]]
    assert polled


def test_the_start_of_a_project_is_its_created_at(suite: Suite) -> None:
    """Projects have created_at, and tests have started_at."""
    suite.configure(
        project("Good", ", faults: [{on: status, during: finished, set: {created_at: '2024-02-09 08:20:18'}}]")
    )
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(passed=1)
    assert suite.report("test_nightly").properties["sipfront.started_at"] == "2024-02-09T08:20:18+00:00"


def last_status(tests: str) -> str:
    """Return a lab file that responds with `tests` to a request for the last status of the tests."""
    return f"{project('Good')}faults: [{{on: last, body: {tests}}}]\n"


def test_a_last_run_from_another_time_does_not_belong_to_the_project_run(suite: Suite) -> None:
    """The API returns the last run of each test, which may be older. A warning names it."""
    suite.configure(
        last_status("{tests: [{test: {name: Good}, run: {status: failed, started_at: '2020-01-01 00:00:00'}}]}")
    )
    suite.write(NIGHTLY)
    result = suite.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*not of this project run, by their times: Good*"])


@pytest.mark.parametrize("body", ["{tests: {list}}", "{data: {list}}", "{list}"])
def test_a_passed_project_with_a_failed_test_is_an_error(suite: Suite, body: str) -> None:
    """The response has its list in one of several places."""
    entry = "[{test: {name: Good}, run: {status: failed, started_at: '2024-02-09 08:21:00'}}]"
    suite.configure(
        f"{TESTS}projects:\n  Nightly:\n    tests: [Good]\n    faults:\n"
        "      - {on: status, during: finished, set: {created_at: '2024-02-09 08:20:18', "
        "stopped_at: '2024-02-09 08:22:13'}}\n"
        f"faults: [{{on: last, body: {body.replace('{list}', entry)}}}]\n"
    )
    suite.write(NIGHTLY)
    suite.run().assert_outcomes(errors=1)
    assert "the project passed, but its test 'Good' failed" in suite.report("test_nightly").message


def test_a_project_has_its_verdict_if_the_results_of_its_tests_are_unreadable(suite: Suite) -> None:
    """They are only for the report."""
    suite.configure(last_status("{nothing: here}"))
    suite.write(NIGHTLY)
    result = suite.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*the results of the project's tests could not be read*"])
