"""The drawings: time axis, the audio of a call, and the timeline of runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_sipfront.pages.call_audio import TRACK_HEIGHT, draw_call
from pytest_sipfront.pages.run_chart import MOST_ROWS, ROW_HEIGHT, Span, draw_runs
from pytest_sipfront.pages.time_axis import ticks
from tests.pages.test_waveform import wav


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (0.35, ["0 s", "0.1 s", "0.2 s", "0.3 s"]),
        (4.25, ["0 s", "1 s", "2 s", "3 s", "4 s"]),
        (60, ["0 s", "20 s", "40 s", "60 s"]),
        (720, ["0 min", "2 min", "4 min", "6 min", "8 min", "10 min", "12 min"][:6]),
        (36000, ["0 min", "100 min", "200 min", "300 min", "400 min", "500 min", "600 min"][:6]),
    ],
)
def test_the_time_axis_has_a_few_labels_at_round_times(seconds: float, labels: list[str]) -> None:
    """Each label stands at its time."""
    axis = ticks(seconds, 8 if seconds > 60 else 6)
    assert [tick.label for tick in axis][:6] == labels
    number, unit = labels[1].split()
    assert axis[1].percent == pytest.approx(100 * float(number) * (60 if unit == "min" else 1) / seconds)


def test_both_ends_of_a_call_share_one_time_axis() -> None:
    """A shorter recording takes less of the width; digits and prompts stand at their times."""
    recordings = {"caller": wav([1000] * 16000), "callee": wav([1000] * 8000), "other": b"no audio"}
    audio = draw_call(recordings, [("callee", 0.5, "1"), ("caller", 1.5, "'sales'"), ("callee", 5.0, "late")])
    assert audio is not None
    caller, callee = audio.tracks
    assert (audio.seconds, caller.percent, callee.percent) == (2.0, 100, 50)
    assert [(mark.percent, mark.label) for mark in callee.marks] == [(25, "1")]
    assert callee.top >= caller.top + TRACK_HEIGHT
    assert audio.height >= callee.top + TRACK_HEIGHT
    assert audio.description == "2.0 s of audio as heard by caller and callee, 'sales' at the caller, 1 at the callee"


def test_labels_that_would_overlap_get_rows_of_their_own() -> None:
    """Digits follow each other quickly."""
    audio = draw_call({"callee": wav([1] * 80000)}, [("callee", at / 100, "4") for at in range(3)])
    assert audio is not None
    assert [mark.row for mark in audio.tracks[0].marks] == [0, 1, 2]
    assert audio.tracks[0].top == 3 * 20


def test_a_call_without_audio_has_no_drawing() -> None:
    """There is nothing to see."""
    assert draw_call({}) is None
    assert draw_call({"caller": wav([])}) is None


def _span(start: float, end: float, tone: str = "good") -> Span:
    return Span(queued=start - 1, launching=start, launched=start + 0.5, ended=end, polls=[end], tone=tone)


def test_each_run_has_a_row_and_the_number_of_its_slot() -> None:
    """A slot is free again when its run has ended."""
    chart = draw_runs([_span(21, 30), _span(1, 11), _span(1, 21), _span(11, 31)])
    assert chart is not None
    assert [bar.slot for bar in chart.bars] == [1, 2, 1, 2]
    assert [bar.top for bar in chart.bars] == [row * ROW_HEIGHT for row in range(4)]
    assert (chart.slots, chart.by_slot, chart.height) == (2, False, 4 * ROW_HEIGHT)
    first, last = chart.bars[0], chart.bars[2]
    assert (first.waits_from, last.ends) == (0, 100)
    assert first.waits_from < first.launching_from < first.runs_from < first.ends == first.polls[0]


def test_calls_with_sift_take_no_slot() -> None:
    """They do not count as concurrent runs."""
    chart = draw_runs([_span(1, 11), replace(_span(2, 9), needs_slot=False), _span(3, 12)])
    assert chart is not None
    assert [bar.slot for bar in chart.bars] == [1, 0, 2]
    assert chart.slots == 2


def test_a_label_stands_at_the_side_with_more_room() -> None:
    """Long names are shortened."""
    chart = draw_runs([_span(1, 11), replace(_span(90, 100), label="x" * 80)])
    assert chart is not None
    assert [bar.label_is_left for bar in chart.bars] == [False, True]
    assert chart.bars[1].label == "x" * 49 + "…"


def test_of_many_runs_only_the_broken_ones_are_elements() -> None:
    """The others are one path for each slot."""
    spans = [_span(10 * number, 10 * number + 15, "bad" if number == 50 else "good") for number in range(MOST_ROWS + 1)]
    chart = draw_runs(spans)
    assert chart is not None
    assert (chart.by_slot, chart.slots, chart.height) == (True, 2, 2 * ROW_HEIGHT)
    assert len(chart.bars) == 1
    assert len(chart.lanes) == 2
    assert sum(path.count("M") for _, _, path in chart.lanes) == MOST_ROWS


def test_a_session_without_runs_has_no_timeline() -> None:
    """There is nothing to see."""
    assert draw_runs([]) is None
