"""A sign of life during long waits: CI kills jobs that are silent, and people wonder."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.engine.run import Run

if TYPE_CHECKING:
    from pytest_sipfront.engine.run_queue import Snapshot

_log = logging.getLogger("pytest_sipfront")


def sentence(run: Run, elapsed: float, others: Snapshot | None = None) -> str:
    """Say where a run stands: its test, its state, how long already, where to look; and where all of them stand."""
    state = (run.status.state if run.status else "") or ("launched" if run.launched else "launching")
    minutes, seconds = divmod(int(elapsed), 60)
    where = f", {run.report_url}" if run.report_url else ""
    among = f" ({counts(others)})" if others is not None and others.running + others.waiting > 1 else ""
    return f"sipfront: {run.request.target}: {state}, {minutes}:{seconds:02d} min{where}{among}"


def counts(now: Snapshot) -> str:
    """Say how many runs are where, and when they will be over."""
    words = [f"{now.running} running", f"{now.waiting} waiting", f"{now.passed + now.failed + now.none} done"]
    words += [f"{now.failed} failed"] if now.failed else []
    words += [f"{now.none} without verdict"] if now.none else []
    return ", ".join([*words, _left(now.remaining)] if now.remaining is not None else words)


def _left(seconds: float) -> str:
    if seconds < 1:
        return "due now"
    return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"  # noqa: PLR2004


class Heartbeat:
    """Says every `every` seconds where a run stands; never, if 0."""

    def __init__(
        self,
        say: Callable[[str], None],
        every: float,
        clock: Callable[[], float] = time.monotonic,
        show: Callable[[Snapshot], None] = lambda _: None,
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        """Speak through `say`; `show` keeps a terminal's live line up to date, and `rest` takes it away."""
        self.rest = rest
        self._say = say
        self._every = every
        self._clock = clock
        self._show = show

    def of(self, run: Run, others: Callable[[], Snapshot] | None = None) -> Callable[[], None]:
        """Return what to call often while `run` is waited for; `others` tells where all runs stand."""
        began = self._clock()
        due = began + self._every

        def tick() -> None:
            nonlocal due
            now = self._clock()
            snapshot = others() if others is not None else None
            if snapshot is not None:
                self._show(snapshot)
            if self._every and now >= due:
                due = now + self._every
                self._say(sentence(run, now - began, snapshot))

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
