"""The timeline of many runs: one row per run, or one row per slot if there are many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_sipfront.pages.time_axis import Tick, ticks

MOST_ROWS = 120
"""The largest number of runs that have a row each."""
ROW_HEIGHT, AXIS_HEIGHT = 11, 22
MOST_LINKS = 500
LONGEST_LABEL = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One run, with times in seconds of one clock.

    Args:
        queued, launching, launched, ended: When it was queued, its launch was sent and answered, and when it ended.
        polls: When it was polled.
        tone: "good", "bad", "unclear" or "open".
        title: Test and outcome.
        label: A short text for broken runs; otherwise "".
        anchor: The id of the test on the page; "" without a link.
        needs_slot: Whether it counts as one of the concurrent runs; calls with Sift do not.
    """

    queued: float
    launching: float
    launched: float
    ended: float
    polls: Sequence[float] = ()
    tone: str = "good"
    title: str = ""
    label: str = ""
    anchor: str = ""
    needs_slot: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A run on the chart: positions and widths in percent, `top` in units, `slot` from 1, or 0 without a slot."""

    top: int
    slot: int
    waits_from: float
    launching_from: float
    runs_from: float
    ends: float
    polls: tuple[float, ...]
    tone: str
    title: str
    label: str
    anchor: str

    @property
    def label_is_left(self) -> bool:
        """Whether the label has more room before the bar than after it."""
        return 100 - self.ends < self.launching_from


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChart:
    """The timeline.

    Args:
        bars: The runs that are drawn one by one: all of them, or the broken ones.
        lanes: The other runs by tone and slot, as SVG paths in a box 1000 units wide: tone, top, path.
        height: The height without axis, in units.
        slots: The number of slots that were used by runs.
        by_slot: Whether a row is a slot instead of a run.
        ticks: The time axis.
    """

    bars: tuple[Bar, ...]
    lanes: tuple[tuple[str, int, str], ...]
    height: int
    slots: int
    by_slot: bool
    ticks: tuple[Tick, ...]


def draw_runs(spans: Iterable[Span]) -> RunChart | None:
    """Return the timeline of all runs; None without runs."""
    ordered = sorted(spans, key=lambda span: (span.launching, span.ended))
    if not ordered:
        return None
    start = min(min(span.queued, span.launching) for span in ordered)
    seconds = max(max(span.ended for span in ordered) - start, 0.001)
    slots = _slots(ordered)
    by_slot = len(ordered) > MOST_ROWS
    bars: list[Bar] = []
    paths: dict[tuple[str, int], list[str]] = {}
    for row, (span, slot) in enumerate(zip(ordered, slots, strict=True)):
        top = (slot if by_slot else row) * ROW_HEIGHT
        if by_slot and (span.tone == "good" or len(bars) >= MOST_LINKS):
            left, width = 1000 * (span.launching - start) / seconds, 1000 * (span.ended - span.launching) / seconds
            paths.setdefault((span.tone, top), []).append(f"M{left:.1f} 0h{max(width - 0.4, 0.4):.1f}")
            continue
        bars.append(_bar(span, top, slot, start, seconds, has_waiting=not by_slot))
    return RunChart(
        bars=tuple(bars),
        lanes=tuple((tone, top, "".join(path)) for (tone, top), path in paths.items()),
        height=ROW_HEIGHT * (max(slots) + 1 if by_slot else len(ordered)),
        slots=max((slot + 1 for span, slot in zip(ordered, slots, strict=True) if span.needs_slot), default=0),
        by_slot=by_slot,
        ticks=tuple(ticks(seconds, 8)),
    )


def _bar(span: Span, top: int, slot: int, start: float, seconds: float, *, has_waiting: bool) -> Bar:
    def percent(at: float) -> float:
        return 100 * (at - start) / seconds

    return Bar(
        top=top,
        slot=slot + 1 if span.needs_slot else 0,
        waits_from=percent(span.queued if has_waiting else span.launching),
        launching_from=percent(span.launching),
        runs_from=percent(span.launched),
        ends=percent(max(span.ended, span.launched)),
        polls=tuple(percent(at) for at in span.polls) if has_waiting else (),
        tone=span.tone,
        title=span.title,
        label=_shortened(span.label) if has_waiting else "",
        anchor=span.anchor,
    )


def _shortened(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def _slots(ordered: Sequence[Span]) -> list[int]:
    """Return the slot of each span, the first one that is free at its launch. Slots of calls follow those of runs."""
    slots = dict.fromkeys(range(len(ordered)), 0)
    first = 0
    for needs_slot in (True, False):
        free_at: list[float] = []
        for position, span in enumerate(ordered):
            if span.needs_slot is needs_slot:
                slot = next((number for number, at in enumerate(free_at) if at <= span.launching), len(free_at))
                free_at[slot:] = [span.ended, *free_at[slot + 1 :]]
                slots[position] = first + slot
        first += len(free_at)
    return list(slots.values())
