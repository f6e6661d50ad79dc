"""Audio of a call: a receiver that builds a timeline, and a sender that keeps ahead of the SIP stack."""

from __future__ import annotations

import asyncio
import io
import math
import wave
from itertools import accumulate
from typing import Protocol

RATE = 8000
BYTES_PER_SECOND = 2 * RATE
SILENT_SAMPLE = b"\0\0"
_MIN_GAP_SECONDS = 0.3
"""Shorter gaps are ignored: the two ends of a call do not start and stop at the same moment."""
_AHEAD_BYTES = int(0.5 * BYTES_PER_SECOND)


class AudioSink(Protocol):
    """Takes the audio to send."""

    def write(self, pcm: bytes) -> int:
        """Take as many bytes as fit and return their number."""


class AudioReceiver:
    """Collects received audio and builds a timeline of it, with silence for missing audio.

    Audio may arrive late and in bursts if a busy machine stops the SIP stack for a while. Only audio that was due at
    some moment and is still missing at every later moment is a gap.
    """

    def __init__(self) -> None:
        self._chunks: list[tuple[float, bytes]] = []
        self._start: float | None = None
        self._end = 0.0
        self._skipped = 0

    def start(self, now: float) -> None:
        """Start the timeline at `now`, in seconds of the clock that `take` uses."""
        self._start = self._end = now

    def take(self, pcm: bytes, now: float, skipped: int = 0) -> None:
        """Append audio that arrived by `now`; `skipped` is the number of bytes discarded since the start."""
        if self._start is None:
            return
        if skipped > self._skipped:
            self._chunks.append((now, SILENT_SAMPLE * ((skipped - self._skipped) // 2)))
            self._skipped = skipped
        if pcm:
            self._chunks.append((now, pcm))

    def finish(self, now: float) -> None:
        """End the timeline; audio that is missing at `now` is a gap."""
        self._end = now

    @property
    def audio(self) -> bytes:
        """All received audio: PCM, 16 bit, mono, 8000 samples per second."""
        timeline = bytearray()
        for gap, (_, pcm) in zip(self._gaps(), self._chunks, strict=False):
            timeline += SILENT_SAMPLE * (gap // 2) + pcm
        return bytes(timeline)

    def chunks(self, start: int) -> list[bytes]:
        """Return the audio that has arrived so far, without the chunks before index `start`."""
        return [pcm for _, pcm in self._chunks[start:]]

    @property
    def longest_gap(self) -> float:
        """The longest time without audio in seconds; late audio does not count."""
        return max(self._gaps(), default=0) / BYTES_PER_SECOND

    def _gaps(self) -> list[int]:
        """Return the number of bytes missing before each chunk, and at the end."""
        received = list(accumulate((len(pcm) for _, pcm in self._chunks), initial=0))
        times = [*(time for time, _ in self._chunks), self._end]
        missing = [self._due(time) - total for time, total in zip(times, [*received[1:], received[-1]], strict=True)]
        never_received = list(accumulate(reversed(missing), min))[::-1]
        gaps, total = [], 0
        for amount in never_received:
            gap = amount - total if amount - total > _MIN_GAP_SECONDS * BYTES_PER_SECOND else 0
            gaps.append(gap)
            total += gap
        return gaps

    def _due(self, now: float) -> int:
        return 0 if self._start is None else int((now - self._start) * BYTES_PER_SECOND)


class AudioSender:
    """Writes PCM half a second ahead of time, so that a busy machine causes no gap."""

    def __init__(self) -> None:
        self._pcm = b""
        self._position = 0
        self._ahead = 0
        self._repeat = False
        self._finished = asyncio.Event()
        self._finished.set()

    def play(self, pcm: bytes, *, repeat: bool = False) -> None:
        """Start to play `pcm` in place of the current audio."""
        self._pcm, self._position, self._repeat = pcm, 0, repeat and bool(pcm)
        self._finished.clear()

    @property
    def is_finished(self) -> bool:
        """Whether all audio has been sent."""
        return self._finished.is_set()

    async def finished(self) -> None:
        """Return once all audio has been sent. Repeated audio never ends."""
        await self._finished.wait()

    def feed(self, sink: AudioSink, buffered: int) -> None:
        """Write the next audio to `sink`, which still has `buffered` bytes to send."""
        while (room := _AHEAD_BYTES - buffered) > 0 and self._position < len(self._pcm):
            taken = sink.write(self._pcm[self._position : self._position + room])
            self._position, buffered = self._position + taken, buffered + taken
            if not taken:
                break
            if self._repeat and self._position == len(self._pcm):
                self._position = 0
        self._ahead = buffered
        if self._position == len(self._pcm) and not buffered:
            self._finished.set()

    def rewind(self) -> None:
        """Play the unsent audio again, because a renegotiation discarded it."""
        self._position = max(0, self._position - self._ahead)
        self._ahead = 0


def level_dbfs(pcm: bytes) -> float:
    """Return the level of the loudest tenth of a second in dBFS; -inf for digital silence or no audio."""
    import numpy as np  # noqa: PLC0415 - the lab starts without it

    size = RATE // 10
    samples = np.frombuffer(pcm, "<i2").astype(np.float64) / 32768
    windows = samples[: len(samples) // size * size].reshape(-1, size)
    power = float((windows**2).mean(axis=1).max()) if len(windows) else 0.0
    return round(10 * math.log10(power), 1) if power else float("-inf")


def wav(pcm: bytes) -> bytes:
    """Return PCM (16 bit, mono, 8000 samples per second) as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(pcm)
    return file.getvalue()
