"""The waveform of a recording: loudness over time, so that silence and one-way audio are visible."""

from __future__ import annotations

import io
import sys
import wave
from array import array
from dataclasses import dataclass

COLUMNS = 400
HEIGHT = 60
FULL_SCALE = 32768


@dataclass(frozen=True, slots=True)
class Waveform:
    """A drawing for an SVG of `width` times `height` units, that is as long as the recording.

    Args:
        path: The SVG path: one vertical line per column, and the zero line.
        width: Number of columns.
        seconds: Length of the recording.
    """

    path: str
    width: int
    seconds: float
    height: int = HEIGHT


def draw_waveform(recording: bytes) -> Waveform | None:
    """Return the waveform of the first channel of a WAV file, None if it is not 16-bit audio or has no samples."""
    try:
        with wave.open(io.BytesIO(recording)) as file:
            if file.getsampwidth() != array("h").itemsize:
                return None
            channels, rate, frames = file.getnchannels(), file.getframerate(), file.readframes(file.getnframes())
    except (wave.Error, EOFError):
        return None
    samples = array("h", frames[: len(frames) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    samples = samples[::channels]
    if not samples or rate <= 0:
        return None
    size = -(-len(samples) // COLUMNS)
    peaks = [max(map(abs, samples[start : start + size])) for start in range(0, len(samples), size)]
    return Waveform(_path(peaks), len(peaks), len(samples) / rate)


def _path(peaks: list[int]) -> str:
    middle = HEIGHT / 2
    lines = "".join(
        f"M{column} {middle - middle * peak / FULL_SCALE:.1f}V{middle + middle * peak / FULL_SCALE:.1f}"
        for column, peak in enumerate(peaks)
    )
    return f"{lines}M0 {middle:g}H{len(peaks)}"
