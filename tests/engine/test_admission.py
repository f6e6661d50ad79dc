from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.engine.admission import Waiting, Window, admissible, makespan

DURATIONS = st.floats(min_value=0, max_value=1000) | st.none()
NAMES = st.frozensets(st.sampled_from("abc"))
WAITING: st.SearchStrategy[list[Waiting[int]]] = st.lists(
    st.builds(
        Waiting,
        run=st.integers(),
        expected=DURATIONS,
        exclusive=NAMES,
        urgent=st.booleans(),
        needs_place=st.booleans(),
    ),
    max_size=12,
)


def _one(
    run: str, expected: float | None = None, *names: str, urgent: bool = False, needs_place: bool = True
) -> Waiting[str]:
    return Waiting(run=run, expected=expected, exclusive=frozenset(names), urgent=urgent, needs_place=needs_place)


def _order(*waiting: Waiting[str], places: int = 9, taken: str = "", only_urgent: bool = False) -> str:
    """The runs that may start, in order."""
    return "".join(one.run for one in admissible(waiting, places=places, taken=set(taken), only_urgent=only_urgent))


# ---- who comes first --------------------------------------------------------------------------------------------


def test_what_a_test_waits_for_comes_first() -> None:
    """Whatever it takes: pytest stands still until then."""
    assert _order(_one("a", 100), _one("b", 1, urgent=True), places=1) == "b"


def test_runs_that_tests_wait_for_keep_their_order() -> None:
    """The first that was asked for is the first that is needed."""
    assert _order(_one("a", 1, urgent=True), _one("b", 100, urgent=True)) == "ab"


def test_the_longest_starts_first() -> None:
    """A long run that starts late is what everybody waits for at the end."""
    assert _order(_one("a", 1), _one("b", 3), _one("c", 2)) == "bca"


def test_what_takes_unknown_time_comes_before_the_known() -> None:
    """It may be the longest of all."""
    assert _order(_one("a", 1000), _one("b"), _one("c", 2000), _one("d")) == "bdca"


def test_equals_stay_in_the_order_of_their_tests() -> None:
    """So that the first tests have their verdicts first."""
    assert _order(*(_one(name, 5) for name in "abcde")) == "abcde"


def test_only_as_many_start_as_there_are_places() -> None:
    """The limit is what the account and its owner can bear."""
    waiting = [_one(name, 5) for name in "abcde"]
    assert [_order(*waiting, places=places) for places in (0, 2, 9)] == ["", "ab", "abcde"]


def test_what_needs_no_place_starts_though_there_is_none() -> None:
    """A test may launch several runs side by side where nobody has set a limit."""
    assert _order(_one("a"), _one("b", needs_place=False), places=0) == "b"


def test_nothing_starts_ahead_where_only_the_urgent_may() -> None:
    """At -x, --maxfail and shouldstop, the test at work still has its run."""
    assert _order(_one("a", 100), _one("b", 1, urgent=True), _one("c"), only_urgent=True) == "b"


# ---- exclusive names --------------------------------------------------------------------------------------------


def test_runs_that_share_a_name_do_not_start_together() -> None:
    """The second call to one extension is busy: a false failure."""
    assert _order(_one("a", 3, "x"), _one("b", 2, "x", "y"), _one("c", 1, "y")) == "ac"


def test_a_name_in_use_keeps_a_run_waiting() -> None:
    """Until the run that holds it is over."""
    assert _order(_one("a", 3, "x"), _one("b", 2), taken="x") == "b"


def test_a_run_that_a_test_waits_for_keeps_its_names_for_itself() -> None:
    """Otherwise runs ahead could take one of its names after the other, and the test would wait for ever."""
    assert _order(_one("a", 1, "x", "y", urgent=True), _one("b", 9, "y"), _one("c", 5), taken="x") == "c"


def test_a_run_ahead_that_cannot_start_reserves_nothing() -> None:
    """What it waits for may be of use to others meanwhile."""
    assert _order(_one("a", 9, "x", "y"), _one("b", 1, "y"), taken="x") == "b"


@given(WAITING, st.integers(min_value=0, max_value=12), NAMES, st.booleans())
def test_whatever_waits_no_rule_is_broken(
    waiting: list[Waiting[int]], places: int, taken: frozenset[str], only_urgent: bool
) -> None:
    """No name twice, no place too many, nobody passed over who could have started."""
    chosen = admissible(waiting, places=places, taken=taken, only_urgent=only_urgent)
    held = [name for one in chosen for name in one.exclusive] + list(taken)
    assert len(held) == len(set(held))
    assert sum(one.needs_place for one in chosen) <= places
    assert all(one.urgent for one in chosen) or not only_urgent
    reserved = set(held) | {name for one in waiting if one.urgent for name in one.exclusive}
    for left in (one for one in waiting if not any(one is other for other in chosen)):
        free = not left.needs_place or len(chosen) < places
        assert not (free and left.exclusive.isdisjoint(reserved) and (left.urgent or not only_urgent))


# ---- the window -------------------------------------------------------------------------------------------------


def test_the_window_is_the_limit_as_long_as_the_platform_says_nothing() -> None:
    """A place is free where no run is."""
    window = Window(4)
    assert [window.places(in_flight, 0) for in_flight in (0, 3, 4, 5)] == [4, 1, 0, 0]
    assert window.is_wide(0)
    assert window.opens_at(0) is None


def test_a_refusal_closes_the_window_for_as_long_as_the_platform_asks() -> None:
    """Its hint is what it knows best."""
    window = Window(4)
    window.refused(2, now=100, hint=7)
    assert window.opens_at(101) == 107
    assert [window.places(0, now) for now in (100, 106.9, 107)] == [0, 0, 2]
    assert not window.is_wide(107)


def test_a_refusal_narrows_the_window_to_what_the_platform_has() -> None:
    """More than it took it does not take."""
    window = Window(10)
    window.refused(3, now=0, hint=1)
    assert [window.places(in_flight, 1) for in_flight in (0, 3)] == [3, 0]


def test_the_window_never_closes_for_good() -> None:
    """Somebody else may hold all of the account's places; one of ours must go on knocking."""
    window = Window(10)
    window.refused(0, now=0, hint=1)
    assert window.places(0, 1) == 1


def test_a_narrow_window_widens_one_by_one() -> None:
    """Up to the limit, since the platform's places come back, and no further."""
    window = Window(3)
    window.refused(1, now=0, hint=0.5)
    widths = []
    for _ in range(4):
        opens = window.opens_at(1)
        widths.append((opens, window.places(0, opens or 1000)))
    assert widths == [(5.5, 2), (10.5, 3), (None, 3), (None, 3)]
    assert window.is_wide(1000)


def test_without_a_hint_each_refusal_doubles_the_wait_up_to_half_a_minute() -> None:
    """Knocking ever less, but not so little that a free place stays unseen."""
    window, now, waits = Window(1), 0.0, []
    for _ in range(8):
        window.refused(0, now, hint=None)
        opens = window.opens_at(now)
        assert opens is not None
        waits.append(opens - now)
        now = opens
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_any_number_of_refusals_is_survived() -> None:
    """A night of them, say: the wait stays what it was."""
    window, now = Window(1), 0.0
    for _ in range(3000):
        window.refused(0, now, hint=None)
        now = window.opens_at(now) or now
    window.refused(0, now, hint=None)
    assert window.opens_at(now) == now + 30


def test_refusals_of_launches_that_were_sent_together_count_as_one() -> None:
    """A hundred at once on a platform with twenty places: eighty answers say the same thing."""
    window = Window(100)
    for in_flight in range(99, 19, -1):
        window.refused(in_flight, now=0, hint=None)
    assert window.opens_at(0) == 1
    assert window.places(0, 1) == 20


def test_a_late_short_hint_does_not_open_the_window_early() -> None:
    """The longest of what was asked for counts."""
    window = Window(4)
    window.refused(2, now=0, hint=10)
    window.refused(2, now=1, hint=1)
    assert window.opens_at(2) == 10


def test_an_accepted_launch_ends_the_row_of_refusals() -> None:
    """The next refusal is the first again."""
    window = Window(2)
    window.refused(1, now=0, hint=None)
    window.refused(1, now=1, hint=None)
    window.accepted()
    window.refused(1, now=100, hint=None)
    assert window.opens_at(100) == 101


def test_a_hint_of_nothing_is_no_invitation_to_hammer() -> None:
    """`Retry-After: 0` is an answer of real servers."""
    window = Window(2)
    window.refused(1, now=0, hint=0)
    assert window.places(0, 0) == 0
    assert window.opens_at(0) == pytest.approx(0.1)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.floats(0, 50), st.floats(0, 60) | st.none(), st.booleans())),
    st.integers(1, 20),
)
def test_whatever_happens_the_window_stays_between_one_and_the_limit(
    happened: list[tuple[int, float, float | None, bool]], limit: int
) -> None:
    """And once it is open, a place is free where none is used."""
    window, now = Window(limit), 0.0
    for in_flight, later, hint, accepted in happened:
        now += later
        window.refused(in_flight, now, hint)
        if accepted:
            window.accepted()
        opens = window.opens_at(now)
        assert opens is not None
        assert now < opens <= now + 60
        assert window.places(0, now) == 0
    far = now + 61
    assert 1 <= window.places(0, far) <= limit
    assert window.places(limit, far) == 0


# ---- how long it takes ------------------------------------------------------------------------------------------


def _exactly(durations: list[int], places: int) -> int:
    """The best makespan there is, by trying every way to share out the runs."""
    ways = itertools.product(range(places), repeat=len(durations))
    return min(
        max(sum(d for d, at in zip(durations, way, strict=True) if at == place) for place in range(places))
        for way in ways
    )


@given(st.lists(st.integers(1, 20), max_size=6), st.integers(1, 3))
def test_the_plan_s_length_is_near_the_best_there_is(durations: list[int], places: int) -> None:
    """Longest first is never worse than 4/3 - 1/(3N) of it (Graham 1969), and never better."""
    best = _exactly(durations, places)
    assert best <= makespan(durations, places) <= best * (4 / 3 - 1 / (3 * places)) + 1e-9


@given(st.lists(st.floats(0, 100), min_size=1))
def test_the_plan_s_length_has_its_bounds(durations: list[float]) -> None:
    """One place: the sum. As many as runs: the longest."""
    assert makespan(durations, 1) == pytest.approx(sum(durations))
    assert makespan(durations, len(durations)) == max(durations)


def test_nothing_takes_no_time() -> None:
    """An empty plan, even without a place."""
    assert makespan([], 0) == 0
