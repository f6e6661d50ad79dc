"""The timeline of received audio, and sending ahead of time."""

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


def receive(arrivals: list[tuple[float, bytes]], end: float) -> AudioReceiver:
    receiver = AudioReceiver()
    receiver.start(0.0)
    for at, pcm in arrivals:
        receiver.take(pcm, at)
    receiver.finish(end)
    return receiver


def test_steady_audio_has_no_gap() -> None:
    """Audio that arrives at its pace has no gap and is kept unchanged."""
    receiver = receive([(place / 10, TENTH) for place in range(1, 21)], 2.0)
    assert receiver.longest_gap == 0
    assert receiver.audio == TENTH * 20


def test_audio_that_stops_for_good_is_a_gap_to_the_end() -> None:
    """If audio stops, the gap lasts until the end of the call."""
    receiver = receive([(0.1, TENTH), (0.2, TENTH)], 2.2)
    assert receiver.longest_gap == pytest.approx(2.0)


def test_a_call_without_audio_is_one_gap() -> None:
    """Without audio the gap is as long as the call."""
    assert receive([], 1.5).longest_gap == pytest.approx(1.5)


def test_late_audio_is_no_gap() -> None:
    """A burst after a pause of the machine makes up for the pause."""
    receiver = receive([(0.1, TENTH), (1.2, TENTH * 11), (1.3, TENTH)], 1.3)
    assert receiver.longest_gap == 0
    assert receiver.audio == TENTH * 13


def test_missing_audio_becomes_silence() -> None:
    """Audio after a gap keeps its position in time."""
    receiver = receive([(0.1, TENTH), (1.2, TENTH), (1.3, TENTH)], 1.3)
    assert receiver.longest_gap == pytest.approx(1.0)
    assert len(receiver.audio) == pytest.approx(1.3 * BYTES_PER_SECOND)
    assert receiver.audio.endswith(TENTH * 2)


def test_discarded_audio_is_no_gap() -> None:
    """Audio that the lab received and discarded did arrive."""
    receiver = AudioReceiver()
    receiver.start(0.0)
    receiver.take(TENTH, 0.1)
    receiver.take(TENTH, 1.2, skipped=len(TENTH) * 10)
    receiver.finish(1.2)
    assert receiver.longest_gap == 0


class Sink:
    """A sink that takes a limited number of bytes at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = b""

    def write(self, pcm: bytes) -> int:
        self.taken += pcm[: self.room]
        return min(len(pcm), self.room)


def test_all_audio_is_sent_in_order_and_then_finished() -> None:
    """A sink with little room gets all audio, and `finished` returns once it has been sent."""

    async def send() -> None:
        sender, sink = AudioSender(), Sink(3000)
        pcm = tone(440, 1.0)
        sender.play(pcm)
        while len(sink.taken) < len(pcm):
            sender.feed(sink, 0)
            assert not (len(sink.taken) < len(pcm) and sender._finished.is_set())  # noqa: SLF001
        sender.feed(sink, 0)
        await asyncio.wait_for(sender.finished(), 1)
        assert sink.taken == pcm

    asyncio.run(send())


def test_audio_discarded_by_a_renegotiation_is_sent_again() -> None:
    """Audio that was buffered when the streams were replaced is sent again."""

    async def send() -> None:
        sender, lost, sink = AudioSender(), Sink(10**6), Sink(10**6)
        pcm = tone(440, 0.4)
        sender.play(pcm)
        sender.feed(lost, 0)
        sender.rewind()
        sender.feed(sink, 0)
        assert sink.taken == pcm

    asyncio.run(send())


def test_levels_are_relative_to_full_scale() -> None:
    """A sine of a third of full scale lies at -12 dBFS in power; silence has no level."""
    assert level_dbfs(tone(440, 1.0)) == pytest.approx(20 * math.log10(12000 / 32768 / math.sqrt(2)), abs=0.3)
    assert level_dbfs(b"\0\0" * 8000) == level_dbfs(b"") == float("-inf")


def test_a_recording_is_a_wav_file() -> None:
    """A recording is a WAV file with one channel at 8000 Hz."""
    with wave.open(io.BytesIO(wav(TENTH))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        assert file.readframes(800) == TENTH
