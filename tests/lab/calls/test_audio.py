"""The timeline of what was heard, and speaking at the line's pace."""

from __future__ import annotations

import asyncio
import io
import math
import wave

import pytest

pytest.importorskip("numpy", reason="numpy comes with the extra 'lab'")

from pytest_sipfront.lab.calls.audio import BYTES_PER_SECOND, AudioReceiver, AudioSender, level_dbfs, wav
from pytest_sipfront.lab.calls.speech_synthesis import tone

TENTH = b"\1\0" * 800


def listen(arrivals: list[tuple[float, bytes]], end: float) -> AudioReceiver:
    ear = AudioReceiver()
    ear.start(0.0)
    for at, pcm in arrivals:
        ear.take(pcm, at)
    ear.finish(end)
    return ear


def test_steady_audio_has_no_gap() -> None:
    """Audio that arrives as it is spoken has no gap and is kept as it came."""
    ear = listen([(place / 10, TENTH) for place in range(1, 21)], 2.0)
    assert ear.longest_gap == 0
    assert ear.audio == TENTH * 20


def test_audio_that_stops_for_good_is_a_gap_to_the_end() -> None:
    """When nothing comes any more, the gap lasts until the call's end."""
    ear = listen([(0.1, TENTH), (0.2, TENTH)], 2.2)
    assert ear.longest_gap == pytest.approx(2.0)


def test_audio_that_never_comes_is_one_gap() -> None:
    """A call in which nothing is heard is one gap as long as itself."""
    assert listen([], 1.5).longest_gap == pytest.approx(1.5)


def test_a_burst_that_makes_up_for_a_pause_is_no_gap() -> None:
    """What comes late comes: a machine that stood still for a second does not make the line silent."""
    ear = listen([(0.1, TENTH), (1.2, TENTH * 11), (1.3, TENTH)], 1.3)
    assert ear.longest_gap == 0
    assert ear.audio == TENTH * 13


def test_a_pause_that_is_never_made_up_for_stands_as_silence() -> None:
    """Audio behind a gap keeps its place in time."""
    ear = listen([(0.1, TENTH), (1.2, TENTH), (1.3, TENTH)], 1.3)
    assert ear.longest_gap == pytest.approx(1.0)
    assert len(ear.audio) == pytest.approx(1.3 * BYTES_PER_SECOND)
    assert ear.audio.endswith(TENTH * 2)


def test_audio_that_arrived_and_could_not_be_kept_is_no_gap() -> None:
    """What the lab itself had no room for came over the line all the same."""
    ear = AudioReceiver()
    ear.start(0.0)
    ear.take(TENTH, 0.1)
    ear.take(TENTH, 1.2, skipped=len(TENTH) * 10)
    ear.finish(1.2)
    assert ear.longest_gap == 0


class Line:
    """A line that takes so many bytes at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = b""

    def write(self, pcm: bytes) -> int:
        self.taken += pcm[: self.room]
        return min(len(pcm), self.room)


def test_all_is_spoken_in_order_and_then_finished() -> None:
    """A line with little room gets everything, piece by piece, and the end is told when it has been sent."""

    async def speak() -> None:
        mouth, line = AudioSender(), Line(3000)
        pcm = tone(440, 1.0)
        mouth.speak(pcm)
        while len(line.taken) < len(pcm):
            mouth.feed(line, 0)
            assert not (len(line.taken) < len(pcm) and mouth._spoken.is_set())  # noqa: SLF001
        mouth.feed(line, 0)
        await asyncio.wait_for(mouth.finished(), 1)
        assert line.taken == pcm

    asyncio.run(speak())


def test_what_a_renegotiation_threw_away_is_spoken_again() -> None:
    """Audio that waited in the line when the streams were replaced is not missing afterwards."""

    async def speak() -> None:
        mouth, lost, line = AudioSender(), Line(10**6), Line(10**6)
        pcm = tone(440, 0.4)
        mouth.speak(pcm)
        mouth.feed(lost, 0)
        mouth.rewind()
        mouth.feed(line, 0)
        assert line.taken == pcm

    asyncio.run(speak())


def test_levels_are_told_against_full_scale() -> None:
    """A sine of a third of full scale lies at -12 dBFS in power; silence has no level."""
    assert level_dbfs(tone(440, 1.0)) == pytest.approx(20 * math.log10(12000 / 32768 / math.sqrt(2)), abs=0.3)
    assert level_dbfs(b"\0\0" * 8000) == level_dbfs(b"") == float("-inf")


def test_a_recording_is_a_wav_file() -> None:
    """What can be downloaded is a WAV file of one channel at 8000 Hz."""
    with wave.open(io.BytesIO(wav(TENTH))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        assert file.readframes(800) == TENTH
