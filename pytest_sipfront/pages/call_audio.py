"""What both ends of a call heard, on one time axis: waveforms, digits and prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_sipfront.pages.time_axis import Tick, ticks
from pytest_sipfront.pages.waveform import Waveform, draw_waveform

TRACK_HEIGHT = 60
_LABEL_HEIGHT = 20


@dataclass(frozen=True, slots=True)
class Mark:
    """A digit or prompt at a time. `percent` is its position from the left, `row` avoids overlapping labels."""

    percent: float
    label: str
    row: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What one end heard.

    Args:
        name: The end: "caller" or "callee".
        waveform: The drawing of the recording.
        percent: The length of the recording in percent of the axis.
        marks: Digits and prompts in it.
        top: The vertical position of the track.
    """

    name: str
    waveform: Waveform
    percent: float
    marks: tuple[Mark, ...]
    top: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAudio:
    """A drawing of all tracks, `height` units high. The width is that of the page."""

    tracks: tuple[Track, ...]
    seconds: float
    ticks: tuple[Tick, ...]
    height: int

    @property
    def description(self) -> str:
        """The content in words."""
        marks = [f"{mark.label} at the {track.name}" for track in self.tracks for mark in track.marks]
        heard = " and ".join(track.name for track in self.tracks)
        return ", ".join([f"{self.seconds:.1f} s of audio as heard by {heard}", *marks])


def draw_call(recordings: Mapping[str, bytes], marks: Iterable[tuple[str, float, str]] = ()) -> CallAudio | None:
    """Return the drawing of the recordings of a call; None if no recording has samples.

    Args:
        recordings: WAV files by the end that heard them.
        marks: Digits and prompts: the end that received them, seconds, and label.
    """
    waveforms = {name: waveform for name, file in recordings.items() if (waveform := draw_waveform(file)) is not None}
    seconds = max((waveform.seconds for waveform in waveforms.values()), default=0.0)
    if not seconds:
        return None
    tracks: list[Track] = []
    top = 0
    for name, waveform in waveforms.items():
        own = _marks([(at, label) for end, at, label in marks if end == name and 0 <= at <= seconds], seconds)
        top += _LABEL_HEIGHT * (1 + max((mark.row for mark in own), default=-1))
        tracks.append(Track(name=name, waveform=waveform, percent=100 * waveform.seconds / seconds, marks=own, top=top))
        top += TRACK_HEIGHT
    return CallAudio(tracks=tuple(tracks), seconds=seconds, ticks=tuple(ticks(seconds)), height=top + _LABEL_HEIGHT)


def _marks(entries: Iterable[tuple[float, str]], seconds: float) -> tuple[Mark, ...]:
    """Return marks whose labels do not overlap: a mark close to the ones before gets a row below them."""
    marks: list[Mark] = []
    ends: list[float] = []  # of the last label in each row, in percent
    for at, label in sorted(entries):
        percent = 100 * at / seconds
        row = next((number for number, end in enumerate(ends) if end <= percent), len(ends))
        ends[row:] = [percent + 1.2 * len(label) + 1, *ends[row + 1 :]]
        marks.append(Mark(percent, label, row))
    return tuple(marks)
