"""Speech prompts, recorded and of several synthetic voices, and their reception over impaired lines."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.lab.calls.rtp import _g711_table as g711_table
from pytest_sipfront.lab.calls.sound_files import decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
RECORDED = (
    *(f"digits/{name}" for name in (*range(21), 30, 40, 50, 60, 70, 80, 90)),
    *(f"letters/{letter}" for letter in "abcdefgkmnosxz"),
    "vm-goodbye", "vm-intro", "vm-login", "vm-password", "vm-youhave", "vm-messages", "demo-thanks", "invalid",
    "pbx-transfer", "conf-onlyperson", "agent-pass", "auth-thankyou",
)  # fmt: skip
SENTENCES = (
    "welcome to acme bank", "welcome to acme insurance", "press one for sales", "press two for sales",
    "your call is important to us", "please hold the line", "our office is closed", "thank you for calling",
    "nineteen", "two", "sixty", "eight",
)  # fmt: skip
VOICES = ("en-us", "en-gb+f3", "en-gb-scotland", "en-us+m3")
needs_recordings = pytest.mark.skipif(
    not SOUNDS.is_dir(), reason="Debian's package asterisk-core-sounds-en-wav is not installed"
)
needs_voices = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The impairments of a prompt on its way: loss in percent, level in dB, white noise in dBFS."""

    loss: float = 0.0
    level: float = 0.0
    noise: float | None = None


LINES = {
    "clean": Line(),
    "1 % loss": Line(loss=1),
    "3 % loss": Line(loss=3),
    "5 % loss": Line(loss=5),
    "-20 dB": Line(level=-20),
    "noise -40 dBFS": Line(noise=-40),
}


def recorded_prompts() -> dict[str, bytes]:
    """Return the recorded digits, letters and sentences as PCM."""
    return {name: decode((SOUNDS / f"{name}.wav").read_bytes()) for name in RECORDED}


def synthetic_prompts() -> dict[str, bytes]:
    """Return sentences and numbers of several voices as PCM."""
    prompts = {}
    for number, sentence in enumerate(SENTENCES):
        voice = VOICES[number % len(VOICES)]
        command = ["espeak-ng", "-v", voice, "--stdout", sentence]
        prompts[f"{voice}: {sentence}"] = decode(subprocess.run(command, capture_output=True, check=True).stdout)
    return prompts


def received(pcm: bytes, line: Line, seed: int) -> bytes:
    """Return what a caller receives of a prompt: G.711, A-law or mu-law by the seed, with silence around it."""
    import numpy as np

    draw = np.random.default_rng(seed)
    silence = bytes(2 * int(draw.integers(3000, 5000)))
    samples = np.frombuffer(silence + pcm + bytes(8000), "<i2") * 10 ** (line.level / 20)
    if line.noise is not None:
        samples = samples + draw.standard_normal(len(samples)) * 32768 * 10 ** (line.noise / 20)
    companded = _companded(samples, "pcmu" if seed % 2 else "pcma")
    for start in range(0, len(companded), 160):
        if draw.random() * 100 < line.loss:
            companded[start : start + 160] = 0
    return companded.tobytes()


def _companded(samples: NDArray[np.float64], codec: str) -> NDArray[np.int16]:
    """Return the nearest values that the codec has."""
    import numpy as np

    values = np.unique(g711_table(codec))
    upper = np.searchsorted(values, samples).clip(1, len(values) - 1)
    nearest = np.where(samples - values[upper - 1] < values[upper] - samples, upper - 1, upper)
    result: NDArray[np.int16] = values[nearest]
    return result
