"""The SIP message ladder of a call, read from the stack's trace of whole messages."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

TO_CALLEE = "->"
TO_CALLER = "<-"
_HOPS = re.compile(r"\s*(TX|RX) \S+ (\S+) -> (\S+)\s+")
_CALL_ID = re.compile(r"^(?:Call-ID|i)\s*:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_FROM_TAG = re.compile(r"^(?:From|f)\s*:.*?;tag=([^;\s]+)", re.IGNORECASE | re.MULTILINE)
_CSEQ = re.compile(r"^CSeq\s*:\s*(\d+ \w+)", re.IGNORECASE | re.MULTILINE)
_KEPT_CALLS = 500


@dataclass(frozen=True, slots=True)
class Rung:
    """One message: `at` in seconds on the trace's own clock, its direction and its first line."""

    at: float
    direction: str
    line: str


class Ladders:
    """Collects traced messages by Call-ID. The oldest calls are forgotten once many have been seen."""

    def __init__(self, kept: int = _KEPT_CALLS) -> None:
        self._rungs: OrderedDict[str, list[Rung]] = OrderedDict()
        self._caller_tags: dict[str, str] = {}
        self._kept = kept

    def add(self, text: str, at: float) -> None:
        """Take one traced message: a line of direction and addresses, then the message itself."""
        hops = _HOPS.match(text)
        call_id, tag = _CALL_ID.search(text), _FROM_TAG.search(text)
        if hops is None or call_id is None or tag is None:
            return
        way, source, sink = hops.groups()
        if way == "RX" and source == sink:
            return  # the lab calls itself: the same message was traced as it was sent
        line = text[hops.end() :].split("\r\n", 1)[0].split("\n", 1)[0].strip()
        direction = self._direction(call_id[1], tag[1], is_response=line.startswith("SIP/2.0"))
        shown = f"{line} ({cseq[1]})" if line.startswith("SIP/2.0") and (cseq := _CSEQ.search(text)) else line
        self._rungs.setdefault(call_id[1], []).append(Rung(at, direction, shown))
        self._forget()

    def of(self, call_id: str) -> tuple[Rung, ...]:
        """Return a call's messages in their order."""
        return tuple(self._rungs.get(call_id, ()))

    @property
    def call_ids(self) -> tuple[str, ...]:
        """The calls that are known, the oldest first."""
        return tuple(self._rungs)

    def is_over(self, call_id: str, *, answered: bool) -> bool:
        """Whether the call's end was confirmed: an answered one's BYE by its response, any other by the final ACK."""
        lines = [rung.line for rung in self.of(call_id)]
        return any(line.endswith(" BYE)") if answered else line.startswith("ACK ") for line in lines)

    def _direction(self, call_id: str, tag: str, *, is_response: bool) -> str:
        # the first message of a call is its INVITE, so its From tag is the caller's for good
        from_caller = self._caller_tags.setdefault(call_id, tag) == tag
        return TO_CALLEE if from_caller is not is_response else TO_CALLER

    def _forget(self) -> None:
        while len(self._rungs) > self._kept:
            call_id, _ = self._rungs.popitem(last=False)
            self._caller_tags.pop(call_id, None)
