"""Convert text and sound files to PCM, and recognise the prompts in PCM.

PCM has 16 bit, one channel and 8000 samples per second. Prompts are recognised by their sound, from the catalogue of
the lab file: there is no speech recognition.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.audio import RATE
from pytest_sipfront.lab.calls.prompt_recognition import SCORE_NEEDED, PromptMatch, rank
from pytest_sipfront.lab.calls.speech_synthesis import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SYNTHESIZER = "espeak-ng"
PAUSE_SECONDS = 0.8
MAX_SOUND_BYTES = 10 * 1024 * 1024
_SYNTHESIZER_SECONDS = 20.0
_WINDOW = RATE // 50
_AUDIBLE = 200  # root mean square of samples up to 32768, about -44 dBFS
_BYTES, _WORD = 1, 2


class SoundError(ValueError):
    """A sound file cannot be played. The text is the reason."""


@lru_cache(maxsize=128)
def synthesize(text: str) -> bytes:
    """Return `text` as speech: from espeak-ng if it is installed, otherwise from the lab's synthesis."""
    command = shutil.which(SYNTHESIZER)
    if command is None:
        return say(text)
    try:
        done = subprocess.run(  # noqa: S603 - the text is passed on standard input
            [command, "--stdin", "--stdout"],
            input=text.encode(),
            capture_output=True,
            check=True,
            timeout=_SYNTHESIZER_SECONDS,
        )
        return convert_wav(done.stdout)
    except (subprocess.SubprocessError, OSError, SoundError):
        return say(text)


def convert_wav(file: bytes) -> bytes:
    """Return the audio of a WAV file with any sample rate and number of channels as PCM.

    Raises:
        SoundError: It is not a WAV file of 8 or 16 bit, or too large.
    """
    if len(file) > MAX_SOUND_BYTES:
        raise SoundError("it is larger than 10 MB")
    import numpy as np  # noqa: PLC0415 - the lab starts without it

    try:
        with wave.open(io.BytesIO(file)) as reader:
            width, channels, rate = reader.getsampwidth(), reader.getnchannels(), reader.getframerate()
            # a program that writes to a pipe announces a wrong length
            frames = reader.readframes(min(reader.getnframes(), len(file)))
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
    """Return the samples at 8000 Hz, without frequencies above half of that."""
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
    """Return whether the audio ends with speech that is followed by a pause."""
    import numpy as np  # noqa: PLC0415

    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float64)
    windows = samples[: len(samples) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    audible = np.flatnonzero((windows**2).mean(axis=1) > _AUDIBLE**2) if len(windows) else np.zeros(0)
    return bool(len(audible)) and (len(windows) - 1 - int(audible[-1])) * _WINDOW / RATE >= PAUSE_SECONDS


def recognize(pcm: bytes, prompts: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the names of the prompts in a recording, in their order."""
    matches: list[PromptMatch] = []
    for match in rank(pcm, prompts) if pcm and prompts else ():
        if match.score >= SCORE_NEEDED and not any(match.overlaps(better) for better in matches):
            matches.append(match)
    return tuple(match.prompt for match in sorted(matches, key=lambda match: match.at))
