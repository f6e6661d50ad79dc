"""How a scripted callee follows its script. Pure: it says what happens and how long it takes; others wait."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pytest_sipfront.lab.file.sift_section import Turn

LISTENING = {
    "GetFreeResponse": "value",
    "GetMultipleChoice": "choice",
    "GetYesOrNo": "value",
    "GetNumber": "value",
    "GetDate": "value",
    "GetName": "value",
    "GetDigits": "digits",
}
"""The commands that ask, and under which key each reports its answer."""

_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TENS = {"twenty": 2, "thirty": 3, "forty": 4, "fifty": 5, "sixty": 6, "seventy": 7, "eighty": 8, "ninety": 9}
_SMALLEST_PAIR = 10
_YES, _NO = {"yes", "yeah", "yep", "sure", "correct"}, {"no", "nope", "wrong"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a question got: a value, or None for no answer; `error` as GetNumber words it; seconds that it took."""

    value: Any
    takes: float = 0.0
    error: str = "timeout"


class Listener:
    """One call's callee, somewhere in its script."""

    def __init__(self, script: tuple[Turn, ...]) -> None:
        self._turns = deque(script)
        self._unanswered = 0

    def hear(self, words: str) -> None:
        """Be told something: go on if that is what the script waits for."""
        turn = self._next()
        if turn is not None and turn.hears is not None and fnmatchcase(words.lower(), f"*{turn.hears.lower()}*"):
            self._turns.popleft()

    def ask(self, command: Mapping[str, Any]) -> Reply:
        """Be asked: answer if the script's next turn is an answer to such a question, else be silent."""
        turn = self._next()
        if turn is None or turn.hears is not None or turn.hangs_up is not None:
            return Reply(None)
        if turn.silence is not None:
            return self._be_silent(turn.silence)
        if (command["name"] == "GetDigits") is not (turn.presses is not None):
            return Reply(None)
        self._turns.popleft()
        return _pressed(turn, command) if turn.presses is not None else _spoken(turn, command)

    def leaves_after(self) -> float | None:
        """Return in how many seconds the callee hangs up, as things stand; None if it does not."""
        turn = self._next()
        return turn.hangs_up if turn is not None else None

    def remaining_words(self) -> list[str]:
        """Return what is left to say."""
        return [turn.says for turn in self._turns if turn.says is not None]

    def _next(self) -> Turn | None:
        return self._turns[0] if self._turns else None

    def _be_silent(self, times: int) -> Reply:
        self._unanswered += 1
        if self._unanswered >= times:
            self._unanswered = 0
            self._turns.popleft()
        return Reply(None)


def _pressed(turn: Turn, command: Mapping[str, Any]) -> Reply:
    """Fewer keys than asked for end in a timeout, and are lost, as documented."""
    keys, count = str(turn.presses), command.get("count")
    if isinstance(count, int) and len(keys) < count:
        return Reply(None, turn.takes)
    return Reply(keys[:count] if isinstance(count, int) else keys, turn.takes)


def _spoken(turn: Turn, command: Mapping[str, Any]) -> Reply:
    words = str(turn.says)
    value = turn.means if turn.means is not None else understood(words, command)
    return Reply(value, turn.takes, error="invalid")


def understood(words: str, command: Mapping[str, Any]) -> Any:
    """Return what a command that asks makes of these words; None if they are no answer to it."""
    return _UNDERSTANDING[command["name"]](words, command)


def _choice(words: str, command: Mapping[str, Any]) -> str | None:
    return next((choice for choice in command.get("choices", ()) if choice.lower() in words.lower()), None)


def _yes_or_no(words: str, _: Mapping[str, Any]) -> bool | None:
    said = set(re.findall(r"\w+", words.lower()))
    return None if bool(said & _YES) is bool(said & _NO) else bool(said & _YES)


def _number(words: str, _: Mapping[str, Any]) -> str | None:
    """Digits in order, spoken one by one or in tens: "forty four" and "four four" are both "44"."""
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
    found = re.search(r"(\d{4}-)?\d\d-\d\d", words)
    return found[0] if found else None


_UNDERSTANDING: Mapping[str, Callable[[str, Mapping[str, Any]], Any]] = {
    "GetFreeResponse": lambda words, _: words,
    "GetMultipleChoice": _choice,
    "GetYesOrNo": _yes_or_no,
    "GetNumber": _number,
    "GetDate": _date,
    "GetName": lambda words, _: words.lower(),
}
