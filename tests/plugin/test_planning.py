from __future__ import annotations

import pytest

from pytest_sipfront.plugin.planning import Planned, lines
from pytest_sipfront.plugin.run_spec import RunSpec, make_run_spec, normalise


def _spec(**arguments: object) -> RunSpec:
    return make_run_spec(normalise({"test": "Basic call", **arguments}), report_mode=None)


def _plan(
    *seconds: float | None,
    own: int = 0,
    concurrency: int = 1,
    max_runs: int | None = None,
    max_minutes: float | None = None,
) -> list[str]:
    planned = [Planned(f"test_{n}", _spec(), known) for n, known in enumerate(seconds)]
    return list(lines(planned, own, concurrency, max_runs, max_minutes))


def test_the_plan_names_each_run_with_its_overrides_and_its_length() -> None:
    """Exactly what would be sent."""
    planned = [
        Planned("test_a", _spec(step_1_0_dial_destination="100", step_1_0_max_total_calls=3), 90),
        Planned("test_b", make_run_spec(normalise({"project": "Nightly"}), report_mode=None), None),
    ]
    assert list(lines(planned, 0, 1, None))[1:] == [
        "  test_a: Basic call step.1.0.dial_destination=100 step.1.0.max_total_calls=3, 1.5 min",
        "  test_b: project Nightly, length unknown",
    ]


@pytest.mark.parametrize(
    ("concurrency", "text"),
    [
        (1, "sipfront plan: 3 runs would be launched, about 5.0 min of calls, about 5.0 min at concurrency 1"),
        (2, "sipfront plan: 3 runs would be launched, about 5.0 min of calls, about 3.0 min at concurrency 2"),
    ],
)
def test_the_plan_says_how_long_it_takes(concurrency: int, text: str) -> None:
    """All calls one after another, and as many at once as may be."""
    assert _plan(60, 60, 180, concurrency=concurrency)[0] == text


def test_what_history_does_not_know_is_said() -> None:
    """A sum that leaves something out would be a promise."""
    assert _plan(30, None, None)[0] == (
        "sipfront plan: 3 runs would be launched, about 30.0 s of calls, about 30.0 s at concurrency 1, "
        "2 of unknown length"
    )
    assert _plan(None)[0] == "sipfront plan: 1 run would be launched, 1 of unknown length"


def test_what_the_budget_does_not_cover_is_said() -> None:
    """Before anybody has paid for the first part of it."""
    assert _plan(1, 1, 1, max_runs=2)[1] == "  1 of them do not fit into the budget of 2 runs"
    assert "budget" not in "".join(_plan(1, 1, max_runs=2))
    assert _plan(90, 90, max_minutes=2)[1] == "  they do not fit into the budget of 2 min"
    assert "budget" not in "".join(_plan(60, 60, max_minutes=2))


@pytest.mark.parametrize(
    ("own", "text"),
    [
        (1, "  1 test launches runs of their own, which are not in the plan"),
        (2, "  2 tests launch runs of their own, which are not in the plan"),
    ],
)
def test_what_no_plan_can_know_is_said(own: int, text: str) -> None:
    """A test's body decides as it goes."""
    assert _plan(own=own) == ["sipfront plan: 0 runs would be launched", text]
