"""The labels of a time axis, at round times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_MAX_TICKS = 6
_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of the time axis; `percent` is its position from the left."""

    percent: float
    label: str


def ticks(seconds: float, most: int = _MAX_TICKS) -> list[Tick]:
    """Return at most about `most` labels for an axis of so many seconds."""
    step = next(step for step in _steps() if seconds / step < most)
    return [
        Tick(100 * number * step / seconds, _label(number * step, step)) for number in range(int(seconds / step) + 1)
    ]


def _label(at: float, step: float) -> str:
    return f"{at / _MINUTE:g} min" if step >= _MINUTE else f"{at:g} s"


def _steps() -> Iterator[float]:
    factor = 0.1
    while factor < _MINUTE:
        yield from (step for step in (factor, 2 * factor, 5 * factor) if step < _MINUTE)
        factor *= 10
    minutes = 1
    while True:
        yield from (_MINUTE * minutes, 2 * _MINUTE * minutes, 5 * _MINUTE * minutes)
        minutes *= 10
