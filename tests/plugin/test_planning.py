from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.errors import SipfrontError
from pytest_sipfront.plugin.planning import NameCheck, Plan, Planned, check_names, lines, unknown_names
from pytest_sipfront.plugin.run_spec import RunSpec, make_run_spec, normalise

KNOWN = ("Basic call", "Basic call with DTMF", "Registration")
NAMES = st.lists(st.text(max_size=12), max_size=5)


def _spec(**arguments: object) -> RunSpec:
    return make_run_spec(normalise({"test": "Basic call", **arguments}), report_mode=None)


def _plan(
    *seconds: float | None,
    imperative: int = 0,
    concurrency: int = 1,
    max_runs: int | None = None,
    max_minutes: float | None = None,
) -> list[str]:
    runs = [Planned(f"test_{n}", _spec(), known) for n, known in enumerate(seconds)]
    return list(lines(Plan(runs=runs, imperative=imperative), concurrency, max_runs, max_minutes))


# ---- plan -------------------------------------------------------------------------------------------------------


def test_the_plan_shows_target_overrides_and_duration_of_each_run() -> None:
    """These are the values that would be sent."""
    runs = [
        Planned("test_a", _spec(step_1_0_dial_destination="100", step_1_0_max_total_calls=3), 90),
        Planned("test_b", make_run_spec(normalise({"project": "Nightly"}), report_mode=None), None),
    ]
    assert list(lines(Plan(runs=runs)))[1:] == [
        "  test_a: Basic call step.1.0.dial_destination=100 step.1.0.max_total_calls=3, 1.5 min",
        "  test_b: project Nightly, duration unknown",
    ]


@pytest.mark.parametrize(
    ("concurrency", "text"),
    [
        (1, "sipfront plan: 3 runs, about 5.0 min of calls, about 5.0 min at concurrency 1"),
        (2, "sipfront plan: 3 runs, about 5.0 min of calls, about 3.0 min at concurrency 2"),
    ],
)
def test_the_plan_estimates_its_total_duration(concurrency: int, text: str) -> None:
    """The estimate covers sequential and concurrent runs."""
    assert _plan(60, 60, 180, concurrency=concurrency)[0] == text


def test_the_plan_counts_runs_of_unknown_duration() -> None:
    """The estimate does not include them."""
    assert _plan(30, None, None)[0] == (
        "sipfront plan: 3 runs, about 30.0 s of calls, about 30.0 s at concurrency 1, 2 of unknown duration"
    )
    assert _plan(None)[0] == "sipfront plan: 1 run, 1 of unknown duration"


def test_the_plan_shows_by_how_much_the_budget_is_exceeded() -> None:
    """Runs and minutes have budgets of their own."""
    assert _plan(1, 1, 1, max_runs=2)[1] == "  1 run over the budget of 2"
    assert _plan(1, 1, 1, max_runs=1)[1] == "  2 runs over the budget of 1"
    assert "budget" not in "".join(_plan(1, 1, max_runs=2))
    assert _plan(90, 90, max_minutes=2)[1] == "  1.0 min over the budget of 2 min"
    assert "budget" not in "".join(_plan(60, 60, max_minutes=2))


@pytest.mark.parametrize(
    ("imperative", "text"),
    [
        (1, "  plus the runs that 1 test may launch with the sipfront fixture"),
        (2, "  plus the runs that 2 tests may launch with the sipfront fixture"),
    ],
)
def test_the_plan_mentions_tests_that_use_the_sipfront_fixture(imperative: int, text: str) -> None:
    """Their runs are unknown before they execute."""
    assert _plan(imperative=imperative) == ["sipfront plan: 0 runs", text]


def test_the_plan_names_the_obstacles_of_look_ahead() -> None:
    """Runs with an obstacle do not overlap, and the estimate includes that."""
    runs = [Planned(f"test_{n}", _spec(), 60, "fixture 'pbx'" if n else "") for n in range(4)]
    assert list(lines(Plan(runs=runs), concurrency=4))[:2] == [
        "sipfront plan: 4 runs, about 4.0 min of calls, about 3.0 min at concurrency 4",
        "  3 of 4 runs cannot start before the setup of their tests: fixture 'pbx'",
    ]
    assert "pbx" not in "".join(lines(Plan(runs=runs), concurrency=1))


def test_the_plan_shows_invalid_markers() -> None:
    """A hook may add them after the collection."""
    assert list(lines(Plan(runs=[], mistakes={"test_a": "unknown argument 'tset'"}))) == [
        "sipfront plan: 0 runs",
        "  test_a: ERROR: unknown argument 'tset'",
    ]


# ---- check of names ---------------------------------------------------------------------------------------------


def test_known_names_are_no_problem() -> None:
    """A name may be used several times."""
    assert list(unknown_names("test", ["Basic call", "Registration", "Basic call"], KNOWN)) == []


def test_an_unknown_name_is_reported_with_the_nearest_one() -> None:
    """The message counts the uses."""
    assert list(unknown_names("test", ["Basc call", "Registration", "Basc call"], KNOWN)) == [
        "  unknown test 'Basc call' (used 2 times); did you mean 'Basic call'?"
    ]


def test_a_name_that_resembles_no_other_is_reported_with_known_ones() -> None:
    """At most ten names are listed."""
    assert list(unknown_names("project", ["xyz"], KNOWN)) == [
        "  unknown project 'xyz' (used 1 time); known projects: Basic call, Basic call with DTMF, Registration"
    ]
    many = tuple(f"Number {n}" for n in range(20))
    (line,) = unknown_names("project", ["xyz"], many)
    assert line.endswith("Number 8, Number 9, ...")


def test_an_empty_list_reports_no_unknown_name() -> None:
    """The format of the list is not documented, so it may have names that are not recognised."""
    assert list(unknown_names("test", ["Basic call"], ())) == []


class Platform:
    """Lists names, or raises an error."""

    def __init__(
        self, tests: Sequence[str] = (), projects: Sequence[str] = (), error: SipfrontError | None = None
    ) -> None:
        self._lists = {"tests": tests, "projects": projects}
        self._error = error

    def ask(self, method: str) -> Any:
        if self._error is not None:
            raise self._error
        return SimpleNamespace(names=lambda: tuple(self._lists[method]))


def _check(platform: Platform, *specs: RunSpec) -> NameCheck:
    return check_names(platform, specs)  # type: ignore[arg-type]


def _project(project: str | int) -> RunSpec:
    return make_run_spec(normalise({"project": project}))


def test_the_check_lists_what_it_compared() -> None:
    """A name that is used twice counts once, and the platform's list of projects may have no ids."""
    platform = Platform(["Basic call", "Other"], ["Nightly"])
    specs = [_spec(), _spec(), _spec(test="Other"), _project("Nightly"), _project(7)]
    check = _check(platform, *specs)
    assert check.problems == []
    assert check.checked == [
        "credentials accepted",
        "2 test names found",
        "1 project name found",
        "project ids not checked",
    ]


def test_the_check_mentions_names_that_it_could_not_compare() -> None:
    """The format of the lists is not documented."""
    assert _check(Platform(), _spec()).checked == [
        "credentials accepted",
        "1 test name not checked (the platform's list of tests has no known names)",
    ]


def test_a_check_of_project_ids_still_checks_the_credentials() -> None:
    """It requests the list of tests in any case."""
    assert _check(Platform(), _project(7)).checked == ["credentials accepted", "project ids not checked"]


def test_the_check_reports_an_error_of_the_platform() -> None:
    """It counts as a problem."""
    platform = Platform(error=SipfrontError("Sipfront refused the credentials"))
    assert _check(platform, _spec()) == NameCheck(problems=["  Sipfront refused the credentials"])


@given(NAMES, NAMES)
def test_each_unknown_name_is_reported_once(used: list[str], known: list[str]) -> None:
    """The lines follow the order of the tests."""
    reported = list(unknown_names("test", used, tuple(known)))
    unknown = [name for name in dict.fromkeys(used) if name not in known] if known else []
    assert len(reported) == len(unknown)
    for line, name in zip(reported, unknown, strict=True):
        assert line.startswith(f"  unknown test {name!r} (used {used.count(name)} time")
