"""The budget of a session: reserved before each launch, shared by workers, shown at the end."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

LAB = "tests:\n  Basic call: {takes: 0.02}\n"
FIVE_CALLS = """
@pytest.mark.parametrize("n", range(5))
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n): pass
"""


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="sequential"),
        pytest.param(("--sipfront-concurrency=5",), id="concurrent"),
        pytest.param(("-n2",), id="workers"),
    ],
)
def test_no_more_runs_are_launched_than_the_budget_has(suite: Suite, options: tuple[str, ...]) -> None:
    """Each test without a run is an error that names the budget and its settings. It is not skipped."""
    suite.configure(LAB)
    suite.write(FIVE_CALLS)
    run = suite.run_in_subprocess if "-n2" in options else suite.run
    result = run("--sipfront-max-runs=3", *options)
    result.assert_outcomes(passed=3, errors=2)
    assert suite.lab.launches == 3
    result.stdout.fnmatch_lines(
        [
            "*BudgetExceeded: not launched: the budget of 3 runs is spent",
            "*--sipfront-max-runs, SIPFRONT_MAX_RUNS or sipfront_max_runs*",
        ]
    )
    result.stdout.re_match_lines([r"budget: 3 of 3 runs, 0\.0 min used"])


def test_concurrent_runs_wait_for_reserved_minutes(suite: Suite) -> None:
    """Before a first run has ended, a run of unknown duration reserves a minute, so no second one fits."""
    suite.configure(LAB)
    suite.write(FIVE_CALLS)
    suite.run("--sipfront-max-minutes=1.5", "--sipfront-concurrency=5").assert_outcomes(passed=5)


def test_a_run_that_exceeds_the_minutes_is_not_launched(suite: Suite) -> None:
    """The error names the expected duration and the budget."""
    suite.configure(
        "tests:\n  Basic call:\n    takes: 0.02\n    faults:\n      - on: status\n        during: finished\n"
        "        set: {started_at: '2024-02-09 08:20:00', stopped_at: '2024-02-09 08:21:12'}\n"
    )
    suite.write(FIVE_CALLS)
    result = suite.run("--sipfront-max-minutes=2", "--sipfront-concurrency=5")
    result.assert_outcomes(passed=2, errors=3)
    result.stdout.fnmatch_lines(
        ["*BudgetExceeded: not launched: the run takes about * and does not fit into the budget of 2 min"]
    )


def test_known_durations_are_reserved(suite: Suite) -> None:
    """Five short runs fit into a budget that one run of unknown duration exceeds."""
    suite.configure(LAB)
    suite.write(FIVE_CALLS)
    suite.run().assert_outcomes(passed=5)
    suite.run("--sipfront-max-minutes=0.5", "--sipfront-concurrency=5").assert_outcomes(passed=5)
    suite.run("--sipfront-max-minutes=0").assert_outcomes(errors=5)


def test_a_refused_launch_does_not_count(suite: Suite) -> None:
    """The platform started no run."""
    suite.configure(LAB)
    suite.write(
        "@marked(test='Basci call')\ndef test_typo(): pass\n@marked(test='Basic call')\ndef test_call(): pass\n"
    )
    suite.run("--sipfront-max-runs=1").assert_outcomes(passed=1, errors=1)


@pytest.mark.parametrize("option", ["--sipfront-max-runs=0", "--sipfront-max-runs=many", "--sipfront-max-minutes=-1"])
def test_an_invalid_budget_is_a_usage_error(suite: Suite, option: str) -> None:
    """The session ends before the first test."""
    suite.write(FIVE_CALLS)
    result = suite.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {option.split('=', maxsplit=1)[0]} must be *, got '*'"])
