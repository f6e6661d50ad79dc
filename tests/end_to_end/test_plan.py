"""`--sipfront-plan` lists the runs of a session, and `--sipfront-check` compares their names with the account."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

LAB = "tests:\n  Basic call: {takes: 0.1}\n  Long call: {takes: 0.5}\nprojects:\n  Nightly: {}\n"
TESTS = """
@pytest.mark.parametrize("n", ["43121", "43122"])
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n): pass
@marked(test="Long call")
def test_long(): pass
def test_own(sipfront): pass
def test_plain(): raise AssertionError("the plan runs no test")
"""


def test_the_plan_lists_all_runs_without_a_request(suite: Suite) -> None:
    """It has tests, overrides and durations. No test is run, and no credentials are needed."""
    suite.configure(LAB)
    suite.write(TESTS)
    result = suite.run("--sipfront-plan")
    result.assert_outcomes()
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "sipfront plan: 3 runs, 3 of unknown duration",
            "  plus the runs that 1 test may launch with the sipfront fixture",
            "  test_it.py::test_call[[]43121[]]: Basic call step.1.0.dial_destination=43121, duration unknown",
            "  test_it.py::test_call[[]43122[]]: Basic call step.1.0.dial_destination=43122, duration unknown",
            "  test_it.py::test_long: Long call, duration unknown",
        ]
    )
    assert suite.lab.counts["requests"] == 0


def test_a_plan_with_known_durations_has_the_duration_of_the_session(suite: Suite) -> None:
    """The duration of each run, of all calls, and of the session at its concurrency."""
    suite.configure(LAB)
    suite.write(TESTS)
    suite.run("-k", "call or long").assert_outcomes(passed=3, deselected=2)
    requests = suite.lab.counts["requests"]
    result = suite.run("--sipfront-plan", "--sipfront-concurrency=2", "-k", "call or long")
    result.stdout.re_match_lines(
        [
            r"sipfront plan: 3 runs, about [\d.]+ s of calls, about [\d.]+ s at concurrency 2$",
            r"  test_it.py::test_long: Long call, [\d.]+ s$",
        ]
    )
    assert suite.lab.counts["requests"] == requests


def test_a_plan_counts_the_runs_over_the_budget(suite: Suite) -> None:
    """A session would not launch them."""
    suite.configure(LAB)
    suite.write(TESTS)
    result = suite.run("--sipfront-plan", "--sipfront-max-runs=2")
    result.stdout.fnmatch_lines(["  1 run over the budget of 2"])


def test_a_plan_starts_no_workers(suite: Suite) -> None:
    """Only the controller has all tests."""
    suite.configure(LAB)
    suite.write(TESTS)
    result = suite.run_in_subprocess("--sipfront-plan", "-n2")
    result.stdout.fnmatch_lines(["sipfront plan: 3 runs, 3 of unknown duration"])
    assert suite.lab.counts["requests"] == 0


def test_a_plan_has_no_deselected_tests(suite: Suite) -> None:
    """`-k` applies to it as to a session."""
    suite.configure(LAB)
    suite.write(TESTS)
    suite.run("--sipfront-plan", "-k", "long").stdout.fnmatch_lines(["sipfront plan: 1 run, *"])


def test_the_tests_run_after_a_check_without_problems(suite: Suite) -> None:
    """The check requests the lists of tests and projects."""
    suite.configure(LAB)
    suite.write(TESTS)
    result = suite.run("--sipfront-check", "-k", "call or long")
    result.assert_outcomes(passed=3, deselected=2)
    result.stdout.fnmatch_lines(["sipfront check: credentials accepted; 2 test names found"])
    assert suite.lab.counts["by_path"]["/api/v2/tests"] == 2


def test_a_check_lists_all_unknown_tests_and_projects(suite: Suite) -> None:
    """It suggests the nearest names. No run is launched, and the exit code is that of a usage error."""
    suite.configure(LAB)
    suite.write(
        TESTS
        + "@marked(test='Basci call')\ndef test_typo(): pass\n@marked(project='Nigthly')\ndef test_night(): pass\n"
    )
    result = suite.run("--sipfront-check")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: --sipfront-check found problems, so no run is launched:",
            "  unknown test 'Basci call' (used 1 time); did you mean 'Basic call'?",
            "  unknown project 'Nigthly' (used 1 time); did you mean 'Nightly'?",
        ]
    )
    assert suite.lab.counts["launch_requests"] == 0


def test_a_check_finds_wrong_credentials(suite: Suite) -> None:
    """The exit code is that of a usage error."""
    suite.configure("account: {public_key: other, secret_key: other}\n" + LAB)
    suite.write(TESTS)
    result = suite.run("--sipfront-check")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "  Sipfront refused the credentials: Unauthorized (401 Unauthorized)",
            "  Check that both keys belong to one key pair of this account and are active: https://*",
        ]
    )


def test_a_failed_check_in_workers_is_an_error_of_every_marked_test(suite: Suite) -> None:
    """A worker cannot end the session. No run is launched."""
    suite.configure(LAB)
    suite.write(TESTS.replace("Long call", "Logn call"))
    result = suite.run_in_subprocess("--sipfront-check", "-n2", "-k", "call or long")
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["*unknown test 'Logn call' (used 1 time); did you mean 'Long call'*"])
    assert suite.lab.counts["launch_requests"] == 0


def test_plan_and_check_can_be_combined(suite: Suite) -> None:
    """The names are checked, the plan is printed, and no test is run."""
    suite.configure(LAB)
    suite.write(TESTS)
    result = suite.run("--sipfront-check", "--sipfront-plan")
    result.stdout.fnmatch_lines(["sipfront plan: 3 runs, *"])
    assert (suite.lab.counts["by_path"]["/api/v2/tests"], suite.lab.launches) == (1, 0)
