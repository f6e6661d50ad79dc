"""A live line with the counts of all runs, below the output of pytest on a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

import pytest

from pytest_sipfront.engine.client import monotonic
from pytest_sipfront.engine.run import Snapshot
from pytest_sipfront.plugin.reports.heartbeat import counts

_INTERVAL = 0.5
# Scroll if the cursor is in the last row, save the column, write one row below, and return.
_BELOW, _BACK = "\x1bD\x1b[A\x1b7\x1b[E\x1b[2K", "\x1b8"


class LiveLine:
    """Shows the counts of all runs if standard output is a terminal."""

    def __init__(self, config: pytest.Config, clock: Callable[[], float] = monotonic) -> None:
        self._config = config
        self._clock = clock
        self._updated_at = float("-inf")
        self._text = ""
        self._is_terminal: bool | None = None

    def show(self, snapshot: Snapshot) -> None:
        """Update the line, at most twice per second."""
        if self._clock() < self._updated_at + _INTERVAL:
            return
        self._updated_at = self._clock()
        self._write(f"sipfront: {counts(snapshot)}")

    def clear(self) -> None:
        """Erase the line before pytest prints more."""
        if self._text:
            self._write("")

    def _write(self, text: str) -> None:
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if capture is None or hasattr(self._config, "workerinput") or self._is_terminal is False:
            return
        with capture.global_and_fixture_disabled():
            self._is_terminal = sys.stdout.isatty()  # only known while capture is suspended
            if self._is_terminal:
                width = shutil.get_terminal_size().columns - 1
                sys.stdout.write(f"{_BELOW}{text[:width]}{_BACK}")
                sys.stdout.flush()
                self._text = text
