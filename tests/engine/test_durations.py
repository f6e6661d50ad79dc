from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.engine.durations import KEPT, KEPT_REQUESTS, Bracket, Durations, read_bracket
from pytest_sipfront.engine.poll_schedule import ExpectedDuration
from tests.clients.sipfront.test_models import JSON

SECONDS = st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000)
BRACKETS: st.SearchStrategy[Bracket] = st.tuples(SECONDS, SECONDS).map(lambda ends: (min(ends), max(ends)))
LEARNED = st.lists(st.tuples(st.sampled_from("abc"), BRACKETS), max_size=20)


def _history(*learned: tuple[str, Bracket]) -> Durations:
    history = Durations()
    for digest, bracket in learned:
        history.learn(digest, bracket)
    return history


def test_nothing_is_expected_of_a_request_that_never_ran() -> None:
    """Then the interval alone paces."""
    assert Durations().expected("a") is None


def test_runs_that_one_duration_explains_narrow_it_down() -> None:
    """Each was seen to be over within an interval of when it was; all of them together tell better."""
    history = _history(("a", (10, 12)), ("a", (9, 11)), ("b", (1, 2)))
    assert history.expected("a") == ExpectedDuration(10, 11)
    assert history.expected("b") == ExpectedDuration(1, 2)


def test_a_run_whose_duration_varies_is_expected_between_the_ends_of_earlier_ones() -> None:
    """Not before the soonest that one may have been over, and not after the latest that one was seen to be."""
    assert _history(("a", (10, 12)), ("a", (5, 7)), ("a", (20, 21))).expected("a") == ExpectedDuration(5, 21)


def test_only_the_latest_runs_count() -> None:
    """A test's duration changes with the test."""
    history = _history(("a", (1, 1000)), *[("a", (10.0, 12.0))] * KEPT)
    assert history.expected("a") == ExpectedDuration(10, 12)


def test_what_was_dumped_counts_as_before() -> None:
    """Through JSON, as pytest's cache keeps it."""
    history = _history(("a", (10, 12.5)), ("a", (9, 11)))
    again = Durations.read(json.loads(json.dumps(history.dump())))
    assert again.expected("a") == ExpectedDuration(10, 11)
    again.learn("a", (8, 9))
    assert again.expected("a") == ExpectedDuration(8, 12.5)


def test_the_requests_that_ran_last_are_kept() -> None:
    """A cache must not grow for ever."""
    history = _history(*((str(n), (1.0, 2.0)) for n in range(KEPT_REQUESTS + 1)), ("1", (1.0, 2.0)))
    kept = history.dump()
    assert len(kept) == KEPT_REQUESTS
    assert "0" not in kept
    assert list(kept)[-1] == "1"


@pytest.mark.parametrize(
    "pair", [None, 5, "12", {"1": 2}, [], [1], [1, 2, 3], [2, 1], [-1, 2], ["x", 1], [None, 1], [1, 10**400], [[], []]]
)
def test_what_is_no_bracket_is_left_out(pair: Any) -> None:
    """The cache may be edited, or another program's."""
    assert read_bracket(pair) is None
    assert Durations.read({"a": [pair, [3, 4]]}).expected("a") == ExpectedDuration(3, 4)


@pytest.mark.parametrize("text", ["[NaN, NaN]", "[0, Infinity]", "[NaN, 1]", "[1, NaN]"])
def test_what_json_of_python_calls_numbers_is_no_bracket(text: str) -> None:
    """A run that takes for ever would never be asked for."""
    assert read_bracket(json.loads(text)) is None


@given(JSON)
def test_whatever_the_cache_holds_reading_it_never_raises(data: Any) -> None:
    """Nor does what is done with it then."""
    history = Durations.read(data)
    history.learn("a", (1, 2))
    assert history.expected("a") is not None
    json.dumps(history.dump(), allow_nan=False)


@given(LEARNED)
def test_reading_what_was_dumped_loses_nothing(learned: list[tuple[str, Bracket]]) -> None:
    """Whatever was learned."""
    history = _history(*learned)
    again = Durations.read(json.loads(json.dumps(history.dump())))
    for digest in "abc":
        before, after = history.expected(digest), again.expected(digest)
        assert (before is None) is (after is None)
        if before is not None and after is not None:
            assert (after.least, after.most) == pytest.approx((before.least, before.most), abs=1e-3)
