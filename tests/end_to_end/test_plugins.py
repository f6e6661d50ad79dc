"""Other plugins and options that users combine this one with."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

LAB = (
    "tests:\n  Basic call: {takes: 0.05}\n  Busy: {takes: 0.05, verdict: failed, description: 486 Busy Here}\n"
    "  Shaky: {takes: 0.05, faults: [{on: launch, status: 500, times: 1}]}\n"
)
MIX = (
    "@marked(test='Basic call')\ndef test_good(): pass\n@marked(test='Busy')\ndef test_busy(): pass\n"
    "@marked(test='Basci call')\ndef test_typo(): pass\n"
)
AHEAD = "--sipfront-concurrency=4"


@pytest.mark.parametrize("options", [(), (AHEAD,), ("-n1",)], ids=["alone", "ahead", "worker"])
def test_a_rerun_launches_anew(suite: Suite, options: tuple[str, ...]) -> None:
    """A run that was launched ahead is used once; each attempt is a call of its own."""
    suite.configure(LAB)
    suite.write("@marked(test='Busy')\ndef test_busy(): pass\n@marked(test='Busy')\ndef test_other(): pass\n")
    result = suite.run_in_subprocess("--reruns=2", *options)
    result.assert_outcomes(failed=2)
    assert suite.lab.launches == 6


def test_only_infrastructure_errors_are_rerun_if_that_is_wanted(suite: Suite) -> None:
    """By the class's name: a platform that coughs is asked again, a busy number is not called again."""
    suite.configure("tests:\n  Basic call: {takes: 0.05}\n  Busy: {takes: 0.05, verdict: failed, description: Busy}\n")
    suite.write("@marked(test='Busy')\ndef test_busy(): pass\n@marked(test='Basci call')\ndef test_typo(): pass\n")
    suite.run("--reruns=1", "--only-rerun=NotFound").stdout.fnmatch_lines(["*1 failed, 1 error, 1 rerun in *"])
    suite.run("--reruns=1", "--only-rerun=RunFailed").stdout.fnmatch_lines(["*1 failed, 1 error, 1 rerun in *"])
    assert suite.lab.launches == 3


def test_last_failed_launches_only_what_failed(suite: Suite) -> None:
    """`--lf` selects, and only what is selected runs; errors count as failed."""
    suite.configure(LAB)
    suite.write(MIX)
    suite.run(AHEAD).assert_outcomes(passed=1, failed=1, errors=1)
    requests = suite.lab.counts["launch_requests"]
    suite.run(AHEAD, "--lf").assert_outcomes(failed=1, errors=1)
    assert suite.lab.counts["launch_requests"] == requests + 2


def test_failed_first_runs_all_in_its_order(suite: Suite) -> None:
    """`--ff` sorts, and runs belong to items whatever their order."""
    suite.configure(LAB)
    suite.write(MIX)
    suite.run(AHEAD).assert_outcomes(passed=1, failed=1, errors=1)
    result = suite.run(AHEAD, "--ff", "-v")
    result.stdout.fnmatch_lines(["*::test_busy FAILED*", "*::test_typo ERROR*", "*::test_good PASSED*"])


def test_stepwise_stops_at_the_first_failure_and_goes_on_from_there(suite: Suite) -> None:
    """And has ended by itself: there is nothing to take up."""
    suite.configure(LAB)
    suite.write(MIX)
    suite.run("--sw").assert_outcomes(passed=1, failed=1)
    suite.run("--sw", "--sipfront-resume").assert_outcomes(failed=1, deselected=1)
    assert suite.lab.launches == 3


def test_without_pytests_cache_all_works_but_the_history(suite: Suite) -> None:
    """`-p no:cacheprovider` is common on read-only checkouts."""
    suite.configure(LAB)
    suite.write(MIX)
    for _ in range(2):
        suite.run("-p", "no:cacheprovider", AHEAD).assert_outcomes(passed=1, failed=1, errors=1)


def test_a_time_limit_of_the_suites_own_ends_the_wait(suite: Suite) -> None:
    """pytest-timeout sees the time that a test waits; the run that goes on is named."""
    pytest.importorskip("pytest_timeout")
    suite.configure("tests:\n  Slow: {takes: 20}\n")
    suite.write("@pytest.mark.timeout(3)\n@marked(test='Slow')\ndef test_slow(): pass\n")
    result = suite.run_in_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["1 still running (the API cannot stop runs):", "  test_it.py::test_slow *"])


def test_a_random_order_is_as_good_as_any(suite: Suite) -> None:
    """pytest-randomly shuffles what is looked ahead at."""
    pytest.importorskip("pytest_randomly")
    suite.configure(LAB)
    suite.write(
        "@pytest.mark.parametrize('n', range(12))\n@marked(test='Basic call', step_1_0_dial_destination='{n}')\n"
        "def test_call(n): pass\n"
    )
    suite.run_in_subprocess(AHEAD, "-prandomly").assert_outcomes(passed=12)
    assert suite.lab.launches == 12


def test_setup_show_works(suite: Suite) -> None:
    """It runs the tests, unlike --setup-only and --setup-plan."""
    suite.configure(LAB)
    suite.write("@marked(test='Basic call')\ndef test_good(): pass\n")
    suite.run("--setup-show").assert_outcomes(passed=1)
