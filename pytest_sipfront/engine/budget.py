"""The runs and minutes that a session may spend: reserved before each launch, settled when the run ends."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from pytest_sipfront.errors import BudgetExceeded

UNKNOWN_SECONDS = 60.0
"""Reservation for a run of unknown duration until the first run of the session has ended."""

_ROUNDING = 1e-6


@dataclass(slots=True)
class _Reservation:
    """Seconds set aside for one launch, and the time from which its run takes some; infinity before its launch."""

    seconds: float
    launched_at: float = math.inf


class Budget:
    """Limits the runs and minutes of one session."""

    def __init__(
        self,
        max_runs: int | None = None,
        max_minutes: float | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with nothing spent.

        Args:
            max_runs: Maximum number of launched runs; None for no limit.
            max_minutes: Maximum sum of the runs' durations in minutes; None for no limit.
            now: The monotonic clock, in seconds.
        """
        self._max_runs = max_runs
        self._max_minutes = max_minutes
        self._now = now
        self._reservations: dict[str, _Reservation] = {}
        self._settled_runs = 0
        self._settled_seconds = 0.0
        self._measured: list[float] = []

    def fits(self, expected: float | None) -> bool:
        """Return whether a run may be launched now; False if it must wait until another run ends.

        Args:
            expected: Expected duration of the run in seconds; None if it is unknown.

        Raises:
            BudgetExceeded: The run does not fit, even if no run in flight uses the rest of its reservation.
        """
        return self._has_run_left() and self._has_seconds_left(expected)

    def reserve(self, launch: str, expected: float | None) -> None:
        """Set aside one run and its expected duration.

        Args:
            launch: The id of the launch.
            expected: As for `fits`.
        """
        self._reservations[launch] = _Reservation(self._estimate(expected, self._unspent_seconds))

    def confirm(self, launch: str) -> None:
        """Count a launch for good: the platform has started the run."""
        reservation = self._reservations.get(launch)
        if reservation is not None:
            reservation.launched_at = self._now()

    def cancel(self, launch: str) -> None:
        """Release the reservation of a launch that started nothing. A confirmed launch keeps its reservation."""
        reservation = self._reservations.get(launch)
        if reservation is not None and reservation.launched_at == math.inf:
            del self._reservations[launch]

    def settle(self, launch: str, seconds: float | None, uncertainty: float = 0.0) -> None:
        """Replace the reservation of a launch by the duration of its run.

        Args:
            launch: The id of the launch. An id without a reservation is ignored.
            seconds: The duration in seconds; None if it is unknown, which spends the reserved seconds.
            uncertainty: Seconds that the run may have taken longer. They count as far as they were reserved.
        """
        reservation = self._reservations.pop(launch, None)
        if reservation is None:
            return
        self._settled_runs += 1
        if seconds is None:
            self._settled_seconds += reservation.seconds
        else:
            seconds = max(seconds, min(reservation.seconds, seconds + uncertainty))
            self._settled_seconds += seconds
            self._measured.append(seconds)

    def _has_run_left(self) -> bool:
        if self._max_runs is None:
            return True
        if self._launched_runs >= self._max_runs:
            raise BudgetExceeded(
                f"not launched: the budget of {self._max_runs} runs is spent",
                evidence=self._evidence(),
                hint="Change it with --sipfront-max-runs, SIPFRONT_MAX_RUNS or sipfront_max_runs.",
            )
        return self._settled_runs + len(self._reservations) < self._max_runs

    def _has_seconds_left(self, expected: float | None) -> bool:
        if self._max_minutes is None:
            return True
        unspent = self._unspent_seconds
        estimate = self._estimate(expected, unspent)
        if estimate > unspent + _ROUNDING or unspent <= _ROUNDING:
            raise BudgetExceeded(
                f"not launched: the run takes about {_duration(estimate)} and does not fit into the budget of "
                f"{self._max_minutes:g} min",
                evidence=self._evidence(),
                hint="Change it with --sipfront-max-minutes, SIPFRONT_MAX_MINUTES or sipfront_max_minutes.",
            )
        return self._committed_seconds + estimate <= self._max_minutes * 60 + _ROUNDING

    def _estimate(self, expected: float | None, unspent: float) -> float:
        """Return the seconds to reserve: the expected duration, or else the mean of this session's runs."""
        if expected is not None:
            return expected
        if self._measured:
            return statistics.fmean(self._measured)
        return min(UNKNOWN_SECONDS, unspent)  # the first run may fit into the rest of the budget, however small

    @property
    def _launched_runs(self) -> int:
        in_flight = self._reservations.values()
        return self._settled_runs + sum(reservation.launched_at < math.inf for reservation in in_flight)

    @property
    def _unspent_seconds(self) -> float:
        """The seconds that would be left if every run in flight ended now; infinite without a limit."""
        if self._max_minutes is None:
            return math.inf
        now, in_flight = self._now(), self._reservations.values()
        elapsed = sum(max(now - reservation.launched_at, 0.0) for reservation in in_flight)
        return self._max_minutes * 60 - self._settled_seconds - elapsed

    @property
    def _committed_seconds(self) -> float:
        """The spent and reserved seconds. A run that exceeds its reservation counts with its actual duration."""
        now, in_flight = self._now(), self._reservations.values()
        reserved = sum(max(reservation.seconds, now - reservation.launched_at) for reservation in in_flight)
        return self._settled_seconds + reserved

    def _evidence(self) -> dict[str, str]:
        runs, minutes = self._settled_runs + len(self._reservations), self._committed_seconds / 60
        return {"spent": f"{runs} runs, {minutes:.1f} min, including runs in flight"}


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"  # noqa: PLR2004 - then minutes read better
