"""Several runs in flight in one process: how many, which, in what order, and when no more."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

QUICK = "tests:\n  Basic call: {takes: 0.3}\n"
LONG = (
    "tests:\n  Basic call: {takes: 1.2}\n"  # so that all are launched before the first is over, on a busy machine, too
)
MANY = """
@pytest.mark.parametrize("n", range(8))
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n): pass
"""


def overlaps(suite: Suite) -> list[tuple[str, str]]:
    """The destinations of each two runs that were in flight at one moment."""
    runs = sorted(suite.lab.runs, key=lambda run: run["started"])
    names = [run["overrides"].get("step.1.0.dial_destination", run["test"]) for run in runs]
    return [
        (names[first], names[second])
        for second in range(len(runs))
        for first in range(second)
        if runs[first]["stopped"] is None or runs[first]["stopped"] > runs[second]["started"]
    ]


@pytest.mark.parametrize(("concurrency", "peak"), [(1, 1), (3, 3), (20, 8)])
def test_as_many_runs_are_in_flight_as_the_setting_says(suite: Suite, concurrency: int, peak: int) -> None:
    """From the first marked test's setup on, and each is launched once."""
    suite.configure(LONG)
    suite.write(MANY)
    suite.run(f"--sipfront-concurrency={concurrency}").assert_outcomes(passed=8)
    assert (suite.lab.peak_in_flight, suite.lab.launches) == (peak, 8)


def test_results_come_in_the_order_of_the_tests(suite: Suite) -> None:
    """Whatever the order in which runs end: each test has its own run's verdict and duration."""
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
    assert float(suite.case("test_slow").attrib["time"]) >= 0.8
    assert float(suite.case("test_quick").attrib["time"]) < 0.7


def test_runs_that_share_a_name_never_overlap(suite: Suite) -> None:
    """`exclusive` takes a name, several, and names filled from the parametrization; others go on side by side."""
    suite.configure(LONG)
    suite.write(
        """
@marked(test="Basic call")
@pytest.mark.parametrize(("n", "trunk"), [("1", "a"), ("2", "a"), ("3", "b"), ("4", "b")])
class TestTrunks:
    @marked(exclusive=["trunk-{trunk}"], step_1_0_dial_destination="{n}")
    def test_call(self, n, trunk): pass
"""
    )
    suite.run("--sipfront-concurrency=4").assert_outcomes(passed=4)
    found = overlaps(suite)
    assert not {("1", "2"), ("2", "1"), ("3", "4"), ("4", "3")} & set(found)
    assert suite.lab.peak_in_flight == 2


@pytest.mark.parametrize("key", ["step.1.0.dial_destination", "step_1_0_dial_destination"])
def test_equal_values_of_an_override_can_be_made_exclusive(suite: Suite, key: str) -> None:
    """Two calls to one extension at once are busy: a failure that is none of the product's."""
    suite.configure(LONG)
    suite.write(
        """
@pytest.mark.parametrize("n", ["100", "100", "200"], ids=["a", "b", "c"])
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n): pass
"""
    )
    suite.run("--sipfront-concurrency=3", f"--sipfront-exclusive-by={key}").assert_outcomes(passed=3)
    assert ("100", "100") not in overlaps(suite)
    assert suite.lab.peak_in_flight == 2


@pytest.mark.parametrize("mark", ["skip", "skipif(True, reason='no trunk')", "xfail(run=False)"])
def test_a_test_that_a_mark_keeps_from_running_launches_nothing(suite: Suite, mark: str) -> None:
    """pytest decides that in the test's setup, so its run does not start before."""
    suite.configure(QUICK)
    suite.write(f"{MANY}\n@pytest.mark.{mark}\n@marked(test='Basic call')\ndef test_not(): pass\n")
    suite.run("--sipfront-concurrency=20")
    assert suite.lab.launches == 8


def test_a_skipif_that_does_not_apply_launches_in_its_own_setup(suite: Suite) -> None:
    """Late, but once."""
    suite.configure(LONG)
    suite.write(f"{MANY}\n@pytest.mark.skipif(False, reason='')\n@marked(test='Basic call')\ndef test_last(): pass\n")
    suite.run("--sipfront-concurrency=20").assert_outcomes(passed=9)
    assert (suite.lab.launches, suite.lab.peak_in_flight) == (9, 8)


def test_deselected_tests_launch_nothing(suite: Suite) -> None:
    """What is looked at is what pytest is about to run."""
    suite.configure(QUICK)
    suite.write(MANY)
    suite.run("--sipfront-concurrency=20", "-k", "3 or 4").assert_outcomes(passed=2, deselected=6)
    assert suite.lab.launches == 2


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_after_a_failure_that_ends_the_session_nothing_more_is_launched(suite: Suite, option: str) -> None:
    """What is in flight by then is what the window holds, and is listed with its report."""
    suite.configure("tests:\n  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n  Slow: {takes: 30}\n")
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


def test_a_full_account_is_waited_for(suite: Suite) -> None:
    """429 is "not now": the window narrows, every test has its verdict, and no launch is counted twice."""
    suite.configure("account: {concurrent_runs: 2, retry_after: 0.05}\ntests:\n  Basic call: {takes: 0.15}\n")
    suite.write(MANY)
    suite.run("--sipfront-concurrency=8").assert_outcomes(passed=8)
    assert (suite.lab.launches, suite.lab.peak_in_flight) == (8, 2)


def test_a_platform_that_stays_full_is_an_error_after_the_runs_own_time(suite: Suite) -> None:
    """It is not waited for for ever: as long as for the run itself."""
    suite.configure("account: {concurrent_runs: 1, retry_after: 0.1}\ntests:\n  Basic call: {takes: 5}\n")
    suite.write(
        "def test_two(sipfront):\n    sipfront.launch(test='Basic call')\n    sipfront.run(test='Basic call')\n"
    )
    result = suite.run("--sipfront-timeout=0.5")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*PlatformBusy: Sipfront is busy: Limit of 1 concurrent runs reached (429 *"])


def test_an_infrastructure_error_ahead_is_its_own_tests(suite: Suite) -> None:
    """A refused name among runs that were launched ahead is reported where it belongs."""
    suite.configure(QUICK)
    suite.write(MANY + "@marked(test='Bsic call')\ndef test_typo(): pass\n")
    result = suite.run("--sipfront-concurrency=20", "-v")
    result.assert_outcomes(passed=8, errors=1)
    result.stdout.fnmatch_lines(["*::test_typo ERROR*", "*NotFound: Sipfront refused: Test 'Bsic call' not found*"])


def test_a_skip_at_run_time_leaves_a_run_that_is_named(suite: Suite) -> None:
    """Nothing is lost: what was launched ahead for a test that did not come to its setup is listed."""
    suite.configure("tests:\n  Basic call: {takes: 0.05}\n")
    suite.write(MANY + "@marked(test='Basic call')\ndef test_unwilling(): pass\n")
    suite.pytester.makeconftest(
        "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_setup(item):\n"
        "    if item.name == 'test_unwilling': pytest.skip('not today')\n"
    )
    result = suite.run("--sipfront-concurrency=20")
    result.assert_outcomes(passed=8, skipped=1)
    result.stdout.fnmatch_lines(
        ["1 launched ahead of tests that did not run:", "  test_it.py::test_unwilling - passed - http*"]
    )


def test_a_marked_method_of_a_unittest_class_waits_for_its_setup_method(suite: Suite) -> None:
    """`setUp` may prepare what the run depends on, and unittest calls it late."""
    suite.configure(LONG)
    suite.write(
        MANY + "import unittest\nclass TestOld(unittest.TestCase):\n    def setUp(self): pass\n"
        "    @marked(test='Basic call')\n    def test_call(self): pass\n"
    )
    suite.run("--sipfront-concurrency=20").assert_outcomes(passed=9)
    assert (suite.lab.launches, suite.lab.peak_in_flight) == (9, 8)


def test_the_same_test_twice_has_two_runs(suite: Suite) -> None:
    """Runs belong to items, not to their names."""
    suite.configure(QUICK)
    path = suite.write("@marked(test='Basic call')\ndef test_call(): pass\n")
    suite.run("--sipfront-concurrency=4", "--keep-duplicates", str(path), str(path)).assert_outcomes(passed=2)
    assert suite.lab.launches == 2


# ---- workers


def test_workers_do_not_look_ahead(suite: Suite) -> None:
    """Each holds all items: looking ahead would launch everything once per worker."""
    suite.configure(LONG)
    suite.write(MANY)
    suite.run_in_subprocess("-n2", "--sipfront-concurrency=20").assert_outcomes(passed=8)
    assert (suite.lab.launches, suite.lab.peak_in_flight) == (8, 2)


def test_the_limit_holds_over_all_workers(suite: Suite) -> None:
    """It is the account's."""
    suite.configure(LONG)
    suite.write(MANY)
    suite.run_in_subprocess("-n4", "--sipfront-concurrency=2").assert_outcomes(passed=8)
    assert (suite.lab.launches, suite.lab.peak_in_flight) == (8, 2)


def test_exclusive_names_hold_across_workers(suite: Suite) -> None:
    """A trunk is one for all of them."""
    suite.configure(QUICK)
    suite.write(MANY.replace('"{n}"', '"{n}", exclusive="trunk-7"'))
    suite.run_in_subprocess("-n4").assert_outcomes(passed=8)
    assert (suite.lab.launches, suite.lab.peak_in_flight) == (8, 1)
