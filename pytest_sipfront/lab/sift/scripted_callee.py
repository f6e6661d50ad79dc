"""A callee that follows a script: what it answers and how many seconds that takes. Nothing here waits."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.sift_section import Turn


_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TENS = {"twenty": 2, "thirty": 3, "forty": 4, "fifty": 5, "sixty": 6, "seventy": 7, "eighty": 8, "ninety": 9}
_SMALLEST_PAIR = 10
_YES, _NO = {"yes", "yeah", "yep", "sure", "correct"}, {"no", "nope", "wrong"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a listening command.

    Args:
        value: The answer; None if there was no answer, or one that the command does not accept.
        takes: Seconds until the answer.
        error: The reason for None, in the words of GetNumber.
    """

    value: Any
    takes: float = 0.0
    error: str = "timeout"


class ScriptedCallee:
    """The callee of one call and its position in the script."""

    def __init__(self, script: tuple[Turn, ...]) -> None:
        self._turns = deque(script)
        self._unanswered = 0

    def hear(self, words: str) -> None:
        """Move to the next turn if the script waits for these words."""
        turn = self._turn
        if turn is not None and turn.hears is not None and fnmatchcase(words.lower(), f"*{turn.hears.lower()}*"):
            self._turns.popleft()

    def answer(self, command: Mapping[str, Any]) -> Answer:
        """Return the answer to a listening command: silence unless the current turn answers this kind of command."""
        turn = self._turn
        if turn is None or turn.hears is not None or turn.hangs_up is not None:
            return Answer(None)
        if turn.silence is not None:
            return self._silence(turn.silence)
        if (command["name"] == "GetDigits") is not (turn.presses is not None):
            return Answer(None)
        self._turns.popleft()
        return _pressed(turn, command) if turn.presses is not None else _spoken(turn, command)

    @property
    def hangup_delay(self) -> float | None:
        """Seconds until the callee hangs up; None unless that is its current turn."""
        return self._turn.hangs_up if self._turn is not None else None

    def remaining_words(self) -> list[str]:
        """Return the texts that the callee has not said yet."""
        return [turn.says for turn in self._turns if turn.says is not None]

    @property
    def _turn(self) -> Turn | None:
        return self._turns[0] if self._turns else None

    def _silence(self, times: int) -> Answer:
        self._unanswered += 1
        if self._unanswered >= times:
            self._unanswered = 0
            self._turns.popleft()
        return Answer(None)


def _pressed(turn: Turn, command: Mapping[str, Any]) -> Answer:
    """Return the pressed keys; as documented, fewer keys than the command needs time out and are discarded."""
    keys, count = str(turn.presses), command.get("count")
    if isinstance(count, int) and len(keys) < count:
        return Answer(None, turn.takes)
    return Answer(keys[:count] if isinstance(count, int) else keys, turn.takes)


def _spoken(turn: Turn, command: Mapping[str, Any]) -> Answer:
    words = str(turn.says)
    value = turn.means if turn.means is not None else interpret(words, command)
    return Answer(value, turn.takes, error="invalid")


def interpret(words: str, command: Mapping[str, Any]) -> Any:
    """Return the value that a listening command reads from these words; None if they do not answer it."""
    return _INTERPRETERS[command["name"]](words, command)


def _choice(words: str, command: Mapping[str, Any]) -> str | None:
    return next((choice for choice in command.get("choices", ()) if choice.lower() in words.lower()), None)


def _yes_or_no(words: str, _: Mapping[str, Any]) -> bool | None:
    spoken = set(re.findall(r"\w+", words.lower()))
    return None if bool(spoken & _YES) is bool(spoken & _NO) else bool(spoken & _YES)


def _number(words: str, _: Mapping[str, Any]) -> str | None:
    """Return the digits in order, spoken one by one or in tens: "forty four" and "four four" are both "44"."""
    digits, tens = "", False
    for word in re.findall(r"\d+|[a-z]+", words.lower()):
        if word in _TENS:
            digits, tens = digits + f"{_TENS[word]}0", True
        elif word in _UNITS:
            value = _UNITS.index(word)
            digits = (digits[:-1] if tens and 0 < value < _SMALLEST_PAIR else digits) + str(value)
            tens = False
        elif word.isdigit():
            digits, tens = digits + word, False
    return digits or None


def _date(words: str, _: Mapping[str, Any]) -> str | None:
    date = re.search(r"(\d{4}-)?\d\d-\d\d", words)
    return date[0] if date else None


_INTERPRETERS: Mapping[str, Callable[[str, Mapping[str, Any]], Any]] = {
    "GetFreeResponse": lambda words, _: words,
    "GetMultipleChoice": _choice,
    "GetYesOrNo": _yes_or_no,
    "GetNumber": _number,
    "GetDate": _date,
    "GetName": lambda words, _: words.lower(),
}
