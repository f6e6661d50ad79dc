"""The arrows of a ladder: the messages of a call, or the callbacks of a service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

_LONG_GAP_SECONDS = 0.5
_OK, _FIRST_ERROR = range(200, 300), 300


@dataclass(frozen=True, slots=True)
class Message:
    """An arrow of a ladder, to its right end or to its left end.

    `gap` is the number of seconds since the previous message if that is long ago, else 0.
    """

    seconds: float
    to_right: bool
    text: str
    tone: str = ""
    retransmission: bool = False
    gap: float = 0.0


def sip_messages(ladder: Iterable[tuple[float, str, str, bool]]) -> list[Message]:
    """Return the SIP messages of a call, from the caller at the left to the callee at the right.

    Args:
        ladder: Of each message the seconds since the first one, "->" to the callee or "<-" to the caller, its first
            line, and whether it is a retransmission.
    """
    return with_gaps(
        Message(seconds, direction == "->", line, _sip_tone(line), retransmission)
        for seconds, direction, line, retransmission in ladder
    )


def _sip_tone(line: str) -> str:
    protocol, _, rest = line.partition(" ")
    code = int(rest[:3]) if protocol == "SIP/2.0" and rest[:3].isdigit() else 0
    return "good" if code in _OK else "bad" if code >= _FIRST_ERROR else ""


def with_gaps(messages: Iterable[Message]) -> list[Message]:
    """Return the messages, each after a long pause with the length of that pause."""
    result: list[Message] = []
    for message in messages:
        gap = message.seconds - result[-1].seconds if result else 0.0
        result.append(replace(message, gap=gap) if gap >= _LONG_GAP_SECONDS else message)
    return result
