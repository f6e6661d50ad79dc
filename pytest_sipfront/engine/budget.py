"""What a session may spend: reserved before each launch, settled at its end, shared by its workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from pytest_sipfront.errors import BudgetExceeded

UNKNOWN_SECONDS = 60.0
"""What a run of unknown duration is reserved at before any run of the session is over."""

_ROUNDING = 1e-6


@dataclass(slots=True)
class Spending:
    """What was spent so far.

    Attributes:
        runs: How many were launched, or are about to be.
        seconds: What those took that are over.
        finished: How many are over.
        reserved: Seconds set aside for each launch that is not over, by its id.
    """

    runs: int = 0
    seconds: float = 0.0
    finished: int = 0
    reserved: dict[str, float] = field(default_factory=dict)

    @property
    def committed(self) -> float:
        """Seconds spent and set aside."""
        return self.seconds + sum(self.reserved.values())

    def estimate(self, expected: float | None) -> float:
        """Return what to set aside: what is expected, else the mean of this session's runs."""
        if expected is not None:
            return expected
        return self.seconds / self.finished if self.finished else UNKNOWN_SECONDS


class BudgetStore(Protocol):
    """Where the spending is kept."""

    def open(self) -> AbstractContextManager[Spending]:
        """Lend the spending to one user at a time; what is changed is kept."""
        ...


class LocalBudgetStore:
    """The spending of one process."""

    def __init__(self) -> None:
        self._spending = Spending()

    @contextmanager
    def open(self) -> Iterator[Spending]:
        """Lend the spending."""
        yield self._spending


class SharedBudgetStore:
    """The spending of several processes of one machine, in a file."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "spending.json"
        self._lock = FileLock(directory / "spending.lock", thread_local=False)

    @contextmanager
    def open(self) -> Iterator[Spending]:
        """Lend the spending, holding the others off."""
        with self._lock:
            spending = Spending(**json.loads(self._path.read_text())) if self._path.exists() else Spending()
            yield spending
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps(asdict(spending)))
            fresh.replace(self._path)  # all of it or nothing, should this process be killed


class Budget:
    """Limits of runs and of minutes; None for no limit."""

    def __init__(self, max_runs: int | None, max_minutes: float | None, purse: BudgetStore) -> None:
        self._max_runs, self._max_minutes = max_runs, max_minutes
        self._purse = purse

    @property
    def _is_unlimited(self) -> bool:
        return self._max_runs is None and self._max_minutes is None

    def reserve(self, launch: str, expected: float | None) -> None:
        """Set aside one run and the seconds it is expected to take.

        Raises:
            BudgetExceeded: They do not fit.
        """
        if self._is_unlimited:
            return
        with self._purse.open() as spending:
            estimate = spending.estimate(expected)
            self._check(spending, estimate)
            spending.runs += 1
            spending.reserved[launch] = estimate

    def _check(self, spending: Spending, estimate: float) -> None:
        minutes = spending.committed / 60
        seen = {"spent": f"{spending.runs} runs, {minutes:.1f} min with what is in flight"}
        if self._max_runs is not None and spending.runs >= self._max_runs:
            raise BudgetExceeded(
                f"not launched: the budget of {self._max_runs} runs is spent",
                evidence=seen,
                hint="It is set by --sipfront-max-runs, SIPFRONT_MAX_RUNS or sipfront_max_runs.",
            )
        if self._max_minutes is not None and spending.committed + estimate > self._max_minutes * 60 + _ROUNDING:
            raise BudgetExceeded(
                f"not launched: about {estimate / 60:.1f} min more do not fit into the budget of "
                f"{self._max_minutes:g} min",
                evidence=seen,
                hint="It is set by --sipfront-max-minutes, SIPFRONT_MAX_MINUTES or sipfront_max_minutes.",
            )

    def cancel(self, launch: str) -> None:
        """Give back what was set aside: nothing was started."""
        if self._is_unlimited:
            return
        with self._purse.open() as spending:
            if spending.reserved.pop(launch, None) is not None:
                spending.runs -= 1

    def settle(self, launch: str, seconds: float) -> None:
        """Replace what was set aside by what the run took."""
        if self._is_unlimited:
            return
        with self._purse.open() as spending:
            if spending.reserved.pop(launch, None) is not None:
                spending.seconds += seconds
                spending.finished += 1
