"""Draws a recording for a report: how loud it is over time, so that silence and one-way audio are seen at a glance."""

from __future__ import annotations

import io
import sys
import wave
from array import array

COLUMNS = 400
HEIGHT = 60
LOUDEST = 32768


def waveform(recording: bytes) -> str:
    """Return a WAV file's first channel as an inline SVG picture, "" where it is no 16-bit WAV with audio in it."""
    peaks = _peaks(recording)
    if not peaks:
        return ""
    half = HEIGHT / 2
    lines = "".join(
        f"M{column} {half - half * peak / LOUDEST:.1f}V{half + half * peak / LOUDEST:.1f}"
        for column, peak in enumerate(peaks)
    )
    size = f"width='{len(peaks)}' height='{HEIGHT}' viewBox='0 0 {len(peaks)} {HEIGHT}'"
    return f"<svg {size} role='img' aria-label='waveform'><path d='{lines}M0 {half}H{len(peaks)}' stroke='#456'/></svg>"


def _peaks(recording: bytes) -> list[int]:
    try:
        with wave.open(io.BytesIO(recording)) as file:
            if file.getsampwidth() != array("h").itemsize:
                return []
            channels, frames = file.getnchannels(), file.readframes(file.getnframes())
    except (wave.Error, EOFError):
        return []
    samples = array("h", frames[: len(frames) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    samples = samples[::channels]
    step = max(1, -(-len(samples) // COLUMNS))
    return [max(map(abs, samples[start : start + step])) for start in range(0, len(samples), step)]
