"""From the body of a done callback to what the other side answered. Pure.

The pages disagree on how a question without an answer is reported: an empty text, null with an `error`, or nothing.
All of them are `NO_ANSWER`; only `False` is an answer. Under which key an answer stands differs by command as well, so
every documented key is looked for, the command's own first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_sipfront.errors import InvalidResponse
from pytest_sipfront.sift.transcript import NO_ANSWER, NoAnswer, Transcript, normalised

_KEYS = ("value", "choice", "digits")


def value_of(body: Mapping[str, Any], own: str = "value") -> Any:
    """Return what a done callback reports, or `NO_ANSWER`."""
    values = (body.get(key) for key in (own, *_KEYS))
    return next((value for value in values if value is not None and value != ""), NO_ANSWER)


def heard_in(body: Mapping[str, Any]) -> Transcript | NoAnswer:
    """Read a GetFreeResponse's answer."""
    text = text_in(body)
    return text if isinstance(text, NoAnswer) else Transcript(text)


def text_in(body: Mapping[str, Any], own: str = "value") -> str | NoAnswer:
    """Read an answer that is a text: digits, a number, a date or a name."""
    value = value_of(body, own)
    if isinstance(value, bool) or not isinstance(value, str | int | float | NoAnswer):
        raise _unreadable(value, "a text")
    if isinstance(value, NoAnswer):
        return value
    return str(value) if str(value).strip() else NO_ANSWER


def truth_in(body: Mapping[str, Any]) -> bool | NoAnswer:
    """Read a GetYesOrNo's answer."""
    value = value_of(body)
    if isinstance(value, bool | NoAnswer):
        return value
    words = {"true": True, "yes": True, "false": False, "no": False}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise _unreadable(value, "true or false")


def choice_in(body: Mapping[str, Any], choices: Sequence[str]) -> str | NoAnswer:
    """Read a GetMultipleChoice's answer, as it was spelt in `choices`."""
    value = text_in(body, "choice")
    if isinstance(value, NoAnswer) or value in choices:
        return value
    for choice in choices:
        if normalised(choice) == normalised(value):
            return choice
    raise _unreadable(value, f"one of {', '.join(choices)}")


def _unreadable(value: Any, wanted: str) -> InvalidResponse:
    return InvalidResponse(f"Sift reported {value!r} where {wanted} belongs")
