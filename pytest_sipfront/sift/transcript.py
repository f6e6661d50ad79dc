"""What was heard in a call, and whether it was the words that were expected."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Final


def normalised(text: str) -> str:
    """Return `text` in lower case, without punctuation, with single spaces: transcripts have neither."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = re.sub("['\u2019]", "", plain)  # "don't" is one word, however it is written
    return " ".join(re.sub(r"[\W_]+", " ", plain).split())


def word_error_rate(expected: str, heard: str) -> float:
    """Return the wrong, missing and added words over the expected ones, after normalisation; 0 is perfect.

    What is heard where nothing is expected counts as wrong altogether: infinity.
    """
    import jiwer  # noqa: PLC0415 - only tests that compare words pay for it

    reference, hypothesis = normalised(expected), normalised(heard)
    if not reference:
        return math.inf if hypothesis else 0.0
    return float(jiwer.wer(reference, hypothesis))


@dataclass(frozen=True, slots=True)
class TextMatch:
    """The outcome of a comparison: true if at most `allowed` word errors; its repr says what was compared."""

    heard: str
    expected: str
    wer: float
    allowed: float

    def __bool__(self) -> bool:
        return self.wer <= self.allowed

    def __repr__(self) -> str:
        return (
            f"<heard {self.heard!r}, expected {self.expected!r}: "
            f"word error rate {self.wer:.2f}, allowed {self.allowed:.2f}>"
        )


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the other side said.

    Attributes:
        text: The transcript as Sift has it.
    """

    text: str

    def says(self, expected: str, wer: float = 0.2) -> TextMatch:
        """Return whether it is what was expected, true or false, with at most `wer` word errors per expected word.

        Case, punctuation and spacing do not count.
        """
        return TextMatch(self.text, expected, word_error_rate(expected, self.text), wer)

    def __str__(self) -> str:
        return self.text


class NoAnswer:
    """The answer that did not come: false, and equal to nothing but itself, unlike `False` and `""`."""

    __slots__ = ()
    text: Final = ""

    def says(self, expected: str, wer: float = 0.2) -> TextMatch:
        """Return a mismatch: nothing was heard."""
        return TextMatch("", expected, math.inf, wer)

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NO_ANSWER"

    def __reduce__(self) -> str:
        return "NO_ANSWER"


NO_ANSWER: Final = NoAnswer()
