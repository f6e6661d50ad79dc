"""Generate the prompts in this directory: `python make.py` (needs espeak-ng and numpy).

The lab reads WAV files with one channel of 16 bit at 8000 Hz, the format of a telephone line.
"""

from __future__ import annotations

import io
import subprocess
import wave
from pathlib import Path

import numpy as np

RATE = 8000
PROMPTS = {
    "welcome": "Welcome. Press one for sales, or two for support.",
    "sales": "Sales, please hold the line.",
    "support": "Support, how can we help you?",
    "closed": "We are closed, please call tomorrow.",
}


def speak(text: str) -> tuple[np.ndarray, int]:
    """Return espeak-ng's samples of `text` and their rate."""
    command = ["espeak-ng", "-v", "en-us", "-s", "200", "--stdout", text]
    spoken = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603 - no input from outside
    with wave.open(io.BytesIO(spoken)) as file:
        # the header of a WAV file from a pipe has no length
        return np.frombuffer(file.readframes(2**30), "<i2").astype(float), file.getframerate()


def resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return the samples at the telephone's rate, without the frequencies above half of it."""
    length = int(len(samples) * RATE / rate)
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    return np.fft.irfft(spectrum, length) * length / len(samples)


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Return the samples without the silence around them."""
    loud = np.flatnonzero(np.abs(samples) > 300)
    return samples[loud[0] : loud[-1]]


def main() -> None:
    """Write a WAV file for each prompt, beside this script."""
    for name, text in PROMPTS.items():
        samples = trimmed(resampled(*speak(text)))
        samples *= 16000 / np.abs(samples).max()
        with wave.open(str(Path(__file__).with_name(f"{name}.wav")), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples.astype("<i2").tobytes())


if __name__ == "__main__":
    main()
