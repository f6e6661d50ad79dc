"""A speech-like sound for each text, the same on every machine.

Letters become vowels with three formants, or noise. The result is not intelligible, but prompts made from it can be
distinguished: it has a pitch, pauses, and a spectrum that changes with every word.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 8000
_LETTER_SECONDS = 0.075
_PAUSE_SECONDS = 0.09
_PITCH_HZ = 118.0
_BANDWIDTHS_HZ = (90.0, 130.0, 190.0)
_PEAK = 12000
_VOWELS = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
    "y": (240, 2100, 2700),
}
_VOICED = {"b": 0, "d": 1, "g": 2, "j": 3, "l": 4, "m": 5, "n": 6, "r": 7, "v": 8, "w": 9, "z": 10}


@lru_cache(maxsize=128)
def say(text: str) -> bytes:
    """Return `text` as PCM: 16 bit, mono, 8000 samples per second. Other characters than letters are pauses."""
    import numpy as np  # noqa: PLC0415 - the lab starts without it

    sounds = [_letter(letter) for letter in text.lower()]
    wave = np.concatenate(sounds) if sounds else np.zeros(0)
    return _pcm(wave)


def tone(hertz: float, seconds: float) -> bytes:
    """Return a sine as PCM like `say`; frequency in hertz, length in seconds."""
    import numpy as np  # noqa: PLC0415

    time = np.arange(int(seconds * RATE)) / RATE
    return _pcm(np.sin(2 * np.pi * hertz * time))


@lru_cache(maxsize=64)
def _letter(letter: str) -> NDArray[np.float64]:
    import numpy as np  # noqa: PLC0415

    if letter in _VOWELS:
        return _faded(_voiced(_VOWELS[letter], 2 * _LETTER_SECONDS))
    if letter in _VOICED:
        number = _VOICED[letter]
        return _faded(0.5 * _voiced((220 + 25 * number, 900 + 130 * number, 2300 + 90 * number), _LETTER_SECONDS))
    if letter.isdigit():  # two vowels for each digit, so that every digit differs from every other
        number = int(letter)
        first = _voiced((280 + 50 * number, 2300 - 140 * number, 2700), 2 * _LETTER_SECONDS)
        second = _voiced((760 - 50 * number, 900 + 140 * number, 2500), 2 * _LETTER_SECONDS)
        return np.concatenate([_faded(first), _faded(second)])
    if letter.isalpha():
        return _faded(0.4 * _hiss(1200 + 73 * (ord(letter) % 31), _LETTER_SECONDS))
    return np.zeros(int(_PAUSE_SECONDS * RATE))


def _voiced(formants: tuple[int, int, int], seconds: float) -> NDArray[np.float64]:
    import numpy as np  # noqa: PLC0415

    time = np.arange(int(seconds * RATE)) / RATE
    harmonics = np.arange(_PITCH_HZ, RATE / 2 - 200, _PITCH_HZ)
    weights = sum(
        (0.7**place) / (1 + ((harmonics - formant) / width) ** 2)
        for place, (formant, width) in enumerate(zip(formants, _BANDWIDTHS_HZ, strict=True))
    )
    return _levelled(weights @ np.sin(2 * np.pi * np.outer(harmonics, time)))


def _hiss(centre: float, seconds: float) -> NDArray[np.float64]:
    import numpy as np  # noqa: PLC0415

    length = int(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(int(centre)).standard_normal(length))
    frequencies = np.fft.rfftfreq(length, 1 / RATE)
    return _levelled(np.fft.irfft(spectrum / (1 + ((frequencies - centre) / 400) ** 2), length))


def _levelled(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np  # noqa: PLC0415

    result: NDArray[np.float64] = wave / np.abs(wave).max()
    return result


def _faded(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np  # noqa: PLC0415

    ramp = min(len(wave) // 2, int(0.012 * RATE))
    edge = np.ones(len(wave))
    edge[:ramp] = np.linspace(0, 1, ramp)
    edge[-ramp:] = np.linspace(1, 0, ramp)
    return wave * edge


def _pcm(wave: NDArray[np.float64]) -> bytes:
    return bytes((wave * _PEAK).astype("<i2").tobytes())
