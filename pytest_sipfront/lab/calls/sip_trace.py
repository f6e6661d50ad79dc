"""Where the SIP stack's message trace comes out: a logger, which this module listens to."""

from __future__ import annotations

import logging
import time

from pytest_sipfront.lab.calls.ladder import Ladders

_SIP_LOG = logging.getLogger("baresip.native.sip")


class Trace(logging.Handler):
    """Between `install` and `remove`, takes the trace out of the log and into ladders."""

    def __init__(self, ladders: Ladders) -> None:
        super().__init__(logging.DEBUG)
        self._ladders = ladders
        self._before = (_SIP_LOG.level, _SIP_LOG.propagate)

    def install(self) -> None:
        """Start taking messages, and keep them from every other handler."""
        self._before = (_SIP_LOG.level, _SIP_LOG.propagate)
        _SIP_LOG.setLevel(logging.DEBUG)
        _SIP_LOG.propagate = False
        _SIP_LOG.addHandler(self)

    def remove(self) -> None:
        """Leave the log as it was."""
        _SIP_LOG.removeHandler(self)
        level, _SIP_LOG.propagate = self._before
        _SIP_LOG.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Take one message; called by the stack's own thread."""
        self._ladders.add(record.getMessage(), time.monotonic())
