"""From text and sound files to what a phone line carries, and from what it carried to words.

PCM is 16 bit, mono, 8000 samples a second. Nothing here understands speech: a prompt is recognised by its sound, from
the lab file's catalogue.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.audio import BYTES_PER_SECOND, RATE
from pytest_sipfront.lab.calls.prompt_recognition import SCORE_NEEDED, PromptMatch, rank
from pytest_sipfront.lab.calls.speech_synthesis import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPEAKER = "espeak-ng"
PAUSE_SECONDS = 0.8
LARGEST_SOUND = 10 * 1024 * 1024
_SPEAKER_SECONDS = 20.0
_WINDOW = RATE // 50
_AUDIBLE = 200  # of 32768, root mean square: about -44 dBFS
_BYTES, _WORD = 1, 2


class SoundError(ValueError):
    """A sound file cannot be played. The text says why."""


@lru_cache(maxsize=128)
def spoken(text: str) -> bytes:
    """Return `text` as speech, by espeak-ng where it is installed, else by the lab's own talking machine."""
    command = shutil.which(SPEAKER)
    if command is None:
        return say(text)
    try:
        done = subprocess.run(  # noqa: S603 - the text goes in on standard input
            [command, "--stdin", "--stdout"],
            input=text.encode(),
            capture_output=True,
            check=True,
            timeout=_SPEAKER_SECONDS,
        )
        return converted(done.stdout)
    except (subprocess.SubprocessError, OSError, SoundError):
        return say(text)


def converted(file: bytes) -> bytes:
    """Return a WAV file's sound as PCM, whatever its rate and channels.

    Raises:
        SoundError: It is no WAV file of 8 or 16 bit, or too large.
    """
    if len(file) > LARGEST_SOUND:
        raise SoundError("it is larger than 10 MB")
    import numpy as np  # noqa: PLC0415 - the lab starts without it

    try:
        with wave.open(io.BytesIO(file)) as opened:
            width, channels, rate = opened.getsampwidth(), opened.getnchannels(), opened.getframerate()
            # what writes to a pipe does not know the length that it announces
            frames = opened.readframes(min(opened.getnframes(), len(file)))
    except (wave.Error, EOFError) as error:
        raise SoundError(f"it is no WAV file that can be read: {error}") from None
    if width not in (_BYTES, _WORD) or rate <= 0:
        raise SoundError(f"it has {8 * width} bit a sample; 8 and 16 can be played")
    usable = len(frames) // (width * channels) * width * channels
    samples = np.frombuffer(frames[:usable], "u1" if width == _BYTES else "<i2").astype(np.float64)
    if width == _BYTES:
        samples = (samples - 128) * 256
    mixed = samples.reshape(-1, channels).mean(axis=1)
    return bytes(np.clip(_resampled(mixed, rate), -32768, 32767).astype("<i2").tobytes())


def _resampled(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Bring samples to the line's rate, without what it cannot carry."""
    import numpy as np  # noqa: PLC0415

    if rate == RATE or not len(samples):
        return samples
    length = max(1, round(len(samples) * RATE / rate))
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(length // 2 + 1, dtype=complex)
    shared = min(len(kept), len(spectrum))
    kept[:shared] = spectrum[:shared]
    result: NDArray[np.float64] = np.fft.irfft(kept, length) * (length / len(samples))
    return result


def has_paused(pcm: bytes) -> bool:
    """Return whether something was said, and then nothing for the length of a pause."""
    import numpy as np  # noqa: PLC0415

    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float64)
    windows = samples[: len(samples) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    audible = np.flatnonzero((windows**2).mean(axis=1) > _AUDIBLE**2) if len(windows) else np.zeros(0)
    return bool(len(audible)) and (len(windows) - 1 - int(audible[-1])) * _WINDOW / RATE >= PAUSE_SECONDS


def recognised(pcm: bytes, prompts: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the names of the prompts in a recording, in the order in which they were said."""
    found: list[PromptMatch] = []
    for match in rank(pcm, prompts) if pcm and prompts else ():
        if match.score >= SCORE_NEEDED and not any(_overlap(match, other, prompts) for other in found):
            found.append(match)
    return tuple(match.prompt for match in sorted(found, key=lambda match: match.at))


def _overlap(one: PromptMatch, other: PromptMatch, prompts: Mapping[str, bytes]) -> bool:
    """Two prompts that claim the same sound: the worse one was not said."""
    ends = [match.at + len(prompts[match.prompt]) / BYTES_PER_SECOND for match in (one, other)]
    shared = min(ends) - max(one.at, other.at)
    return shared > 0.3 * min(end - match.at for end, match in zip(ends, (one, other), strict=True))
