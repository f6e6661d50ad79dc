"""A sign of life during long waits: CI kills jobs that are silent, and people wonder."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

import pytest

from pytest_sipfront.runs.run import Run

_log = logging.getLogger("pytest_sipfront")


def sentence(run: Run, elapsed: float) -> str:
    """Say where a run stands: its test, its state, how long already, where to look."""
    state = (run.status.state if run.status else "") or ("launched" if run.launched else "launching")
    minutes, seconds = divmod(int(elapsed), 60)
    where = f", {run.report_url}" if run.report_url else ""
    return f"sipfront: {run.request.target}: {state}, {minutes}:{seconds:02d} min{where}"


class Heartbeat:
    """Says every `every` seconds where a run stands; never, if 0."""

    def __init__(self, say: Callable[[str], None], every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._every = every
        self._clock = clock

    def of(self, run: Run) -> Callable[[], None]:
        """Return what to call often while `run` is waited for."""
        began = self._clock()
        due = began + self._every

        def tick() -> None:
            nonlocal due
            now = self._clock()
            if self._every and now >= due:
                due = now + self._every
                self._say(sentence(run, now - began))

        return tick


def speaker(config: pytest.Config) -> Callable[[str], None]:
    """Return what writes a line past pytest's capture, and logs it. An xdist worker's line goes to standard error."""

    def say(text: str) -> None:
        _log.info(text)
        capture = config.pluginmanager.getplugin("capturemanager")
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if capture is None:
            _write(reporter, text)
            return
        with capture.global_and_fixture_disabled():
            _write(reporter, text)

    def _write(reporter: pytest.TerminalReporter | None, text: str) -> None:
        if reporter is None or hasattr(config, "workerinput"):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
        else:
            reporter.ensure_newline()
            reporter.write_line(text)

    return say
