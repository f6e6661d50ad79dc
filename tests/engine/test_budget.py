from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_sipfront.engine.budget import (
    UNKNOWN_SECONDS,
    Budget,
    BudgetStore,
    LocalBudgetStore,
    SharedBudgetStore,
    Spending,
)
from pytest_sipfront.errors import BudgetExceeded


@pytest.fixture(params=["own", "shared"])
def purse(request: pytest.FixtureRequest, tmp_path: Path) -> BudgetStore:
    """Each kind; what holds for a process alone holds for several."""
    return LocalBudgetStore() if request.param == "own" else SharedBudgetStore(tmp_path)


def _spent(purse: BudgetStore) -> Spending:
    with purse.open() as spending:
        return spending


# ---- runs -------------------------------------------------------------------------------------------------------


def test_as_many_runs_are_reserved_as_the_budget_has(purse: BudgetStore) -> None:
    """The next is refused, and the error says what was spent and where the limit is set."""
    budget = Budget(2, None, purse)
    budget.reserve("a", None)
    budget.reserve("b", None)
    with pytest.raises(BudgetExceeded, match="not launched: the budget of 2 runs is spent") as caught:
        budget.reserve("c", None)
    assert dict(caught.value.evidence) == {"spent": "2 runs, 2.0 min with what is in flight"}
    assert all(
        place in caught.value.hint for place in ("--sipfront-max-runs", "SIPFRONT_MAX_RUNS", "sipfront_max_runs")
    )
    assert _spent(purse).runs == 2


def test_a_launch_that_started_nothing_is_given_back(purse: BudgetStore) -> None:
    """The platform refused it: it costs nothing."""
    budget = Budget(1, 10, purse)
    budget.reserve("a", 60)
    budget.cancel("a")
    budget.reserve("b", 60)
    assert (_spent(purse).runs, _spent(purse).reserved) == (1, {"b": 60})


def test_a_run_that_is_over_is_spent_for_good(purse: BudgetStore) -> None:
    """Its end gives no run back."""
    budget = Budget(1, None, purse)
    budget.reserve("a", None)
    budget.settle("a", 5)
    with pytest.raises(BudgetExceeded):
        budget.reserve("b", None)


def test_what_was_never_reserved_is_neither_given_back_nor_spent(purse: BudgetStore) -> None:
    """A run that an earlier session launched was paid for there."""
    budget = Budget(2, 10, purse)
    budget.reserve("a", 60)
    budget.cancel("other")
    budget.settle("other", 100)
    budget.settle("a", 30)
    budget.settle("a", 30)
    budget.cancel("a")
    assert _spent(purse) == Spending(runs=1, seconds=30, finished=1)


# ---- minutes ----------------------------------------------------------------------------------------------------


def test_what_is_expected_is_set_aside_before_it_is_spent(purse: BudgetStore) -> None:
    """Runs in flight have not cost anything yet, and will."""
    budget = Budget(None, 3, purse)
    budget.reserve("a", 60)
    budget.reserve("b", 60)
    with pytest.raises(BudgetExceeded) as caught:
        budget.reserve("c", 61)
    assert str(caught.value) == "not launched: about 1.0 min more do not fit into the budget of 3 min"
    assert all(
        place in caught.value.hint
        for place in ("--sipfront-max-minutes", "SIPFRONT_MAX_MINUTES", "sipfront_max_minutes")
    )
    budget.reserve("d", 60)


def test_what_a_run_took_replaces_what_was_set_aside(purse: BudgetStore) -> None:
    """Shorter runs leave more for the others, longer ones less."""
    budget = Budget(None, 2, purse)
    budget.reserve("a", 120)
    budget.settle("a", 30)
    budget.reserve("b", 90)
    budget.settle("b", 100)
    with pytest.raises(BudgetExceeded):
        budget.reserve("c", 1)


def test_a_run_of_unknown_length_is_reserved_at_the_mean_of_this_session(purse: BudgetStore) -> None:
    """At a minute as long as none is over."""
    budget = Budget(None, 100, purse)
    budget.reserve("a", None)
    assert _spent(purse).reserved == {"a": UNKNOWN_SECONDS}
    budget.settle("a", 10)
    budget.reserve("b", 1)
    budget.settle("b", 20)
    budget.reserve("c", None)
    assert _spent(purse).reserved == {"c": 15}


@pytest.mark.parametrize(("minutes", "seconds"), [(0.3, 6), (0.055, 1.1)])
def test_a_budget_is_used_up_to_its_last_second(purse: BudgetStore, minutes: float, seconds: float) -> None:
    """0.1 + 0.1 + 0.1 is 0.3 for whoever sets it."""
    budget = Budget(None, minutes, purse)
    for launch in "abc":
        budget.reserve(launch, seconds)
    with pytest.raises(BudgetExceeded):
        budget.reserve("d", 0.01)


def test_both_limits_hold_at_once(purse: BudgetStore) -> None:
    """Whichever is reached first."""
    budget = Budget(2, 1, purse)
    budget.reserve("a", 30)
    with pytest.raises(BudgetExceeded, match="min"):
        budget.reserve("b", 31)
    budget.reserve("c", 1)
    with pytest.raises(BudgetExceeded, match="2 runs"):
        budget.reserve("d", 1)


def test_without_limits_nothing_is_counted(tmp_path: Path) -> None:
    """And no file is touched at each launch."""
    budget = Budget(None, None, SharedBudgetStore(tmp_path))
    budget.reserve("a", 1e9)
    budget.settle("a", 1e9)
    budget.cancel("a")
    assert list(tmp_path.iterdir()) == []


# ---- several processes ------------------------------------------------------------------------------------------


def _reserve_all(directory: Path, worker: int, results: multiprocessing.Queue[int]) -> None:
    budget, reserved = Budget(25, None, SharedBudgetStore(directory)), 0
    for n in range(20):
        try:
            budget.reserve(f"{worker}-{n}", 1)
            reserved += 1
        except BudgetExceeded:
            break
    results.put(reserved)


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


def test_processes_share_one_budget(tmp_path: Path) -> None:
    """Together they reserve exactly what there is."""
    assert sum(in_processes(3, _reserve_all, tmp_path)) == 25
    assert _spent(SharedBudgetStore(tmp_path)).runs == 25


def test_a_process_killed_while_it_writes_does_not_spoil_the_purse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it wrote is all there, or as it was before."""
    Budget(5, None, SharedBudgetStore(tmp_path)).reserve("a", 1)

    def half(path: Path, text: str) -> int:
        with path.open("w") as file:
            return file.write(text[: len(text) // 2])

    monkeypatch.setattr(Path, "write_text", half)
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        Budget(5, None, SharedBudgetStore(tmp_path)).reserve("b", 1)
    monkeypatch.undo()
    assert json.loads((tmp_path / "spending.json").read_text())["runs"] == 1
    Budget(5, None, SharedBudgetStore(tmp_path)).reserve("c", 1)
    assert sorted(_spent(SharedBudgetStore(tmp_path)).reserved) == ["a", "c"]
