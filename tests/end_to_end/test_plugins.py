"""Other plugins and options of pytest that users combine with this plugin."""

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
CONCURRENT = "--sipfront-concurrency=4"


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), (CONCURRENT,), ("-n1",)], ids=["sequential", "concurrent", "worker"])
def test_every_attempt_has_a_run(suite: Suite, options: tuple[str, ...]) -> None:
    """A run that was launched ahead is used by one attempt only."""
    suite.configure(LAB)
    suite.write("@marked(test='Busy')\ndef test_busy(): pass\n@marked(test='Busy')\ndef test_other(): pass\n")
    run = suite.run_in_subprocess if "-n1" in options else suite.run
    result = run("--reruns=2", *options)
    result.assert_outcomes(failed=2)
    assert suite.lab.launches == 6


def test_reruns_can_be_limited_to_errors_or_failures(suite: Suite) -> None:
    """--only-rerun compares the class of the error."""
    suite.configure("tests:\n  Basic call: {takes: 0.05}\n  Busy: {takes: 0.05, verdict: failed, description: Busy}\n")
    suite.write("@marked(test='Busy')\ndef test_busy(): pass\n@marked(test='Basci call')\ndef test_typo(): pass\n")
    suite.run("--reruns=1", "--only-rerun=NotFound").stdout.fnmatch_lines(["*1 failed, 1 error, 1 rerun in *"])
    suite.run("--reruns=1", "--only-rerun=RunFailed").stdout.fnmatch_lines(["*1 failed, 1 error, 1 rerun in *"])
    assert suite.lab.launches == 3


def test_reruns_can_be_limited_to_kinds(suite: Suite) -> None:
    """A failure of another kind ends the test at its first attempt."""
    suite.configure(LAB)
    suite.write(MIX)
    suite.run("--reruns=1", "--sipfront-rerun-kinds=busy,no-answer").assert_outcomes(passed=1, failed=1, errors=1)
    assert suite.lab.launches == 3
    suite.run("--reruns=1", "--sipfront-rerun-kinds=infrastructure").assert_outcomes(passed=1, failed=1, errors=1)
    assert suite.lab.launches == 5
    assert suite.report("test_busy").properties["sipfront.kind"] == "busy"
    assert suite.report("test_typo").properties["sipfront.kind"] == "configuration"


def test_last_failed_launches_only_failed_tests(suite: Suite) -> None:
    """Tests with errors are among them."""
    suite.configure(LAB)
    suite.write(MIX)
    suite.run(CONCURRENT).assert_outcomes(passed=1, failed=1, errors=1)
    requests = suite.lab.counts["launch_requests"]
    suite.run(CONCURRENT, "--lf").assert_outcomes(failed=1, errors=1)
    assert suite.lab.counts["launch_requests"] == requests + 2


def test_failed_first_changes_the_order_of_results(suite: Suite) -> None:
    """Every test has its verdict in the new order."""
    suite.configure(LAB)
    suite.write(MIX)
    suite.run(CONCURRENT).assert_outcomes(passed=1, failed=1, errors=1)
    result = suite.run(CONCURRENT, "--ff", "-v")
    result.stdout.fnmatch_lines(["*::test_busy FAILED*", "*::test_typo ERROR*", "*::test_good PASSED*"])


def test_stepwise_continues_at_the_last_failure(suite: Suite) -> None:
    """The stopped session has a regular end, so no run is resumed."""
    suite.configure(LAB)
    suite.write(MIX)
    suite.run("--sw").assert_outcomes(passed=1, failed=1)
    suite.run("--sw", "--sipfront-resume").assert_outcomes(failed=1, deselected=1)
    assert suite.lab.launches == 3


def test_the_plugin_works_without_the_cache_of_pytest(suite: Suite) -> None:
    """`-p no:cacheprovider` is common for read-only checkouts. Durations are not stored then."""
    suite.configure(LAB)
    suite.write(MIX)
    for _ in range(2):
        suite.run("-p", "no:cacheprovider", CONCURRENT).assert_outcomes(passed=1, failed=1, errors=1)


def test_pytest_timeout_ends_the_wait(suite: Suite) -> None:
    """The closing section lists the run that is still in flight."""
    pytest.importorskip("pytest_timeout")
    suite.configure("tests:\n  Slow: {takes: 20}\n")
    suite.write("@pytest.mark.timeout(3)\n@marked(test='Slow')\ndef test_slow(): pass\n")
    result = suite.run_in_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["1 still running (the API cannot stop runs):", "  test_it.py::test_slow *"])


def test_tests_in_random_order_have_their_runs(suite: Suite) -> None:
    """pytest-randomly changes the order in which runs are launched ahead."""
    pytest.importorskip("pytest_randomly")
    suite.configure(LAB)
    suite.write(
        "@pytest.mark.parametrize('n', range(12))\n@marked(test='Basic call', step_1_0_dial_destination='{n}')\n"
        "def test_call(n): pass\n"
    )
    suite.run_in_subprocess(CONCURRENT, "-prandomly").assert_outcomes(passed=12)
    assert suite.lab.launches == 12


def test_setup_show_runs_the_tests(suite: Suite) -> None:
    """--setup-only and --setup-plan do not."""
    suite.configure(LAB)
    suite.write("@marked(test='Basic call')\ndef test_good(): pass\n")
    suite.run("--setup-show").assert_outcomes(passed=1)
