"""Find the prompts of a catalogue in a recording by their spectra, without speech recognition.

Recording and prompt become log spectra in steps of 16 ms. The prompt is correlated with the recording at every offset.
Its score is the mean of the correlation of the whole prompt and of its worst half second, because one changed word
hardly changes the correlation of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

RATE = 8000
HOP_SECONDS = 0.016
_HOP = int(RATE * HOP_SECONDS)
_WINDOW = 2 * _HOP
_BANDS = 24
_LOWEST_HZ, _HIGHEST_HZ = 150.0, 3600.0
_DYNAMIC_DB = 35.0
"""Range below the loudest step in which a band counts; lower levels are noise."""
_LEAST_DB = 10.0
_NOISE_PERCENTILE = 15
_ABOVE_NOISE_DB = 8.0
_PAUSE_SHARE = 0.3
"""A half second with less than this share of the mean level is a pause, which has no word to compare."""
_WORD_STEPS = 25
SAME_PLACE_SECONDS = 0.4
SCORE_NEEDED = 0.78
TOO_SHORT = -1.0
"""Score of a prompt that is longer than the recording."""
MARGIN_NEEDED = 0.05
_ERROR_RATIO = 1.5
"""Two scores near 1 are distinct if the worse one is this much farther from 1."""
_SHARED = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMatch:
    """The best match of a prompt.

    Args:
        prompt: Name of the prompt.
        score: From -1 to 1.
        at: Seconds from the start of the recording.
        seconds: Length of the prompt.
    """

    prompt: str
    score: float
    at: float
    seconds: float = 0.0

    def overlaps(self, other: PromptMatch) -> bool:
        """Whether two matches share so much audio that only one of them can be right."""
        shared = min(self.at + self.seconds, other.at + other.seconds) - max(self.at, other.at)
        return shared > _SHARED * min(self.seconds, other.seconds)

    def is_similar(self, other: PromptMatch) -> bool:
        """Whether the score of `other` is too close to this one to tell the prompts apart."""
        return self.score - other.score < MARGIN_NEEDED and 1 - other.score < _ERROR_RATIO * (1 - self.score)


def rank(recording: bytes, prompts: Mapping[str, bytes]) -> tuple[PromptMatch, ...]:
    """Return every prompt's best match in the recording, the best first.

    Args:
        recording: PCM, 16 bit, mono, 8000 samples per second.
        prompts: The catalogue: PCM in the same format by name.
    """
    recorded, depth = _above_noise(_decibels(recording))
    matches = (_match(name, recorded, _clipped(_decibels(pcm), depth)) for name, pcm in prompts.items())
    return tuple(sorted(matches, key=lambda match: match.score, reverse=True))


def best_rival(ranking: tuple[PromptMatch, ...], own: PromptMatch) -> PromptMatch | None:
    """Return the match of another prompt that makes `own` doubtful, or None.

    That is a prompt that overlaps and matches better, or one at the same position that matches nearly as well.
    """
    others = [match for match in ranking if match.prompt != own.prompt and match.score >= SCORE_NEEDED]
    better = (match for match in others if match.score > own.score and match.overlaps(own))
    similar = (match for match in others if abs(match.at - own.at) <= SAME_PLACE_SECONDS and own.is_similar(match))
    return next(better, None) or next(similar, None)


def _match(name: str, recorded: NDArray[np.float64], wanted: NDArray[np.float64]) -> PromptMatch:
    steps = len(wanted)
    if not 0 < steps <= len(recorded):
        return PromptMatch(prompt=name, score=TOO_SHORT, at=0.0)
    whole = _correlation(recorded, wanted)
    at = int(whole.argmax())
    matched = recorded[at : at + steps]
    audible = [part for part in _words(steps) if wanted[part].mean() >= _PAUSE_SHARE * wanted.mean()]
    worst = min(_similarity(matched[part], wanted[part]) for part in audible)
    return PromptMatch(
        prompt=name,
        score=round(float(whole[at] + worst) / 2, 3),
        at=round(at * HOP_SECONDS, 2),
        seconds=round(steps * HOP_SECONDS, 2),
    )


def _words(steps: int) -> list[slice]:
    count = max(1, round(steps / _WORD_STEPS))
    edges = [steps * place // count for place in range(count + 1)]
    return [slice(start, end) for start, end in pairwise(edges)]


def _similarity(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    import numpy as np  # noqa: PLC0415 - the lab starts without it

    first, second = first - first.mean(), second - second.mean()
    return float((first * second).sum() / (np.sqrt((first**2).sum() * (second**2).sum()) or 1.0))


def _correlation(recorded: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation (Pearson) of `wanted` with every section of `recorded` of the same length."""
    import numpy as np  # noqa: PLC0415

    size = wanted.size
    centred = wanted - wanted.mean()
    length = 1 << (len(recorded) + len(wanted) - 1).bit_length()
    product = np.fft.irfft(
        np.fft.rfft(recorded, length, axis=0) * np.fft.rfft(centred[::-1], length, axis=0), length, axis=0
    ).sum(axis=1)[len(wanted) - 1 : len(recorded)]
    totals = np.concatenate([[0.0], recorded.sum(axis=1).cumsum()])
    squares = np.concatenate([[0.0], (recorded**2).sum(axis=1).cumsum()])
    steps = len(wanted)
    total, square = totals[steps:] - totals[:-steps], squares[steps:] - squares[:-steps]
    spread = np.sqrt(np.maximum(square - total**2 / size, 1e-9) * (centred**2).sum())
    result: NDArray[np.float64] = product / np.maximum(spread, 1e-9)
    return result


def _above_noise(decibels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the recording above its noise, and the range of each band below the loudest step."""
    import numpy as np  # noqa: PLC0415

    if not len(decibels):
        return decibels, np.full(_BANDS, _DYNAMIC_DB)
    noise = np.percentile(decibels, _NOISE_PERCENTILE, axis=0) + _ABOVE_NOISE_DB
    depth = np.clip(_loudest(decibels) - noise, _LEAST_DB, _DYNAMIC_DB)
    return _clipped(decibels, depth), depth


def _clipped(decibels: NDArray[np.float64], depth: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np  # noqa: PLC0415

    return np.maximum(decibels - (_loudest(decibels) - depth), 0.0) if len(decibels) else decibels


def _loudest(decibels: NDArray[np.float64]) -> float:
    import numpy as np  # noqa: PLC0415

    return float(np.percentile(decibels, 99))


def _decibels(pcm: bytes) -> NDArray[np.float64]:
    """Return the log spectrum: one row per step, one column per band."""
    import numpy as np  # noqa: PLC0415

    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    steps = (len(samples) - _WINDOW) // _HOP + 1
    if steps < 1:
        return np.zeros((0, _BANDS))
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP][:steps]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1)) ** 2 @ _bands()
    result: NDArray[np.float64] = 10 * np.log10(power + 1.0)
    return result


@lru_cache(maxsize=1)
def _bands() -> NDArray[np.float64]:
    """Return triangular filters on the mel scale, one column per band."""
    import numpy as np  # noqa: PLC0415

    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(lowest, highest, _BANDS + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(_WINDOW, 1 / RATE)[:, None]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    result: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return result
