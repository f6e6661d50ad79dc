"""SIGTERM, by which CI aborts a build, as an interrupt: pytest then tears down, writes its reports and ends."""

from __future__ import annotations

import signal
import threading


class SigtermHandler:
    """Maps SIGTERM to what Ctrl-C does: only while a run is live, in the main thread, if nobody else handles it."""

    def __init__(self) -> None:
        self._mapped = False

    def follow(self, *, live: bool) -> None:
        """Map the signal if a run is live, and put it back if none is."""
        if threading.current_thread() is not threading.main_thread() or live is self._mapped:
            return
        if live and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            self._mapped = True
        elif not live:
            if signal.getsignal(signal.SIGTERM) is signal.default_int_handler:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._mapped = False
