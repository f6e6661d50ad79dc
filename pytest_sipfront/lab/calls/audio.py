"""The two ends of a call's audio in the lab: an ear that keeps a timeline and a mouth that talks at its own pace."""

from __future__ import annotations

import asyncio
import io
import math
import wave
from typing import Protocol

RATE = 8000
BYTES_PER_SECOND = 2 * RATE
SILENT_FRAME = b"\0\0"
_LATE_SECONDS = 0.4
"""Audio this late is not missing yet: the jitter buffer holds 0.1 s, a busy machine adds to it."""
_AHEAD = int(0.5 * BYTES_PER_SECOND)


class Writable(Protocol):
    """What a mouth speaks into."""

    def write(self, pcm: bytes) -> int:
        """Take as many bytes as fit and return how many."""


class Ear:
    """Collects what is heard as one timeline, silence standing where nothing arrived."""

    def __init__(self) -> None:
        self._heard = bytearray()
        self._since: float | None = None
        self._skipped = 0
        self.longest_gap = 0.0

    def start(self, now: float) -> None:
        """Start the timeline at `now`, in seconds of the clock that `take` is called with."""
        self._since = now

    def take(self, pcm: bytes, now: float, skipped: int = 0) -> None:
        """Append audio that arrived by `now`; `skipped` counts all bytes that arrived and could not be kept."""
        if self._since is None or not pcm:
            return
        missing = self._missing(now, len(pcm))
        if missing > _LATE_SECONDS * BYTES_PER_SECOND:
            self._note_gap(missing - (skipped - self._skipped))
            self._heard += SILENT_FRAME * (missing // 2)
            self._skipped = skipped
        self._heard += pcm

    def finish(self, now: float) -> None:
        """End the timeline: what is missing by `now` is a gap too."""
        if self._since is not None:
            self._note_gap(self._missing(now, 0))

    @property
    def audio(self) -> bytes:
        """Everything heard so far: PCM, 16 bit, mono, 8000 samples a second."""
        return bytes(self._heard)

    def _missing(self, now: float, arriving: int) -> int:
        due = int((now - (self._since or now)) * BYTES_PER_SECOND)
        return due - len(self._heard) - arriving

    def _note_gap(self, missing: int) -> None:
        if missing > _LATE_SECONDS * BYTES_PER_SECOND:
            self.longest_gap = max(self.longest_gap, missing / BYTES_PER_SECOND)


class Mouth:
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
