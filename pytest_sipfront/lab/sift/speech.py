"""Convert text to PCM, and recognise the prompts in PCM.

PCM has 16 bit, one channel and 8000 samples per second. Prompts are recognised by their sound, from the catalogue of
the lab file: there is no speech recognition.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.audio import RATE
from pytest_sipfront.lab.calls.prompt_recognition import SCORE_NEEDED, PromptMatch, rank
from pytest_sipfront.lab.calls.sound_files import SoundError, decode
from pytest_sipfront.lab.calls.speech_synthesis import say

if TYPE_CHECKING:
    pass

SYNTHESIZER = "espeak-ng"
PAUSE_SECONDS = 0.8
_SYNTHESIZER_SECONDS = 20.0
_WINDOW = RATE // 50
_AUDIBLE = 200  # root mean square of samples up to 32768, about -44 dBFS


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
        return decode(done.stdout)
    except (subprocess.SubprocessError, OSError, SoundError):
        return say(text)


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
