"""What would be launched, and whether the platform knows it, before anything is."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

LAB = "tests:\n  Basic call: {takes: 0.1}\n  Long call: {takes: 0.5}\nprojects:\n  Nightly: {}\n"
CODE = """
@pytest.mark.parametrize("n", ["43121", "43122"])
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n): pass
@marked(test="Long call")
def test_long(): pass
def test_own(sipfront): pass
def test_plain(): raise AssertionError("is not run")
"""


def test_the_plan_shows_what_would_be_launched_without_any_request(suite: Suite) -> None:
    """Tests, overrides, and that their length is not known yet; no test is run, and no credentials are needed."""
    suite.configure(LAB)
    suite.write(CODE)
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


def test_a_plan_with_history_tells_how_long_it_would_take(suite: Suite) -> None:
    """Each run, all calls together, and the session at the concurrency that is set."""
    suite.configure(LAB)
    suite.write(CODE)
    suite.run("-k", "call or long").assert_outcomes(passed=3, deselected=2)
    requests = suite.lab.counts["requests"]
    result = suite.run("--sipfront-plan", "--sipfront-concurrency=2", "-k", "call or long")
    result.stdout.re_match_lines(
        [
            r"sipfront plan: 3 runs, about 0\.\d s of calls, about 0\.[456] s at concurrency 2$",
            r"  test_it.py::test_long: Long call, 0\.[456] s$",
        ]
    )
    assert suite.lab.counts["requests"] == requests


def test_a_plan_names_what_does_not_fit_into_the_budget(suite: Suite) -> None:
    """Before it is spent."""
    suite.configure(LAB)
    suite.write(CODE)
    result = suite.run("--sipfront-plan", "--sipfront-max-runs=2")
    result.stdout.fnmatch_lines(["  1 run over the budget of 2"])


def test_a_plan_is_made_without_workers(suite: Suite) -> None:
    """Only a session without them has the tests."""
    suite.configure(LAB)
    suite.write(CODE)
    result = suite.run_in_subprocess("--sipfront-plan", "-n2")
    result.stdout.fnmatch_lines(["sipfront plan: 3 runs, 3 of unknown duration"])
    assert suite.lab.counts["requests"] == 0


def test_a_plan_of_deselected_tests_is_of_those_that_are_left(suite: Suite) -> None:
    """`-k` and the like hold for it as well."""
    suite.configure(LAB)
    suite.write(CODE)
    suite.run("--sipfront-plan", "-k", "long").stdout.fnmatch_lines(["sipfront plan: 1 run, *"])


def test_a_check_that_finds_nothing_wrong_runs_the_tests(suite: Suite) -> None:
    """It costs two questions."""
    suite.configure(LAB)
    suite.write(CODE)
    suite.run("--sipfront-check", "-k", "call or long").assert_outcomes(passed=3, deselected=2)
    assert suite.lab.counts["by_path"]["/api/v2/tests"] == 2


def test_a_check_names_unknown_tests_and_projects_with_the_nearest_known(suite: Suite) -> None:
    """All of them, before anything is launched; exit code 4, as for any wrong usage."""
    suite.configure(LAB)
    suite.write(
        CODE + "@marked(test='Basci call')\ndef test_typo(): pass\n@marked(project='Nigthly')\ndef test_night(): pass\n"
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


def test_a_check_with_wrong_credentials_says_so(suite: Suite) -> None:
    """That is what it is for."""
    suite.configure("account: {public_key: other, secret_key: other}\n" + LAB)
    suite.write(CODE)
    result = suite.run("--sipfront-check")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["  Sipfront refused the credentials: Unauthorized (401 Unauthorized)"])


def test_a_check_in_workers_is_every_marked_tests_error(suite: Suite) -> None:
    """A worker cannot end the session; it launches nothing."""
    suite.configure(LAB)
    suite.write(CODE.replace("Long call", "Logn call"))
    result = suite.run_in_subprocess("--sipfront-check", "-n2", "-k", "call or long")
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["*unknown test 'Logn call' (used 1 time); did you mean 'Long call'*"])
    assert suite.lab.counts["launch_requests"] == 0


def test_plan_and_check_go_together(suite: Suite) -> None:
    """Checked, shown, and not run."""
    suite.configure(LAB)
    suite.write(CODE)
    result = suite.run("--sipfront-check", "--sipfront-plan")
    result.stdout.fnmatch_lines(["sipfront plan: 3 runs, *"])
    assert (suite.lab.counts["by_path"]["/api/v2/tests"], suite.lab.launches) == (1, 0)
