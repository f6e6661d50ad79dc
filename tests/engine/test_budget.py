from __future__ import annotations

import multiprocessing
from collections.abc import Callable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.engine.budget import UNKNOWN_SECONDS, Budget
from pytest_sipfront.engine.scheduler import Scheduler
from pytest_sipfront.errors import BudgetExceeded
from tests.engine import virtual
from tests.engine.yard import Yard, durations_of, outcome, run_of, runs_of, verdicts


class Time:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds


def _reserve(budget: Budget, launch: str, expected: float | None = None) -> None:
    """Reserve and launch a run that must fit now."""
    assert budget.fits(expected)
    budget.reserve(launch, expected)
    budget.confirm(launch)


def _refusal(budget: Budget, expected: float | None = None) -> BudgetExceeded:
    with pytest.raises(BudgetExceeded) as caught:
        budget.fits(expected)
    return caught.value


# ---- runs -------------------------------------------------------------------------------------------------------


def test_a_run_beyond_the_maximum_is_refused() -> None:
    """The error names the limit, what is spent and where the limit is set."""
    budget = Budget(2)
    _reserve(budget, "a")
    _reserve(budget, "b")
    error = _refusal(budget)
    assert str(error) == "not launched: the budget of 2 runs is spent"
    assert dict(error.evidence) == {"spent": "2 runs, 2.0 min, including runs in flight"}
    assert all(place in error.hint for place in ("--sipfront-max-runs", "SIPFRONT_MAX_RUNS", "sipfront_max_runs"))


def test_a_run_waits_while_a_launch_under_way_may_still_be_refused() -> None:
    """A refused launch releases its run."""
    budget = Budget(1)
    budget.reserve("a", None)
    assert not budget.fits(None)
    budget.cancel("a")
    assert budget.fits(None)


def test_a_launched_run_stays_spent() -> None:
    """Neither its end nor a late cancellation releases it."""
    budget = Budget(1)
    _reserve(budget, "a")
    budget.cancel("a")
    _refusal(budget)
    budget.settle("a", 5)
    _refusal(budget)


def test_ids_without_a_reservation_are_ignored() -> None:
    """Resumed runs were paid for by the session that launched them."""
    budget = Budget(2, 1)
    budget.confirm("other")
    budget.cancel("other")
    budget.settle("other", 1000)
    _reserve(budget, "a", 30)
    budget.settle("a", 30)
    budget.settle("a", 30)
    assert budget.fits(30)


# ---- minutes ----------------------------------------------------------------------------------------------------


def test_a_run_waits_until_reserved_minutes_are_released() -> None:
    """Runs in flight may end earlier than expected."""
    budget = Budget(None, 3)
    _reserve(budget, "a", 60)
    _reserve(budget, "b", 60)
    assert not budget.fits(61)
    budget.settle("a", 30)
    assert budget.fits(61)


def test_a_run_that_can_never_fit_is_refused_at_once() -> None:
    """The error names its duration, the limit, what is spent and where the limit is set."""
    budget = Budget(None, 3)
    _reserve(budget, "a", 60)
    budget.settle("a", 100)
    assert budget.fits(80)
    error = _refusal(budget, 81)
    assert str(error) == "not launched: the run takes about 1.4 min and does not fit into the budget of 3 min"
    assert dict(error.evidence) == {"spent": "1 runs, 1.7 min, including runs in flight"}
    places = ("--sipfront-max-minutes", "SIPFRONT_MAX_MINUTES", "sipfront_max_minutes")
    assert all(place in error.hint for place in places)


def test_a_run_that_exceeds_its_reservation_counts_with_its_actual_duration() -> None:
    """Both while it is in flight and after its end."""
    time = Time()
    budget = Budget(None, 3, now=time.now)
    _reserve(budget, "a", 60)
    assert budget.fits(120)
    time.seconds += 100
    _refusal(budget, 120)
    assert budget.fits(80)
    budget.settle("a", 130)
    _refusal(budget, 80)
    assert budget.fits(50)


def test_an_unknown_duration_is_estimated_by_the_mean_of_the_session() -> None:
    """And by a minute until the first run has ended."""
    budget = Budget(None, 2)
    _reserve(budget, "a")
    assert not budget.fits(121 - UNKNOWN_SECONDS)
    budget.settle("a", 10)
    _reserve(budget, "b", 1)
    budget.settle("b", 20)
    _reserve(budget, "c")
    assert budget.fits(120 - 30 - 15)
    assert not budget.fits(120 - 30 - 14)


def test_a_first_run_of_unknown_duration_may_use_a_budget_of_less_than_a_minute() -> None:
    """Its real duration may fit. Other runs wait until it ends."""
    budget = Budget(None, 0.5)
    _reserve(budget, "a")
    assert not budget.fits(None)
    budget.settle("a", 6)
    assert [budget.fits(expected) for expected in (None, 24)] == [True, True]
    _refusal(budget, 25)


@pytest.mark.parametrize(
    ("seconds", "uncertainty", "spent"), [(1, 4, 5), (1, 30, 10), (9, 30, 10), (12, 30, 12), (1, 0, 1)]
)
def test_seconds_that_were_not_measured_count_as_far_as_they_were_reserved(
    seconds: float, uncertainty: float, spent: float
) -> None:
    """A run of 10 reserved seconds may have begun long before the launch was answered."""
    budget = Budget(None, 1)
    _reserve(budget, "a", 10)
    budget.settle("a", seconds, uncertainty)
    assert budget.fits(60 - spent)
    _refusal(budget, 61 - spent)


def test_a_launch_with_unknown_outcome_spends_its_reservation() -> None:
    """The run may have been started. Its guessed duration is no measurement."""
    budget = Budget(None, 2)
    budget.reserve("a", None)
    budget.settle("a", None)
    _refusal(budget, 61)
    _reserve(budget, "b", 10)
    budget.settle("b", 10)
    assert not _fits_exactly(budget, 60 - 10 - 10 + 1)
    assert _fits_exactly(budget, 60 - 10 - 10)


def _fits_exactly(budget: Budget, seconds: float) -> bool:
    """Return whether a run of `seconds` fits beside one of unknown duration (10 s by the session's mean)."""
    budget.reserve("unknown", None)
    fits = budget.fits(seconds)
    budget.cancel("unknown")
    return fits


@pytest.mark.parametrize("expected", [None, 0.0, 1.0])
def test_a_budget_of_zero_minutes_refuses_every_run(expected: float | None) -> None:
    """Whatever its duration."""
    _refusal(Budget(None, 0), expected)


@pytest.mark.parametrize(("minutes", "seconds"), [(0.3, 6), (0.055, 1.1)])
def test_a_budget_can_be_used_up_to_its_last_second(minutes: float, seconds: float) -> None:
    """Despite the rounding of floats: 0.1 + 0.1 + 0.1 > 0.3."""
    budget = Budget(None, minutes)
    for launch in "abc":
        _reserve(budget, launch, seconds)
    assert not budget.fits(0.01)
    for launch in "abc":
        budget.settle(launch, seconds)
    _refusal(budget, 0.01)


def test_both_limits_apply() -> None:
    """Whichever is reached first."""
    budget = Budget(2, 1)
    _reserve(budget, "a", 30)
    assert not budget.fits(31)
    _reserve(budget, "b", 1)
    assert "2 runs" in str(_refusal(budget, 1))


def test_without_limits_every_run_fits() -> None:
    """However many, and however long."""
    budget = Budget()
    for n in range(100):
        _reserve(budget, str(n), 1e9)


@given(
    st.integers(1, 5),
    st.floats(0, 2),
    st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.floats(0, 90), st.floats(0, 90)), max_size=25),
)
def test_reservations_never_exceed_the_limits(
    runs: int, minutes: float, steps: list[tuple[str, float | None, float]]
) -> None:
    """Runs that take no longer than expected never exceed the budget; with nothing in flight no run waits."""
    budget, launched, spent = Budget(runs, minutes, now=lambda: 0.0), 0, 0.0
    reserved: dict[str, float] = {}
    for launch, expected, measured in steps:
        if launch in reserved:
            seconds = min(measured, reserved.pop(launch))
            budget.settle(launch, seconds)
            spent += seconds
            continue
        try:
            fits = budget.fits(expected)
        except BudgetExceeded:
            continue
        assert fits or reserved
        if fits:
            _reserve(budget, launch, expected)
            reserved[launch] = min(UNKNOWN_SECONDS, minutes * 60 - spent) if expected is None else expected
            launched += 1
        assert launched <= runs
        assert spent <= minutes * 60 + 1e-3


# ---- in the scheduler -------------------------------------------------------------------------------------------


def test_concurrent_runs_wait_for_reserved_minutes_and_all_of_them_are_launched() -> None:
    """Twelve runs of 0.3 s fit into 5 minutes, although eight reservations of a minute do not."""
    yard = Yard(limit=8, budget=Budget(None, 5, now=virtual.now))
    names = "abcdefghijkl"
    yard.platform.takes = dict.fromkeys(names, 0.3)
    assert verdicts(yard.finish(*runs_of(names))) == ["passed"] * 12
    assert len(yard.launched) == 12


def test_a_waiting_run_is_refused_once_the_budget_is_spent() -> None:
    """The first run takes longer than its reservation."""
    yard = Yard(
        limit=2, durations=durations_of(dict.fromkeys("ab", (10.0, 10.0))), budget=Budget(None, 0.25, now=virtual.now)
    )
    yard.platform.takes = {"a": 14}
    assert verdicts(yard.finish(*runs_of("ab"))) == ["passed", "BudgetExceeded"]
    assert yard.launched == ["a"]


def test_every_waiting_run_is_refused_once_the_budget_is_spent() -> None:
    """Also if no other run ends that would start the next one."""
    yard = Yard(limit=1, durations=durations_of(dict.fromkeys("abcd", (5.0, 5.0))), budget=Budget(None, 0.1))
    yard.platform.takes = {"a": 5}
    assert verdicts(yard.finish(*runs_of("abcd"))) == ["passed", *["BudgetExceeded"] * 3]


def test_runs_that_end_before_their_launch_is_answered_spend_their_minutes() -> None:
    """The platform gives no times, so that only the history says how long such runs take."""
    durations = durations_of(dict.fromkeys("abcd", (0.0, 20.0)))
    yard = Yard(limit=1, durations=durations, budget=Budget(None, 1.05, now=virtual.now))
    yard.platform.answers_after = 25
    yard.platform.takes = dict.fromkeys("abcd", 0.0)
    assert verdicts(yard.finish(*runs_of("abcd"))) == [*["passed"] * 3, "BudgetExceeded"]


def test_no_run_overtakes_one_that_waits_for_minutes() -> None:
    """Otherwise short runs could use up the minutes that a long one waits for."""
    durations = durations_of({"a": (10.0, 90.0), "b": (40.0, 40.0), "c": (1.0, 1.0)})
    yard = Yard(limit=9, durations=durations, budget=Budget(None, 1, now=virtual.now))
    yard.platform.takes = {"a": 11, "b": 40, "c": 1}

    async def launched_after(scheduler: Scheduler) -> list[str]:
        for run in runs_of("abc"):
            await scheduler.submit(run)
        await anyio.sleep(5)
        early = list(yard.launched)
        await anyio.sleep(100)
        return early

    assert yard.drive(launched_after) == ["a"]
    assert yard.launched == ["a", "b", "c"]


def test_a_run_that_is_put_back_releases_its_reservation() -> None:
    """The platform had no place for it; the next attempt reserves again."""
    yard = Yard(limit=1, budget=Budget(1, 1, now=virtual.now))
    yard.platform.capacity = 0

    async def until_free(scheduler: Scheduler) -> str:
        await scheduler.submit(run := run_of("a"))
        await anyio.sleep(20)
        yard.platform.capacity = 1
        return verdicts([await outcome(scheduler, run)])[0]

    assert yard.drive(until_free) == "passed"


# ---- processes, for other tests ---------------------------------------------------------------------------------


def in_processes(number: int, work: Callable[..., None], *args: object) -> list[int]:
    """What `work(*args, worker, results)` puts into its queue in so many processes at once."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=work, args=(*args, worker, results)) for worker in range(number)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    return found
