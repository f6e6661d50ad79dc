"""What a session may spend: reserved before each launch, shared by workers, shown at the end."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

LAB = "tests:\n  Basic call: {takes: 0.05}\n  Missing call: {takes: 0.05}\n"
MANY = """
@pytest.mark.parametrize("n", range(5))
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n): pass
"""


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="alone"),
        pytest.param(("--sipfront-concurrency=5",), id="ahead"),
        pytest.param(("-n2",), id="workers"),
    ],
)
def test_no_more_runs_are_launched_than_the_budget_has(suite: Suite, options: tuple[str, ...]) -> None:
    """What does not fit is an ERROR that names the budget and where it is set, not a skip."""
    suite.configure(LAB)
    suite.write(MANY)
    result = suite.run_in_subprocess("--sipfront-max-runs=3", *options)
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
    """A run of unknown duration reserves a minute before any has ended, so a second one does not fit beside it."""
    suite.configure(LAB)
    suite.write(MANY)
    suite.run("--sipfront-max-minutes=1.5", "--sipfront-concurrency=5").assert_outcomes(passed=5)


def test_a_run_that_does_not_fit_into_the_minutes_is_refused(suite: Suite) -> None:
    """The error names its duration and the budget."""
    suite.configure("tests:\n  Basic call: {takes: 1.2}\n")
    suite.write(MANY)
    result = suite.run("--sipfront-max-minutes=0.05", "--sipfront-concurrency=5")
    result.assert_outcomes(passed=2, errors=3)
    result.stdout.fnmatch_lines(
        ["*BudgetExceeded: not launched: the run takes about 1.? s and does not fit into the budget of 0.05 min"]
    )


def test_known_runs_are_reserved_at_their_own_length(suite: Suite) -> None:
    """With history, five short ones fit where an unknown one would not."""
    suite.configure(LAB)
    suite.write(MANY)
    suite.run().assert_outcomes(passed=5)
    suite.run("--sipfront-max-minutes=0.5", "--sipfront-concurrency=5").assert_outcomes(passed=5)
    suite.run("--sipfront-max-minutes=0").assert_outcomes(errors=5)


def test_a_refused_launch_costs_nothing(suite: Suite) -> None:
    """Nothing was started, so its place in the budget is free again."""
    suite.configure(LAB)
    suite.write(
        "@marked(test='Basci call')\ndef test_typo(): pass\n@marked(test='Basic call')\ndef test_call(): pass\n"
    )
    suite.run("--sipfront-max-runs=1").assert_outcomes(passed=1, errors=1)


@pytest.mark.parametrize("option", ["--sipfront-max-runs=0", "--sipfront-max-runs=many", "--sipfront-max-minutes=-1"])
def test_a_budget_that_makes_no_sense_ends_the_session(suite: Suite, option: str) -> None:
    """Before anything is launched."""
    suite.write(MANY)
    result = suite.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {option.split('=', maxsplit=1)[0]} must be *, got '*'"])
