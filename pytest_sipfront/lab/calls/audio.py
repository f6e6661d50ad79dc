"""The two ends of a call's audio in the lab: an ear that keeps a timeline and a mouth that talks at its own pace."""

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
_LATE_SECONDS = 0.3
"""Less than this is no gap: the two ends do not start and stop at the same moment."""
_AHEAD = int(0.5 * BYTES_PER_SECOND)


class Writable(Protocol):
    """What a mouth speaks into."""

    def write(self, pcm: bytes) -> int:
        """Take as many bytes as fit and return how many."""


class AudioReceiver:
    """Collects what is heard and when, and makes one timeline of it, silence standing where nothing came.

    Audio may come late and in bursts, since a busy machine stops the SIP stack for a while. So only what never came
    is a gap: what was due at some moment and is still missing at every later one.
    """

    def __init__(self) -> None:
        self._chunks: list[tuple[float, bytes]] = []
        self._since: float | None = None
        self._until = 0.0
        self._skipped = 0

    def start(self, now: float) -> None:
        """Start the timeline at `now`, in seconds of the clock that `take` is called with."""
        self._since = self._until = now

    def take(self, pcm: bytes, now: float, skipped: int = 0) -> None:
        """Append audio that arrived by `now`; `skipped` counts all bytes that arrived and could not be kept."""
        if self._since is None:
            return
        if skipped > self._skipped:
            self._chunks.append((now, SILENT_SAMPLE * ((skipped - self._skipped) // 2)))
            self._skipped = skipped
        if pcm:
            self._chunks.append((now, pcm))

    def finish(self, now: float) -> None:
        """End the timeline: what is missing by `now` is a gap too."""
        self._until = now

    @property
    def audio(self) -> bytes:
        """Everything heard: PCM, 16 bit, mono, 8000 samples a second."""
        heard = bytearray()
        for gap, (_, pcm) in zip(self._gaps(), self._chunks, strict=False):
            heard += SILENT_SAMPLE * (gap // 2) + pcm
        return bytes(heard)

    @property
    def longest_gap(self) -> float:
        """The longest time for which nothing came, in seconds; what is only late does not count."""
        return max(self._gaps(), default=0) / BYTES_PER_SECOND

    def _gaps(self) -> list[int]:
        """The bytes missing before each chunk, and those missing at the end."""
        heard = list(accumulate((len(pcm) for _, pcm in self._chunks), initial=0))
        ends = [*(at for at, _ in self._chunks), self._until]
        missing = [self._due(at) - total for at, total in zip(ends, [*heard[1:], heard[-1]], strict=True)]
        for_good = list(accumulate(reversed(missing), min))[::-1]
        gaps, told = [], 0
        for amount in for_good:
            gap = amount - told if amount - told > _LATE_SECONDS * BYTES_PER_SECOND else 0
            gaps.append(gap)
            told += gap
        return gaps

    def _due(self, now: float) -> int:
        return 0 if self._since is None else int((now - self._since) * BYTES_PER_SECOND)


class AudioSender:
    """Speaks PCM half a second ahead of the line, so that a busy machine tears no hole into it."""

    def __init__(self) -> None:
        self._pcm = b""
        self._at = 0
        self._ahead = 0
        self._repeat = False
        self._spoken = asyncio.Event()
        self._spoken.set()

    def speak(self, pcm: bytes, *, repeat: bool = False) -> None:
        """Start to speak `pcm` in place of what is being spoken."""
        self._pcm, self._at, self._repeat = pcm, 0, repeat and bool(pcm)
        self._spoken.clear()

    async def finished(self) -> None:
        """Return when all has been spoken. What repeats never ends."""
        await self._spoken.wait()

    def feed(self, line: Writable, buffered: int) -> None:
        """Give the line what it needs next; `buffered` bytes are still waiting in it."""
        while (room := _AHEAD - buffered) > 0 and self._at < len(self._pcm):
            taken = line.write(self._pcm[self._at : self._at + room])
            self._at, buffered = self._at + taken, buffered + taken
            if not taken:
                break
            if self._repeat and self._at == len(self._pcm):
                self._at = 0
        self._ahead = buffered
        if self._at == len(self._pcm) and not buffered:
            self._spoken.set()

    def rewind(self) -> None:
        """Speak once more what was waiting in the line: a renegotiation has thrown it away."""
        self._at = max(0, self._at - self._ahead)
        self._ahead = 0


def level_dbfs(pcm: bytes) -> float:
    """Return the level of the loudest tenth of a second against full scale; -inf for digital silence or nothing."""
    import numpy as np  # noqa: PLC0415 - the lab starts without it

    size = RATE // 10
    samples = np.frombuffer(pcm, "<i2").astype(np.float64) / 32768
    windows = samples[: len(samples) // size * size].reshape(-1, size)
    power = float((windows**2).mean(axis=1).max()) if len(windows) else 0.0
    return round(10 * math.log10(power), 1) if power else float("-inf")


def wav(pcm: bytes) -> bytes:
    """Return PCM (16 bit, mono, 8000 samples a second) as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(pcm)
    return file.getvalue()
