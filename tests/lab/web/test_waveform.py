from __future__ import annotations

import io
import re
import struct
import wave

import pytest

from pytest_sipfront.lab.web.waveform import COLUMNS, HEIGHT, waveform


def wav(samples: list[int], channels: int = 1, width: int = 2) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return buffer.getvalue()


def heights(picture: str) -> list[float]:
    return [float(bottom) - float(top) for top, bottom in re.findall(r"M\d+ ([\d.]+)V([\d.]+)", picture)]


def test_silence_is_flat_and_full_scale_fills_the_picture() -> None:
    """Loudness is drawn to scale, whichever sign the samples have."""
    drawn = heights(waveform(wav([0] * COLUMNS + [-32768] * COLUMNS)))
    assert drawn[: COLUMNS // 2] == [0] * (COLUMNS // 2)
    assert drawn[COLUMNS // 2 :] == [HEIGHT] * (COLUMNS // 2)


def test_a_long_recording_is_no_wider_than_a_short_one() -> None:
    """One column stands for many samples, and the loudest of them shows."""
    drawn = heights(waveform(wav([0] * 9_999 + [16384] + [0] * 90_000)))
    assert len(drawn) == COLUMNS
    assert [height for height in drawn if height] == [HEIGHT / 2]


def test_the_first_channel_is_the_one_drawn() -> None:
    """A stereo recording does not mix into one line."""
    assert heights(waveform(wav([0, 32000] * 10, channels=2))) == [0] * 10


@pytest.mark.parametrize("recording", [b"", b"RIFF", b"no wav at all", wav([]), wav([0] * 8, width=4)])
def test_what_cannot_be_drawn_leaves_the_report_without_a_picture(recording: bytes) -> None:
    """A report never breaks over a recording."""
    assert waveform(recording) == ""
