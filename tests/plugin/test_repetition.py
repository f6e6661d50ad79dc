from __future__ import annotations

import pytest

from pytest_sipfront.plugin.repetition import wilson_interval
from pytest_sipfront.plugin.run_spec import MarkerError, make_run_spec


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 1, 0.0, 0.7935),
        (1, 1, 0.2065, 1.0),
        (4, 5, 0.3755, 0.9638),
        (5, 10, 0.2366, 0.7634),
        (95, 100, 0.8882, 0.9785),
    ],
)
def test_the_interval_is_the_published_one(successes: int, trials: int, low: float, high: float) -> None:
    """Wilson (1927), with the figures of Newcombe (1998) and of statsmodels' `proportion_confint`."""
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-4)


def test_all_runs_must_pass_by_default() -> None:
    """`repeat` of the marker replaces both settings of the session."""
    spec = make_run_spec({"test": "A", "repeat": 3}, repeat=9, pass_at_least=1)
    assert (spec.repeat, spec.pass_at_least) == (3, 3)
    spec = make_run_spec({"test": "A"}, repeat=9, pass_at_least=8)
    assert (spec.repeat, spec.pass_at_least) == (9, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"repeat": 0}, "repeat= must be an integer >= 1, got 0"),
        ({"repeat": True}, "repeat= must be an integer >= 1, got True"),
        ({"repeat": 3, "pass_at_least": 4}, "pass_at_least= must be at most repeat=3, got 4"),
        ({"pass_at_least": 2}, "pass_at_least= must be at most repeat=1, got 2"),
    ],
)
def test_invalid_numbers_are_marker_errors(arguments: dict[str, object], message: str) -> None:
    """The message says what is allowed."""
    with pytest.raises(MarkerError) as caught:
        make_run_spec({"test": "A", **arguments})
    assert str(caught.value) == message
