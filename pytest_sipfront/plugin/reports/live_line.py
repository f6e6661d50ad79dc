"""A live line on a terminal, below what pytest prints: how many runs are where, and when they will be over."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.plugin.reports.heartbeat import counts

if TYPE_CHECKING:
    from pytest_sipfront.engine.run_queue import Snapshot

_EVERY = 0.5
# Make room for one more line without leaving the current column, then write there and come back.
_BELOW, _BACK = "\x1bD\x1b[A\x1b7\x1b[E\x1b[2K", "\x1b8"


class LiveLine:
    """Shows where the runs stand, on a terminal only."""

    def __init__(self, config: pytest.Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._shown_at = float("-inf")
        self._shown = ""
        self._is_terminal: bool | None = None

    def show(self, now: Snapshot) -> None:
        """Bring the line up to date, now and then."""
        if self._clock() < self._shown_at + _EVERY:
            return
        self._shown_at = self._clock()
        self._write(f"sipfront: {counts(now)}")

    def clear(self) -> None:
        """Take the line away, before pytest writes on."""
        if self._shown:
            self._write("")

    def _write(self, text: str) -> None:
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if capture is None or hasattr(self._config, "workerinput") or self._is_terminal is False:
            return
        with capture.global_and_fixture_disabled():
            self._is_terminal = sys.stdout.isatty()  # which only shows while capture is put aside
            if self._is_terminal:
                width = shutil.get_terminal_size().columns - 1
                sys.stdout.write(f"{_BELOW}{text[:width]}{_BACK}")
                sys.stdout.flush()
                self._shown = text
