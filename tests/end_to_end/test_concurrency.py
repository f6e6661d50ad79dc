"""Concurrent runs in one process: how many, which of them, in what order, and when launching stops."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

QUICK = "tests:\n  Basic call: {takes: 0.05}\n"
EIGHT_CALLS = """
@pytest.mark.parametrize("n", range(8))
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n): pass
"""
ENOUGH = "--sipfront-concurrency=20"


def run_until_peak(suite: Suite, peak: int, *options: str, workers: int = 0) -> pytest.RunResult:
    """Run the suite with longer and longer calls until `peak` of them overlap; never may more of them overlap.

    A busy machine needs longer calls to have all of them launched before the first one ends.
    """
    for seconds in (0.2, 1, 5):
        suite.configure(f"tests:\n  Basic call: {{takes: {seconds}}}\n")
        result = suite.run_in_subprocess(f"-n{workers}", *options) if workers else suite.run(*options)
        assert suite.lab.peak_in_flight <= peak
        if suite.lab.peak_in_flight == peak:
            return result
    raise AssertionError(f"at most {suite.lab.peak_in_flight} calls overlapped, expected {peak}")


def overlaps(suite: Suite) -> set[tuple[str, str]]:
    """Return the destinations of each two runs that overlapped, the earlier one first."""
    runs = sorted(suite.lab.runs, key=lambda run: run["started"])
    names = [run["overrides"].get("step.1.0.dial_destination", run["test"]) for run in runs]
    return {
        (names[first], names[second])
        for second in range(len(runs))
        for first in range(second)
        if runs[first]["stopped"] is None or runs[first]["stopped"] > runs[second]["started"]
    }


def test_runs_are_sequential_by_default(suite: Suite) -> None:
    """The default concurrency is 1."""
    suite.configure(QUICK)
    suite.write(EIGHT_CALLS)
    suite.run().assert_outcomes(passed=8)
    assert (suite.lab.peak_in_flight, suite.lab.launches) == (1, 8)


@pytest.mark.parametrize(("concurrency", "peak"), [(3, 3), (20, 8)])
def test_as_many_runs_overlap_as_the_option_allows(suite: Suite, concurrency: int, peak: int) -> None:
    """The setup of the first marked test launches them, each one once."""
    suite.write(EIGHT_CALLS)
    run_until_peak(suite, peak, f"--sipfront-concurrency={concurrency}").assert_outcomes(passed=8)
    assert suite.lab.launches == 8


def test_results_come_in_the_order_of_the_tests(suite: Suite) -> None:
    """Each test has the verdict and the duration of its run, in whatever order the runs end."""
    suite.configure(
        "tests:\n  Slow: {takes: 0.8}\n  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
        "  Quick: {takes: 0.02}\n"
    )
    suite.write(
        "@marked(test='Slow')\ndef test_slow(): pass\n@marked(test='Busy')\ndef test_busy(): pass\n"
        "@marked(test='Quick')\ndef test_quick(sipfront_run): assert sipfront_run.request.test == 'Quick'\n"
    )
    result = suite.run("--sipfront-concurrency=3", "-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*::test_slow PASSED*", "*::test_busy FAILED*", "*::test_quick PASSED*"])
    assert suite.report("test_slow").duration > suite.report("test_busy").duration + 0.4
    assert suite.report("test_quick").duration < suite.report("test_slow").duration


# ---- exclusive runs


def test_runs_with_the_same_exclusive_name_never_overlap(suite: Suite) -> None:
    """`exclusive` accepts templates, and other runs are still concurrent."""
    suite.write(
        """
@marked(test="Basic call")
@pytest.mark.parametrize(("n", "trunk"), [("1", "a"), ("2", "a"), ("3", "b"), ("4", "b")])
class TestTrunks:
    @marked(exclusive=["trunk-{trunk}"], step_1_0_dial_destination="{n}")
    def test_call(self, n, trunk): pass
"""
    )
    run_until_peak(suite, 2, "--sipfront-concurrency=4").assert_outcomes(passed=4)
    assert not {("1", "2"), ("2", "1"), ("3", "4"), ("4", "3")} & overlaps(suite)


@pytest.mark.parametrize("key", ["step.1.0.dial_destination", "step_1_0_dial_destination"])
def test_equal_values_of_an_override_can_be_exclusive(suite: Suite, key: str) -> None:
    """Two concurrent calls to one extension would make it busy."""
    suite.write(
        """
@pytest.mark.parametrize("n", ["100", "100", "200"], ids=["a", "b", "c"])
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n): pass
"""
    )
    run_until_peak(suite, 2, "--sipfront-concurrency=3", f"--sipfront-exclusive-by={key}").assert_outcomes(passed=3)
    assert ("100", "100") not in overlaps(suite)


# ---- tests whose runs are not launched ahead


@pytest.mark.parametrize("marker", ["skip", "skipif(True, reason='no trunk')", "xfail(run=False)"])
def test_a_test_that_its_marker_skips_launches_no_run(suite: Suite, marker: str) -> None:
    """pytest evaluates the marker in the setup of the test, so its run does not start before."""
    suite.configure(QUICK)
    suite.write(f"{EIGHT_CALLS}\n@pytest.mark.{marker}\n@marked(test='Basic call')\ndef test_not(): pass\n")
    suite.run(ENOUGH)
    assert suite.lab.launches == 8


def test_a_test_with_a_false_skipif_launches_in_its_setup(suite: Suite) -> None:
    """Its run follows the others."""
    suite.write(
        f"{EIGHT_CALLS}\n@pytest.mark.skipif(False, reason='')\n@marked(test='Basic call')\ndef test_last(): pass\n"
    )
    run_until_peak(suite, 8, ENOUGH).assert_outcomes(passed=9)
    assert suite.lab.launches == 9


def test_a_marked_method_of_a_unittest_class_launches_after_setup_method(suite: Suite) -> None:
    """`setUp` may prepare something that the run depends on."""
    suite.write(
        EIGHT_CALLS + "import unittest\nclass TestOld(unittest.TestCase):\n    def setUp(self): pass\n"
        "    @marked(test='Basic call')\n    def test_call(self): pass\n"
    )
    run_until_peak(suite, 8, ENOUGH).assert_outcomes(passed=9)
    assert suite.lab.launches == 9


def test_deselected_tests_launch_no_run(suite: Suite) -> None:
    """Only the tests that pytest is going to run are launched ahead."""
    suite.configure(QUICK)
    suite.write(EIGHT_CALLS)
    suite.run(ENOUGH, "-k", "3 or 4").assert_outcomes(passed=2, deselected=6)
    assert suite.lab.launches == 2


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_no_run_is_launched_after_the_failure_that_ends_the_session(suite: Suite, option: str) -> None:
    """The closing section lists the runs that are still in flight with their reports."""
    suite.configure("tests:\n  Busy: {takes: 0.3, verdict: failed, description: 486 Busy Here}\n  Slow: {takes: 60}\n")
    suite.write(
        "@marked(test='Busy')\ndef test_busy(): pass\n"
        "@pytest.mark.parametrize('n', range(20))\n@marked(test='Slow')\ndef test_slow(n): pass\n"
    )
    result = suite.run("--sipfront-concurrency=3", option)
    result.assert_outcomes(failed=1)
    assert suite.lab.launches == 3
    result.stdout.fnmatch_lines(
        ["2 still running (the API cannot stop runs):", "  test_it.py::test_slow* - Slow - * UTC - http*"]
    )


# ---- limits and errors of the platform


def test_launches_wait_if_the_account_is_full(suite: Suite) -> None:
    """After a 429 fewer runs are launched at a time. Every test has its verdict, and no run is launched twice."""
    suite.configure("account: {concurrent_runs: 2, retry_after: 0.05}\ntests:\n  Basic call: {takes: 0.1}\n")
    suite.write(EIGHT_CALLS)
    suite.run("--sipfront-concurrency=8").assert_outcomes(passed=8)
    assert (suite.lab.launches, suite.lab.peak_in_flight) == (8, 2)


def test_an_account_that_stays_full_is_an_error_after_the_timeout_of_the_run(suite: Suite) -> None:
    """A launch waits as long as the run itself may take."""
    suite.configure("account: {concurrent_runs: 1, retry_after: 0.1}\ntests:\n  Basic call: {takes: 60}\n")
    suite.write(
        "def test_two(sipfront):\n    sipfront.launch(test='Basic call')\n    sipfront.run(test='Basic call')\n"
    )
    result = suite.run("--sipfront-timeout=0.5")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*PlatformBusy: Sipfront is busy: Limit of 1 concurrent runs reached (429 *"])


def test_an_error_of_a_run_launched_ahead_is_reported_for_its_test(suite: Suite) -> None:
    """The other tests pass."""
    suite.configure(QUICK)
    suite.write(EIGHT_CALLS + "@marked(test='Bsic call')\ndef test_typo(): pass\n")
    result = suite.run(ENOUGH, "-v")
    result.assert_outcomes(passed=8, errors=1)
    result.stdout.fnmatch_lines(["*::test_typo ERROR*", "*NotFound: Sipfront refused: Test 'Bsic call' not found*"])


def test_the_run_of_a_test_that_a_hook_skips_is_listed(suite: Suite) -> None:
    """It was launched ahead, but its test had no setup."""
    suite.configure(QUICK)
    suite.write(EIGHT_CALLS + "@marked(test='Basic call')\ndef test_skipped(): pass\n")
    suite.pytester.makeconftest(
        "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_setup(item):\n"
        "    if item.name == 'test_skipped': pytest.skip('not today')\n"
    )
    result = suite.run(ENOUGH)
    result.assert_outcomes(passed=8, skipped=1)
    result.stdout.fnmatch_lines(
        ["1 launched ahead of tests that did not run:", "  test_it.py::test_skipped - passed - http*"]
    )


def test_the_same_test_twice_has_two_runs(suite: Suite) -> None:
    """A run belongs to an item, not to its name."""
    suite.configure(QUICK)
    path = suite.write("@marked(test='Basic call')\ndef test_call(): pass\n")
    suite.run("--sipfront-concurrency=4", "--keep-duplicates", str(path), str(path)).assert_outcomes(passed=2)
    assert suite.lab.launches == 2


# ---- workers


@pytest.mark.slow
def test_workers_share_the_runs_that_start_ahead(suite: Suite) -> None:
    """All workers collect the same tests. Each run is launched once, by any of them, and all runs overlap."""
    suite.write(EIGHT_CALLS)
    run_until_peak(suite, 8, ENOUGH, workers=2).assert_outcomes(passed=8)
    assert suite.lab.launches == 8


@pytest.mark.parametrize(
    "dist",
    [
        "load",
        "each",
        *(pytest.param(dist, marks=pytest.mark.slow) for dist in ("loadscope", "loadfile", "loadgroup", "worksteal")),
    ],
)
def test_each_test_has_one_launch_in_every_distribution_mode(suite: Suite, dist: str) -> None:
    """With `each`, every worker runs every test, and each of these has its own run."""
    suite.configure("tests: {Basic call: {takes: 0.1}}\n")
    suite.write("@pytest.mark.xdist_group('a')\n" + EIGHT_CALLS.lstrip())
    launches = 16 if dist == "each" else 8
    suite.run_in_subprocess("-n2", f"--dist={dist}", ENOUGH).assert_outcomes(passed=launches)
    assert suite.lab.launches == launches


@pytest.mark.slow
def test_all_workers_share_the_limit(suite: Suite) -> None:
    """The limit is that of the account."""
    suite.write(EIGHT_CALLS)
    run_until_peak(suite, 2, "--sipfront-concurrency=2", workers=4).assert_outcomes(passed=8)
    assert suite.lab.launches == 8


def test_exclusive_names_apply_to_all_workers(suite: Suite) -> None:
    """Runs of different workers with the same name do not overlap."""
    suite.write(EIGHT_CALLS.replace('"{n}"', '"{n}", exclusive="trunk-7"'))
    run_until_peak(suite, 1, workers=4).assert_outcomes(passed=8)
    assert suite.lab.launches == 8


def test_a_finished_test_keeps_no_run(suite: Suite) -> None:
    """The memory of a long session must not grow with the state of runs that are over."""
    suite.pytester.makeconftest(
        "import gc\nfrom pytest_sipfront.engine.run import Run, RunResult\n"
        "def pytest_sessionfinish():\n    gc.collect()\n"
        "    print('RUNS', sum(isinstance(thing, Run | RunResult) for thing in gc.get_objects()))\n"
    )
    suite.write("@pytest.mark.parametrize('n', range(4))\n@marked(test='Basic call')\ndef test_call(n): pass\n")
    result = suite.run_in_subprocess("-s", "--sipfront-concurrency=2")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*RUNS 0"])
