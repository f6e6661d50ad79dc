from __future__ import annotations

import io
import re
import struct
import wave

import pytest

from pytest_sipfront.pages.waveform import COLUMNS, HEIGHT, draw_waveform


def wav(samples: list[int], channels: int = 1, width: int = 2) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return buffer.getvalue()


def heights(samples: list[int], channels: int = 1) -> list[float]:
    drawing = draw_waveform(wav(samples, channels))
    assert drawing is not None
    columns = re.findall(r"M\d+ ([\d.]+)V([\d.]+)", drawing.path)
    return [float(bottom) - float(top) for top, bottom in columns]


def test_silence_is_flat_and_full_scale_fills_the_drawing() -> None:
    """Loudness is drawn to scale for samples of either sign."""
    drawn = heights([0] * COLUMNS + [-32768] * COLUMNS)
    assert drawn[: COLUMNS // 2] == [0] * (COLUMNS // 2)
    assert drawn[COLUMNS // 2 :] == [HEIGHT] * (COLUMNS // 2)


def test_a_long_recording_is_as_wide_as_a_short_one() -> None:
    """One column covers many samples and shows the loudest of them."""
    drawn = heights([0] * 9_999 + [16384] + [0] * 90_000)
    assert len(drawn) == COLUMNS
    assert [height for height in drawn if height] == [HEIGHT / 2]


def test_the_first_channel_is_drawn() -> None:
    """The channels of a stereo recording are not mixed."""
    assert heights([0, 32000] * 10, channels=2) == [0] * 10


@pytest.mark.parametrize("recording", [b"", b"RIFF", b"not a wav file", wav([]), wav([0] * 8, width=4)])
def test_a_file_that_cannot_be_drawn_has_no_waveform(recording: bytes) -> None:
    """The page still offers the file."""
    assert draw_waveform(recording) is None
