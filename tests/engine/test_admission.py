from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.engine.admission import Window, admissible, makespan

DURATIONS = st.floats(min_value=0, max_value=1000) | st.none()
NAMES = st.frozensets(st.sampled_from("abc"))


@dataclass(eq=False)
class Waiting:
    """A waiting run with its expected duration in seconds."""

    name: str
    expected: float | None = None
    exclusive: frozenset[str] = frozenset()
    urgent: bool = False
    needs_slot: bool = True


WAITING = st.lists(st.builds(Waiting, st.just("x"), DURATIONS, NAMES, st.booleans(), st.booleans()), max_size=12)


def _run(
    name: str, expected: float | None = None, *exclusive: str, urgent: bool = False, needs_slot: bool = True
) -> Waiting:
    return Waiting(name, expected, frozenset(exclusive), urgent, needs_slot)


def _order(*waiting: Waiting, slots: int = 9, taken: str = "", **options: bool) -> str:
    """Return the names of the runs that may start, in order."""
    chosen = admissible(waiting, slots=slots, expected=lambda run: run.expected, taken=set(taken), **options)
    return "".join(run.name for run in chosen)


# ---- the order --------------------------------------------------------------------------------------------------


def test_an_urgent_run_comes_first() -> None:
    """However short it is: a test waits for it."""
    assert _order(_run("a", 100), _run("b", 1, urgent=True), slots=1) == "b"


def test_urgent_runs_keep_their_order() -> None:
    """The first one is needed first."""
    assert _order(_run("a", 1, urgent=True), _run("b", 100, urgent=True)) == "ab"


def test_the_longest_run_starts_first() -> None:
    """A long run that starts late delays the end of the session."""
    assert _order(_run("a", 1), _run("b", 3), _run("c", 2)) == "bca"


def test_a_run_of_unknown_duration_comes_before_known_ones() -> None:
    """It may be the longest of all."""
    assert _order(_run("a", 1000), _run("b"), _run("c", 2000), _run("d")) == "bdca"


def test_equal_runs_keep_the_order_of_their_tests() -> None:
    """The first tests get their verdicts first."""
    assert _order(*(_run(name, 5) for name in "abcde")) == "abcde"


def test_no_more_runs_start_than_slots_are_free() -> None:
    """The account may allow no more."""
    waiting = [_run(name, 5) for name in "abcde"]
    assert [_order(*waiting, slots=slots) for slots in (0, 2, 9)] == ["", "ab", "abcde"]


def test_a_run_that_needs_no_slot_starts_without_one() -> None:
    """A test may launch several runs side by side if no limit is set."""
    assert _order(_run("a"), _run("b", needs_slot=False), slots=0) == "b"


def test_a_full_platform_makes_all_runs_wait_for_a_slot() -> None:
    """Even those that need none otherwise."""
    waiting = [_run("a", needs_slot=False), _run("b", needs_slot=False)]
    assert [_order(*waiting, slots=slots, all_need_slots=True) for slots in (0, 1)] == ["", "a"]


def test_only_urgent_runs_start_if_the_session_is_stopping() -> None:
    """After -x and --maxfail, the current test still gets its run."""
    assert _order(_run("a", 100), _run("b", 1, urgent=True), _run("c"), only_urgent=True) == "b"


# ---- exclusive names --------------------------------------------------------------------------------------------


def test_runs_that_share_a_name_do_not_start_together() -> None:
    """The second call to an extension is busy, which would be a false failure."""
    assert _order(_run("a", 3, "x"), _run("b", 2, "x", "y"), _run("c", 1, "y")) == "ac"


def test_a_run_waits_until_its_names_are_free() -> None:
    """A run in flight holds them."""
    assert _order(_run("a", 3, "x"), _run("b", 2), taken="x") == "b"


def test_an_urgent_run_reserves_its_names() -> None:
    """Otherwise other runs could take one after the other, and the test would wait for ever."""
    assert _order(_run("a", 1, "x", "y", urgent=True), _run("b", 9, "y"), _run("c", 5), taken="x") == "c"


def test_a_run_that_is_not_urgent_reserves_no_names() -> None:
    """Another run can use them meanwhile."""
    assert _order(_run("a", 9, "x", "y"), _run("b", 1, "y"), taken="x") == "b"


@given(WAITING, st.integers(min_value=0, max_value=12), NAMES, st.booleans())
def test_the_rules_hold_for_all_waiting_runs(
    waiting: list[Waiting], slots: int, taken: frozenset[str], only_urgent: bool
) -> None:
    """No name is used twice, no slot is exceeded, and no run is passed over that could start."""
    chosen = admissible(waiting, slots=slots, expected=lambda run: run.expected, taken=taken, only_urgent=only_urgent)
    held = [name for run in chosen for name in run.exclusive] + list(taken)
    assert len(held) == len(set(held))
    assert sum(run.needs_slot for run in chosen) <= slots
    assert all(run.urgent for run in chosen) or not only_urgent
    reserved = set(held) | {name for run in waiting if run.urgent for name in run.exclusive}
    for run in (run for run in waiting if run not in chosen):
        has_slot = not run.needs_slot or len(chosen) < slots
        assert not (has_slot and run.exclusive.isdisjoint(reserved) and (run.urgent or not only_urgent))


# ---- the window -------------------------------------------------------------------------------------------------


def test_the_window_has_the_width_of_the_limit_until_a_refusal() -> None:
    """Each run in flight takes one slot."""
    window = Window(4)
    assert [window.free_slots(in_flight, 0) for in_flight in (0, 3, 4, 5)] == [4, 1, 0, 0]
    assert window.is_wide(0)
    assert window.opens_at(0) is None


def test_a_refusal_closes_the_window_as_long_as_the_platform_says() -> None:
    """Then it opens with the width that the platform accepted."""
    window = Window(4)
    window.refused(2, now=100, hint=7)
    assert window.opens_at(101) == 107
    assert [window.free_slots(0, now) for now in (100, 106.9, 107)] == [0, 0, 2]
    assert not window.is_wide(107)


def test_a_refusal_narrows_the_window_to_the_accepted_runs() -> None:
    """The platform has shown that it accepts no more."""
    window = Window(10)
    window.refused(3, now=0, hint=1)
    assert [window.free_slots(in_flight, 1) for in_flight in (0, 3)] == [3, 0]


def test_the_window_always_opens_again() -> None:
    """Other users may hold all slots of the account, so one launch must be tried again."""
    window = Window(10)
    window.refused(0, now=0, hint=1)
    assert window.free_slots(0, 1) == 1


def test_a_narrow_window_widens_by_one_slot_at_a_time() -> None:
    """Up to the limit, because the platform's capacity returns."""
    window = Window(3)
    window.refused(1, now=0, hint=0.5)
    widths = []
    for _ in range(4):
        opens = window.opens_at(1)
        widths.append((opens, window.free_slots(0, opens or 1000)))
    assert widths == [(5.5, 2), (10.5, 3), (None, 3), (None, 3)]
    assert window.is_wide(1000)


def test_without_a_hint_each_refusal_doubles_the_wait_up_to_half_a_minute() -> None:
    """Requests become rarer, but a free slot is found within half a minute."""
    window, now, waits = Window(1), 0.0, []
    for _ in range(8):
        window.refused(0, now, hint=None)
        opens = window.opens_at(now)
        assert opens is not None
        waits.append(opens - now)
        now = opens
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_the_wait_stays_limited_after_any_number_of_refusals() -> None:
    """A session may wait a whole night."""
    window, now = Window(1), 0.0
    for _ in range(3000):
        window.refused(0, now, hint=None)
        now = window.opens_at(now) or now
    window.refused(0, now, hint=None)
    assert window.opens_at(now) == now + 30


def test_refusals_of_launches_that_were_sent_together_count_as_one() -> None:
    """If a hundred runs are launched at once on a platform with twenty slots, eighty answers say the same."""
    window = Window(100)
    for in_flight in range(99, 19, -1):
        window.refused(in_flight, now=0, hint=None)
    assert window.opens_at(0) == 1
    assert window.free_slots(0, 1) == 20


def test_a_late_short_hint_does_not_open_the_window_early() -> None:
    """The longest hint counts."""
    window = Window(4)
    window.refused(2, now=0, hint=10)
    window.refused(2, now=1, hint=1)
    assert window.opens_at(2) == 10


def test_an_accepted_launch_ends_the_series_of_refusals() -> None:
    """The next refusal waits as short as the first one."""
    window = Window(2)
    window.refused(1, now=0, hint=None)
    window.refused(1, now=1, hint=None)
    window.accepted()
    window.refused(1, now=100, hint=None)
    assert window.opens_at(100) == 101


def test_a_hint_of_zero_seconds_does_not_cause_a_flood_of_launches() -> None:
    """Real servers send `Retry-After: 0`."""
    window = Window(2)
    window.refused(1, now=0, hint=0)
    assert window.free_slots(0, 0) == 0
    assert window.opens_at(0) == pytest.approx(0.1)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.floats(0, 50), st.floats(0, 60) | st.none(), st.booleans())),
    st.integers(1, 20),
)
def test_the_width_of_the_window_is_always_between_one_and_the_limit(
    events: list[tuple[int, float, float | None, bool]], limit: int
) -> None:
    """An open window without runs in flight has a free slot."""
    window, now = Window(limit), 0.0
    for in_flight, later, hint, accepted in events:
        now += later
        window.refused(in_flight, now, hint)
        if accepted:
            window.accepted()
        opens = window.opens_at(now)
        assert opens is not None
        assert now < opens <= now + 60
        assert window.free_slots(0, now) == 0
    far = now + 61
    assert 1 <= window.free_slots(0, far) <= limit
    assert window.free_slots(limit, far) == 0


# ---- makespan ---------------------------------------------------------------------------------------------------


def _shortest(durations: list[int], slots: int) -> int:
    """Return the shortest possible makespan by trying every assignment of runs to slots."""
    assignments = itertools.product(range(slots), repeat=len(durations))
    return min(
        max(sum(d for d, at in zip(durations, assignment, strict=True) if at == slot) for slot in range(slots))
        for assignment in assignments
    )


@given(st.lists(st.integers(1, 20), max_size=6), st.integers(1, 3))
def test_the_makespan_is_near_the_shortest_possible_one(durations: list[int], slots: int) -> None:
    """Longest first takes at most 4/3 - 1/(3N) of it (Graham 1969)."""
    best = _shortest(durations, slots)
    assert best <= makespan(durations, slots) <= best * (4 / 3 - 1 / (3 * slots)) + 1e-9


@given(st.lists(st.floats(0, 100), min_size=1))
def test_the_makespan_has_limits(durations: list[float]) -> None:
    """With one slot it is the sum; with a slot per run it is the longest duration."""
    assert makespan(durations, 1) == pytest.approx(sum(durations))
    assert makespan(durations, len(durations)) == max(durations)


def test_the_makespan_of_an_empty_plan_is_zero() -> None:
    """Even without a slot."""
    assert makespan([], 0) == 0
