"""A pass is settled only by equal polls, and a project is judged by the tests that were launched."""

from __future__ import annotations

from tests.end_to_end.suite import Suite

SUBSET = """
tests:
  A: {id: 101, project: Nightly, takes: 0.5}
  B: {id: 102, project: Nightly, takes: 0.2, verdict: failed, description: no answer}
projects:
  Nightly: {}
"""


def test_a_pass_that_precedes_a_failure_fails(suite: Suite) -> None:
    """The first final status says passed, but is not marked as finished."""
    early = "{status: passed, has_passed: 1, is_failed: 0, is_finished: null, result_description: ''}"
    definition = (
        f"takes: 0, verdict: failed, description: No answer, "
        f"faults: [{{on: status, during: finished, times: 1, set: {early}}}]"
    )
    report = suite.run_tests({"Basic call": definition})["Basic call"]
    assert (report.outcome, report.message) == ("failure", "No answer")
    assert suite.lab.polls == 2


def test_a_project_with_test_ids_is_judged_by_these_tests_only(suite: Suite) -> None:
    """Another test of the project fails at the same time in another run."""
    suite.configure(SUBSET)
    suite.write(
        "@marked(project='Nightly', test_ids=[101])\ndef test_subset(sipfront_run):\n"
        "    assert [test.test_name for test in sipfront_run.tests] == ['A']\n"
        "@marked(test='B')\ndef test_b(): pass\n"
    )
    suite.run("--sipfront-concurrency=2").assert_outcomes(passed=1, failed=1)


def test_a_failed_project_names_its_failed_tests_in_the_message(suite: Suite) -> None:
    """The status of a project run has totals only."""
    suite.configure(SUBSET)
    report = suite.run_marked({"Nightly": "project='Nightly'"})["Nightly"]
    assert (report.outcome, report.message) == ("failure", "1 of 2 tests failed: B: no answer")
