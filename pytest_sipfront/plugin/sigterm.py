"""Handles SIGTERM, which CI systems send to abort a build, like Ctrl-C: pytest tears down and writes its reports."""

from __future__ import annotations

import signal
import threading


class SigtermHandler:
    """Maps SIGTERM to KeyboardInterrupt while runs are live: in the main thread, unless another handler is set."""

    def __init__(self) -> None:
        self._mapped = False

    def follow(self, *, live: bool) -> None:
        """Map the signal if runs are `live`; otherwise restore it."""
        if threading.current_thread() is not threading.main_thread() or live is self._mapped:
            return
        if live and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            self._mapped = True
        elif not live:
            if signal.getsignal(signal.SIGTERM) is signal.default_int_handler:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._mapped = False
