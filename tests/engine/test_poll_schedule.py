from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.engine.poll_schedule import (
    POLLS_PER_SECOND,
    ExpectedDuration,
    Moment,
    crowd_of,
    is_overdue,
    next_poll,
    watch_from,
)

INTERVAL = 3.0
LAUNCHED = 1000.0
SECONDS = st.floats(min_value=0, max_value=5000)
SHARES = st.floats(min_value=0, max_value=1)
INTERVALS = st.floats(min_value=0.05, max_value=60)
EXPECTED = st.none() | st.tuples(SECONDS, SECONDS).map(lambda ends: ExpectedDuration(min(ends), max(ends)))


def _polls(
    expected: ExpectedDuration | None,
    *,
    timeout: float | None = None,
    until: float = 300,
    interval: float = INTERVAL,
    crowd: float = 0.0,
) -> list[float]:
    """When a run that never ends is asked for, in seconds from its launch."""
    return list(_asked(expected, LAUNCHED + timeout if timeout is not None else None, until, interval, crowd))


def _asked(
    expected: ExpectedDuration | None, deadline: float | None, until: float, interval: float, crowd: float
) -> Iterator[float]:
    polls = 0
    now = watch_from(Moment(now=LAUNCHED, launched_at=LAUNCHED, deadline=deadline), expected)
    while not is_overdue(now, deadline):
        moment = Moment(now=now, launched_at=LAUNCHED, deadline=deadline, polls=polls)
        now = next_poll(moment, interval, expected, crowd=crowd)
        if now > LAUNCHED + until:
            return
        polls += 1
        yield now - LAUNCHED


# ---- without history --------------------------------------------------------------------------------------------


def test_without_history_a_run_is_asked_for_once_an_interval() -> None:
    """And first one interval after its launch: nothing is known earlier."""
    assert _polls(None, until=15) == [3, 6, 9, 12, 15]


def test_the_last_question_comes_right_at_the_deadline() -> None:
    """A run that ends just in time has its verdict."""
    assert _polls(None, timeout=10) == [3, 6, 9, 10]


# ---- with history -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "timeout", "begin"),
    [
        (None, None, 0),
        (ExpectedDuration(100, 103), None, 100),
        (ExpectedDuration(100, 103), 60, 60),
        (ExpectedDuration(100, 103), 600, 100),
    ],
)
def test_a_run_is_left_alone_until_it_may_be_over(
    expected: ExpectedDuration | None, timeout: float | None, begin: float
) -> None:
    """Or until its time is up: a run that then is not over has none left."""
    deadline = None if timeout is None else LAUNCHED + timeout
    moment = Moment(now=LAUNCHED + 7, launched_at=LAUNCHED, deadline=deadline)
    assert watch_from(moment, expected) == LAUNCHED + begin


def test_the_first_question_comes_within_the_expected_end() -> None:
    """And not once before: from launch to there, nothing can be learned."""
    assert _polls(ExpectedDuration(100, 103))[0] == 100.75


def test_a_run_that_is_soon_over_is_not_asked_for_within_the_first_interval() -> None:
    """The interval is what its owner wants at most."""
    assert _polls(ExpectedDuration(0.1, 0.2))[0] == INTERVAL


@pytest.mark.parametrize(
    ("expected", "asked"),
    [
        (ExpectedDuration(100, 103), [100.75, 101.5, 102.25]),
        (ExpectedDuration(100, 101), [100.375, 100.75, 101.125]),
        (ExpectedDuration(100, 100), [100.375, 100.75, 101.125]),
        (ExpectedDuration(100, 110), [102.25, 104.5, 106.75]),
    ],
    ids=["an interval", "narrower", "known exactly", "wide"],
)
def test_around_the_expected_end_a_few_questions_find_it(expected: ExpectedDuration, asked: list[float]) -> None:
    """The better it is known, the closer they follow; the wider it is, the rarer they are, but not as without it."""
    assert _polls(expected, until=110)[:3] == pytest.approx(asked)


def test_an_overdue_run_is_asked_for_ever_more_rarely() -> None:
    """Whatever holds it up may last; the rarest is four intervals."""
    asked = [at for at in _polls(ExpectedDuration(100, 110)) if at > 110]
    waits = [after - before for before, after in itertools.pairwise(asked)]
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(4 * INTERVAL)


def test_a_run_that_was_taken_up_late_is_asked_for_at_once() -> None:
    """An interrupted session launched it, and it may be over for long."""
    moment = Moment(now=LAUNCHED + 500, launched_at=LAUNCHED)
    assert next_poll(moment, INTERVAL) == LAUNCHED + 500
    assert next_poll(moment, INTERVAL, ExpectedDuration(100, 110)) == LAUNCHED + 500


# ---- the platform's hints ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("expected", [None, ExpectedDuration(100, 110)])
@pytest.mark.parametrize("polls", [0, 5])
@pytest.mark.parametrize("hint", [0.5, 50.0])
def test_the_platform_s_hint_wins(hint: float, polls: int, expected: ExpectedDuration | None) -> None:
    """It knows best, shorter or longer than what we would do."""
    moment = Moment(now=LAUNCHED + 9, launched_at=LAUNCHED, polls=polls, hint=hint)
    assert next_poll(moment, INTERVAL, expected, random=1) == LAUNCHED + 9 + hint


def test_the_deadline_caps_the_hint() -> None:
    """The run is to be over by then, whatever the platform says."""
    moment = Moment(now=LAUNCHED, launched_at=LAUNCHED, deadline=LAUNCHED + 10, hint=3600)
    assert next_poll(moment, INTERVAL) == LAUNCHED + 10


@pytest.mark.parametrize(("interval", "wait"), [(3.0, 0.1), (0.05, 0.05)])
def test_a_hint_of_nothing_is_no_invitation_to_hammer(interval: float, wait: float) -> None:
    """`Retry-After: 0` is an answer of real servers; what the owner wants may still be shorter."""
    moment = Moment(now=LAUNCHED, launched_at=LAUNCHED, polls=1, hint=0)
    assert next_poll(moment, interval) == LAUNCHED + wait


# ---- all together -----------------------------------------------------------------------------------------------


def test_many_runs_share_what_one_session_asks() -> None:
    """A poll costs processor time here and there: none is asked for more often than all of them can be."""
    moment = Moment(now=LAUNCHED, launched_at=LAUNCHED, polls=1)
    assert next_poll(moment, INTERVAL, crowd=crowd_of(10)) == LAUNCHED + INTERVAL
    assert next_poll(moment, INTERVAL, crowd=crowd_of(7000)) == pytest.approx(LAUNCHED + 7000 / POLLS_PER_SECOND)


@pytest.mark.parametrize(
    ("crowd", "asked"),
    [(0.2, [100.75, 101.5, 102.25, 103, 103.75]), (2.0, [102, 103, 105, 107, 109]), (20.0, [103, 123, 143, 163, 183])],
)
def test_a_crowd_that_may_be_over_is_asked_less_closely_but_once_when_it_must_be(
    crowd: float, asked: list[float]
) -> None:
    """Early questions to all of them would only keep the answers waiting that matter."""
    assert _polls(ExpectedDuration(100, 103), crowd=crowd)[:5] == pytest.approx(asked)


@given(INTERVALS, st.integers(min_value=0, max_value=100_000), EXPECTED)
def test_no_number_of_runs_is_asked_for_too_often(
    interval: float, runs: int, expected: ExpectedDuration | None
) -> None:
    """However short the interval, and however close the end: one question more each, when its time has passed."""
    crowd = crowd_of(runs)
    until = (expected.most if expected else 0.0) + 10 * max(interval, crowd)
    asked = _polls(expected, until=until, interval=interval, crowd=crowd)
    closer = [1 for before, after in itertools.pairwise(asked) if after - before < crowd * (1 - 1e-9) - 1e-6]
    assert len(closer) <= (1 if expected else 0)


@given(INTERVALS, EXPECTED, SHARES)
def test_the_first_question_never_comes_before_one_interval(
    interval: float, expected: ExpectedDuration | None, random: float
) -> None:
    """Whatever history says, and whatever chance."""
    moment = Moment(now=LAUNCHED, launched_at=LAUNCHED)
    assert next_poll(moment, interval, expected, random=random) >= LAUNCHED + interval - 1e-9


@given(SECONDS, st.integers(0, 1000), INTERVALS, EXPECTED, st.none() | SECONDS, st.none() | SECONDS, SHARES)
def test_chance_only_shortens_a_wait(
    age: float,
    polls: int,
    interval: float,
    expected: ExpectedDuration | None,
    hint: float | None,
    timeout: float | None,
    random: float,
) -> None:
    """By a tenth at most, so that runs that were launched together do not ask together."""
    deadline = None if timeout is None else LAUNCHED + timeout
    now = LAUNCHED + age
    moment = Moment(now=now, launched_at=LAUNCHED, deadline=deadline, polls=polls, hint=hint)
    plain, drawn = (next_poll(moment, interval, expected, random=share) - now for share in (0.0, random))
    assert plain * 0.9 - 1e-6 <= drawn <= plain
    assert drawn >= 0


@given(SECONDS, st.integers(1, 1000), INTERVALS, EXPECTED, SHARES)
def test_a_run_that_could_be_over_is_never_left_alone_for_long(
    overdue: float, polls: int, interval: float, expected: ExpectedDuration | None, random: float
) -> None:
    """Four intervals at most, and never in a row without a pause."""
    age = overdue + (expected.least if expected else 0.0)
    moment = Moment(now=LAUNCHED + age, launched_at=LAUNCHED, polls=polls)
    wait = next_poll(moment, interval, expected, random=random) - moment.now
    assert interval * 0.11 <= wait <= interval * 4 + 1e-6


@given(SECONDS, SECONDS, st.integers(0, 10), EXPECTED, st.none() | SECONDS)
def test_no_question_is_planned_beyond_the_deadline(
    age: float, timeout: float, polls: int, expected: ExpectedDuration | None, hint: float | None
) -> None:
    """And none in the past."""
    now, deadline = LAUNCHED + age, LAUNCHED + timeout
    moment = Moment(now=now, launched_at=LAUNCHED, deadline=deadline, polls=polls, hint=hint)
    assert now <= next_poll(moment, INTERVAL, expected) <= max(deadline, now)


@given(st.floats(min_value=10, max_value=1000), st.floats(min_value=0, max_value=0.3))
def test_with_history_a_run_is_asked_for_less_often_and_its_end_seen_sooner(least: float, spread: float) -> None:
    """That is what history is for: at most half an interval from its end to the question after it."""
    expected = ExpectedDuration(least, least + spread * INTERVAL)
    end = expected.typical
    known, unknown = _polls(expected, until=least + 10), _polls(None, until=least + 10)
    assert next(at for at in known if at >= end) - end <= max(INTERVAL / 2, INTERVAL - end) + 1e-6
    asked = [sum(1 for at in polls if at < end) for polls in (known, unknown)]
    assert asked[0] <= min(asked[1], 1)


def test_whoever_has_no_deadline_is_never_overdue() -> None:
    """0 is no limit."""
    assert [is_overdue(1e9, None), is_overdue(9.9, 10), is_overdue(10, 10)] == [False, False, True]
