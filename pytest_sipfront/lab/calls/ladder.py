"""The SIP messages of each call, read from the message trace of the SIP stack."""

from __future__ import annotations

import logging
import re
import time
from collections import OrderedDict
from dataclasses import dataclass

TO_CALLEE = "->"
TO_CALLER = "<-"
_ADDRESSES = re.compile(r"\s*(TX|RX) \S+ (\S+) -> (\S+)\s+")
_CALL_ID = re.compile(r"^(?:Call-ID|i)\s*:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_FROM_TAG = re.compile(r"^(?:From|f)\s*:.*?;tag=([^;\s]+)", re.IGNORECASE | re.MULTILINE)
_CSEQ = re.compile(r"^CSeq\s*:\s*(\d+ \w+)", re.IGNORECASE | re.MULTILINE)
_KEPT_CALLS = 500
_SIP_LOG = logging.getLogger("baresip.native.sip")


@dataclass(frozen=True, slots=True)
class Rung:
    """One SIP message: `at` in seconds of `time.monotonic()`, its direction and its first line."""

    at: float
    direction: str
    line: str


class Ladders:
    """The messages of the latest calls, by Call-ID."""

    def __init__(self, kept: int = _KEPT_CALLS) -> None:
        self._rungs: OrderedDict[str, list[Rung]] = OrderedDict()
        self._caller_tags: dict[str, str] = {}
        self._kept = kept

    def add(self, text: str, at: float) -> None:
        """Add a traced message: a line with direction and addresses, then the message itself."""
        addresses = _ADDRESSES.match(text)
        call_id, tag = _CALL_ID.search(text), _FROM_TAG.search(text)
        if addresses is None or call_id is None or tag is None:
            return
        way, source, destination = addresses.groups()
        if way == "RX" and source == destination:
            return  # the lab calls itself: the same message was traced when it was sent
        line = text[addresses.end() :].split("\r\n", 1)[0].split("\n", 1)[0].strip()
        direction = self._direction(call_id[1], tag[1], is_response=line.startswith("SIP/2.0"))
        if line.startswith("SIP/2.0") and (cseq := _CSEQ.search(text)):
            line = f"{line} ({cseq[1]})"
        self._rungs.setdefault(call_id[1], []).append(Rung(at, direction, line))
        self._discard_oldest()

    def of(self, call_id: str) -> tuple[Rung, ...]:
        """Return the messages of a call in their order."""
        return tuple(self._rungs.get(call_id, ()))

    @property
    def call_ids(self) -> tuple[str, ...]:
        """The Call-IDs, the oldest first."""
        return tuple(self._rungs)

    def is_over(self, call_id: str, *, answered: bool) -> bool:
        """Whether the end of a call was confirmed: by the response to BYE, or before an answer by the final ACK."""
        lines = [rung.line for rung in self.of(call_id)]
        return any(line.endswith(" BYE)") if answered else line.startswith("ACK ") for line in lines)

    def _direction(self, call_id: str, tag: str, *, is_response: bool) -> str:
        # the first message of a call is its INVITE, so its From tag is the caller's
        from_caller = self._caller_tags.setdefault(call_id, tag) == tag
        return TO_CALLEE if from_caller is not is_response else TO_CALLER

    def _discard_oldest(self) -> None:
        while len(self._rungs) > self._kept:
            call_id, _ = self._rungs.popitem(last=False)
            self._caller_tags.pop(call_id, None)


class TraceHandler(logging.Handler):
    """Takes the message trace, which the SIP stack writes to a logger, from `install` to `remove`."""

    def __init__(self, ladders: Ladders) -> None:
        super().__init__(logging.DEBUG)
        self._ladders = ladders
        self._former = (_SIP_LOG.level, _SIP_LOG.propagate)

    def install(self) -> None:
        """Start to take messages and keep them from all other handlers."""
        self._former = (_SIP_LOG.level, _SIP_LOG.propagate)
        _SIP_LOG.setLevel(logging.DEBUG)
        _SIP_LOG.propagate = False
        _SIP_LOG.addHandler(self)

    def remove(self) -> None:
        """Restore the logger."""
        _SIP_LOG.removeHandler(self)
        level, _SIP_LOG.propagate = self._former
        _SIP_LOG.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Add a message; called by the thread of the SIP stack."""
        self._ladders.add(record.getMessage(), time.monotonic())
