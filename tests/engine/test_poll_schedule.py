from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.engine.poll_schedule import (
    POLLS_PER_SECOND,
    ExpectedDuration,
    Moment,
    PollLoad,
    is_overdue,
    next_poll,
)

INTERVAL = 3.0
LAUNCHED = 1000.0
UNKNOWN = ExpectedDuration()
SECONDS = st.floats(min_value=0, max_value=5000)
SHARES = st.floats(min_value=0, max_value=1)
INTERVALS = st.floats(min_value=0.05, max_value=60)
EXPECTED = st.just(UNKNOWN) | st.tuples(SECONDS, SECONDS).map(lambda ends: ExpectedDuration(min(ends), max(ends)))


def _polls(
    expected: ExpectedDuration,
    *,
    timeout: float | None = None,
    since: float = 0.0,
    until: float = 300,
    interval: float = INTERVAL,
) -> list[float]:
    """Return when a run that does not end is polled, in seconds from its launch, between `since` and `until`."""
    polls = _generate_polls(expected, None if timeout is None else LAUNCHED + timeout, until, interval)
    return [at for at in polls if at >= since]


def _generate_polls(
    expected: ExpectedDuration, deadline: float | None, until: float, interval: float
) -> Iterator[float]:
    now = LAUNCHED
    for polls in itertools.count():
        if is_overdue(now, deadline):
            return
        moment = Moment(now=now, launched_at=LAUNCHED, deadline=deadline, polls=polls)
        now = next_poll(moment, interval, expected)
        if now > LAUNCHED + until:
            return
        yield now - LAUNCHED


# ---- unknown duration -------------------------------------------------------------------------------------------


def test_a_run_of_unknown_duration_is_polled_once_per_interval() -> None:
    """The first time one interval after its launch."""
    assert _polls(UNKNOWN, until=15) == [3, 6, 9, 12, 15]


def test_the_last_poll_comes_at_the_deadline() -> None:
    """A run that ends just in time gets its verdict."""
    assert _polls(UNKNOWN, timeout=10) == [3, 6, 9, 10]


def test_the_typical_duration_is_the_middle_of_the_window() -> None:
    """Or its end if no run was seen running: a plan should rather reserve too much."""
    assert ExpectedDuration(10, 20).typical == 15
    assert ExpectedDuration(0, 20).typical == 20


# ---- known duration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "polls"),
    [
        (ExpectedDuration(100, 103), [100.75, 101.5, 102.25, 103.0]),
        (ExpectedDuration(100, 101), [100.375, 100.75, 101.125]),
        (ExpectedDuration(100, 100), [100.375, 100.75, 101.125]),
        (ExpectedDuration(100, 110), [102.5, 105, 107.5, 110]),
        (ExpectedDuration(100, 300), [103, 106, 109, 112]),
        (ExpectedDuration(0.5, 0.5), [0.875, 1.25, 1.625]),
    ],
    ids=["an interval", "narrower", "exact", "wider", "very wide", "short"],
)
def test_a_few_polls_divide_the_window_in_which_a_run_ends(expected: ExpectedDuration, polls: list[float]) -> None:
    """No two are farther apart than an interval or closer than its eighth."""
    assert _polls(expected, since=expected.least, until=112)[: len(polls)] == pytest.approx(polls)


def test_a_run_is_polled_rarely_before_its_window() -> None:
    """One that ends much earlier than the others is found after twice its duration."""
    assert _polls(ExpectedDuration(1000, 1003), until=1001) == [60, 120, 240, 480, 960, 1000.75]
    assert _polls(ExpectedDuration(50, 53), until=51) == [50.75]


def test_the_waits_of_an_overdue_run_grow_up_to_one_interval() -> None:
    """The cause of the delay may last."""
    polls = [at for at in _polls(ExpectedDuration(100, 101)) if at > 101]
    waits = [after - before for before, after in itertools.pairwise(polls)]
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(INTERVAL / 8)
    assert waits[-1] == pytest.approx(INTERVAL)


def test_a_run_may_time_out_before_its_window() -> None:
    """It is polled once, at its deadline."""
    assert _polls(ExpectedDuration(100, 103), timeout=50) == [50]


@pytest.mark.parametrize("expected", [UNKNOWN, ExpectedDuration(100, 110)])
def test_a_resumed_run_that_may_have_ended_is_polled_at_once(expected: ExpectedDuration) -> None:
    """An earlier session launched it long ago."""
    moment = Moment(now=LAUNCHED + 500, launched_at=LAUNCHED)
    assert next_poll(moment, INTERVAL, expected) == LAUNCHED + 500


def test_a_window_that_becomes_known_later_replaces_the_interval() -> None:
    """The platform may report the duration of an earlier run while this one is being polled."""
    moment = Moment(now=LAUNCHED + 6, launched_at=LAUNCHED, polls=2)
    assert next_poll(moment, INTERVAL, ExpectedDuration(50, 53)) == LAUNCHED + 50.75


# ---- the platform's hints ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("expected", [UNKNOWN, ExpectedDuration(100, 110)])
@pytest.mark.parametrize("polls", [0, 5])
@pytest.mark.parametrize("hint", [0.5, 50.0])
def test_a_hint_of_the_platform_replaces_the_schedule(hint: float, polls: int, expected: ExpectedDuration) -> None:
    """Whether it is shorter or longer."""
    moment = Moment(now=LAUNCHED + 9, launched_at=LAUNCHED, polls=polls, hint=hint)
    assert next_poll(moment, INTERVAL, expected, random=1) == LAUNCHED + 9 + hint


def test_the_deadline_limits_the_hint() -> None:
    """The run times out then."""
    moment = Moment(now=LAUNCHED, launched_at=LAUNCHED, deadline=LAUNCHED + 10, hint=3600)
    assert next_poll(moment, INTERVAL, UNKNOWN) == LAUNCHED + 10


@pytest.mark.parametrize(("interval", "wait"), [(3.0, 0.1), (0.05, 0.05)])
def test_a_hint_of_zero_seconds_does_not_cause_a_flood_of_polls(interval: float, wait: float) -> None:
    """Real servers send `Retry-After: 0`. A shorter interval is the user's choice."""
    moment = Moment(now=LAUNCHED, launched_at=LAUNCHED, polls=1, hint=0)
    assert next_poll(moment, interval, UNKNOWN) == LAUNCHED + wait


# ---- all inputs -------------------------------------------------------------------------------------------------


@given(INTERVALS, EXPECTED, SECONDS, st.integers(min_value=0, max_value=100), SHARES)
def test_no_run_is_polled_too_often(
    interval: float, expected: ExpectedDuration, age: float, polls: int, random: float
) -> None:
    """Two polls are an eighth of an interval apart, less the jitter."""
    moment = Moment(now=LAUNCHED + age, launched_at=LAUNCHED, polls=polls)
    due = next_poll(moment, interval, expected, random=random)
    assert due >= LAUNCHED + min(expected.least, 20 * interval)
    assert due - moment.now >= (interval / 8 * 0.9 - 1e-6 if polls else 0)


@given(SECONDS, st.integers(0, 1000), INTERVALS, EXPECTED, st.none() | SECONDS, st.none() | SECONDS, SHARES)
def test_jitter_shortens_a_wait_by_a_tenth_at_most(
    age: float,
    polls: int,
    interval: float,
    expected: ExpectedDuration,
    hint: float | None,
    timeout: float | None,
    random: float,
) -> None:
    """Runs that were launched together are not polled together."""
    deadline = None if timeout is None else LAUNCHED + timeout
    now = LAUNCHED + age
    moment = Moment(now=now, launched_at=LAUNCHED, deadline=deadline, polls=polls, hint=hint)
    plain, drawn = (next_poll(moment, interval, expected, random=share) - now for share in (0.0, random))
    assert plain * 0.9 - 1e-6 <= drawn <= plain
    assert drawn >= 0


@given(SECONDS, st.integers(1, 1000), INTERVALS, EXPECTED, SHARES)
def test_a_run_that_may_have_ended_is_polled_within_an_interval(
    late: float, polls: int, interval: float, expected: ExpectedDuration, random: float
) -> None:
    """However long it is overdue."""
    moment = Moment(now=LAUNCHED + expected.least + late, launched_at=LAUNCHED, polls=polls)
    wait = next_poll(moment, interval, expected, random=random) - moment.now
    assert wait <= interval + 1e-6


@given(SECONDS, SECONDS, st.integers(0, 10), EXPECTED, st.none() | SECONDS)
def test_no_poll_is_planned_beyond_the_deadline_or_in_the_past(
    age: float, timeout: float, polls: int, expected: ExpectedDuration, hint: float | None
) -> None:
    """A run whose deadline has passed is polled now."""
    now, deadline = LAUNCHED + age, LAUNCHED + timeout
    moment = Moment(now=now, launched_at=LAUNCHED, deadline=deadline, polls=polls, hint=hint)
    assert now <= next_poll(moment, INTERVAL, expected) <= max(deadline, now)


@given(st.floats(min_value=10, max_value=1000), st.floats(min_value=0, max_value=0.3))
def test_a_known_duration_saves_polls_and_time(least: float, spread: float) -> None:
    """The end is seen after one poll and within an eighth of an interval."""
    expected = ExpectedDuration(least, least + spread * INTERVAL)
    polls = _polls(expected, since=least, until=least + 10)
    assert next(at for at in polls if at >= expected.typical) - expected.typical <= INTERVAL / 8 + 1e-6
    assert sum(1 for at in polls if at < expected.typical) <= 1


def test_a_run_without_a_deadline_is_never_overdue() -> None:
    """A timeout of 0 means no timeout."""
    assert [is_overdue(1e9, None), is_overdue(9.9, 10), is_overdue(10, 10)] == [False, False, True]


# ---- all runs together ------------------------------------------------------------------------------------------


def test_a_poll_alone_does_not_wait() -> None:
    """Nor does the next one if enough time has passed."""
    load = PollLoad(INTERVAL)
    assert [load.delay(now) for now in (LAUNCHED, LAUNCHED + 1 / POLLS_PER_SECOND, LAUNCHED + 60)] == [0, 0, 0]


def test_polls_at_the_same_time_are_spaced_evenly() -> None:
    """A thousand runs that end together take two seconds."""
    load = PollLoad(INTERVAL)
    delays = [load.delay(LAUNCHED) for _ in range(1000)]
    assert delays == pytest.approx([n / POLLS_PER_SECOND for n in range(1000)])


@given(st.lists(st.floats(min_value=0, max_value=0.01), max_size=300))
def test_the_rate_is_never_exceeded(waits: list[float]) -> None:
    """Whenever the polls are due. A turn is never later than necessary."""
    load, now, turns = PollLoad(INTERVAL), LAUNCHED, [-math.inf]
    for wait in waits:
        now += wait
        turns.append(now + load.delay(now))
        assert turns[-1] == pytest.approx(max(now, turns[-2] + 1 / POLLS_PER_SECOND))


def _load(runs: int, interval: float, *ended: float | None) -> PollLoad:
    """Return the load of so many runs, after runs of these durations have ended."""
    load = PollLoad(interval)
    for _ in range(runs + len(ended)):
        load.begin()
    for duration in ended:
        load.end(duration)
    return load


def test_few_runs_are_polled_at_the_interval_from_their_launch_on() -> None:
    """A run that fails early is seen early, whatever the others took."""
    for load in (_load(30, 0.2), _load(30, 0.2, 60.0), _load(400, 3.0, 60.0), _load(0, 0.2, *[60.0] * 100)):
        assert load.expected == UNKNOWN
        assert load.interval in {0.2, 3.0}


@pytest.mark.parametrize(("runs", "interval", "stretched"), [(75, 0.2, 0.5), (300, 0.2, 1.0), (1000, 3.0, 3.0)])
def test_many_runs_are_polled_rarely_until_the_first_one_has_ended(
    runs: int, interval: float, stretched: float
) -> None:
    """Once per second at least, unless the interval is longer."""
    assert _load(runs, interval).interval == stretched
    assert _load(runs, interval, None).interval == stretched
    assert _load(runs, interval, 60.0).interval == interval


def test_many_runs_are_not_polled_while_they_are_younger_than_the_shortest_run() -> None:
    """A resumed run, whose duration is unknown, does not count."""
    assert _load(100, 0.2, 4.0, 2.5, None, 3.0).expected == ExpectedDuration(2.5)
    assert _load(100, 0.2, None).expected == UNKNOWN
