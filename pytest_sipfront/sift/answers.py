"""Answers of the other side: transcripts, missing answers, and how they are read from done callbacks.

The documentation has several forms for a missing answer: an empty string, null with an `error`, or no field at all. All
of them become `NO_ANSWER`, while `False` is an answer. The field of the answer differs between commands. Therefore all
documented fields are read, beginning with the field of the command.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pytest_sipfront.errors import ConfigurationError, InvalidResponse
from pytest_sipfront.extras import missing_extra

_FIELDS = ("value", "choice", "digits")
_YES_OR_NO = {"true": True, "yes": True, "false": False, "no": False}


def normalised(text: str) -> str:
    """Return `text` in lower case, without punctuation and with single spaces, as in transcripts."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = re.sub("['\u2019]", "", plain)  # "don't" and "dont" are one word
    return " ".join(re.sub(r"[\W_]+", " ", plain).split())


def word_error_rate(expected: str, heard: str) -> float:
    """Return the wrong, missing and added words divided by the expected words, after normalisation; 0 is perfect.

    If no words are expected, any word makes it infinite.

    Raises:
        ConfigurationError: The `sift` extra is not installed.
    """
    try:
        import jiwer  # noqa: PLC0415 - only tests that compare words need it
    except ImportError:
        raise ConfigurationError(missing_extra("sift", "a comparison of words")) from None

    reference, hypothesis = normalised(expected), normalised(heard)
    if not reference:
        return math.inf if hypothesis else 0.0
    return float(jiwer.wer(reference, hypothesis))


@dataclass(frozen=True, slots=True)
class TextMatch:
    """The result of a comparison. It is true if the word error rate is at most `allowed`."""

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
    """The words of the other side.

    Attributes:
        text: Sift's transcript.
    """

    text: str

    def says(self, expected: str, wer: float = 0.2) -> TextMatch:
        """Compare with the expected words, ignoring case, punctuation and spacing.

        Args:
            expected: The expected words.
            wer: The highest accepted word error rate.
        """
        return TextMatch(self.text, expected, word_error_rate(expected, self.text), wer)

    def __str__(self) -> str:
        return self.text


class NoAnswer:
    """A missing answer. It is false, and equal to no other value, unlike `False` and `""`."""

    __slots__ = ()
    text: Final = ""

    def says(self, expected: str, wer: float = 0.2) -> TextMatch:
        """Return a mismatch."""
        return TextMatch("", expected, math.inf, wer)

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NO_ANSWER"

    def __reduce__(self) -> str:
        return "NO_ANSWER"


NO_ANSWER: Final = NoAnswer()


def read_value(body: Mapping[str, Any], field: str = "value") -> Any:
    """Return the value in a done callback, or `NO_ANSWER`. `field` is read before the other documented fields."""
    values = (body.get(name) for name in (field, *_FIELDS))
    return next((value for value in values if value is not None and value != ""), NO_ANSWER)


def read_transcript(body: Mapping[str, Any]) -> Transcript | NoAnswer:
    """Read the answer to a GetFreeResponse."""
    answer = read_text(body)
    return answer if isinstance(answer, NoAnswer) else Transcript(answer)


def read_text(body: Mapping[str, Any], field: str = "value") -> str | NoAnswer:
    """Read an answer that is text: digits, a number, a date or a name.

    Raises:
        InvalidResponse: The value is not a string or number.
    """
    value = read_value(body, field)
    if isinstance(value, bool) or not isinstance(value, str | int | float | NoAnswer):
        raise _invalid(value, "a string")
    if isinstance(value, NoAnswer):
        return value
    return str(value) if str(value).strip() else NO_ANSWER


def read_yes_or_no(body: Mapping[str, Any]) -> bool | NoAnswer:
    """Read the answer to a GetYesOrNo.

    Raises:
        InvalidResponse: The value is not a bool and not "yes", "no", "true" or "false".
    """
    value = read_value(body)
    if isinstance(value, bool | NoAnswer):
        return value
    if isinstance(value, str) and value.strip().lower() in _YES_OR_NO:
        return _YES_OR_NO[value.strip().lower()]
    raise _invalid(value, "true or false")


def read_choice(body: Mapping[str, Any], choices: Sequence[str]) -> str | NoAnswer:
    """Read the answer to a GetMultipleChoice, in the spelling of `choices`.

    Raises:
        InvalidResponse: The value is none of the choices.
    """
    value = read_text(body, "choice")
    if isinstance(value, NoAnswer) or value in choices:
        return value
    for choice in choices:
        if normalised(choice) == normalised(value):
            return choice
    raise _invalid(value, f"one of {', '.join(choices)}")


def _invalid(value: Any, allowed: str) -> InvalidResponse:
    return InvalidResponse(f"Sift reported {value!r} instead of {allowed}")
