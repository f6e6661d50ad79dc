"""Progress messages during long waits: CI systems abort jobs that print nothing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import pytest

from pytest_sipfront.engine.client import monotonic
from pytest_sipfront.engine.run import Run, Snapshot

_log = logging.getLogger("pytest_sipfront")


def progress(run: Run, elapsed: float, snapshot: Snapshot | None = None) -> str:
    """Return a line with target, state, elapsed time and report URL of a run, and the counts of all runs."""
    state = (run.status.state if run.status else "") or ("launched" if run.launched else "launching")
    minutes, seconds = divmod(int(elapsed), 60)
    url = f", {run.report_url}" if run.report_url else ""
    all_runs = f" ({counts(snapshot)})" if snapshot is not None and snapshot.running + snapshot.waiting > 1 else ""
    return f"sipfront: {run.request.target}: {state}, {minutes}:{seconds:02d} min{url}{all_runs}"


def counts(snapshot: Snapshot) -> str:
    """Return the number of runs in each state and the estimated time left."""
    done = snapshot.passed + snapshot.failed + snapshot.none
    parts = [f"{snapshot.running} running", f"{snapshot.waiting} waiting", f"{done} done"]
    if snapshot.failed:
        parts.append(f"{snapshot.failed} failed")
    if snapshot.none:
        parts.append(f"{snapshot.none} without verdict")
    if snapshot.remaining is not None:
        parts.append(_time_left(snapshot.remaining))
    return ", ".join(parts)


def _time_left(seconds: float) -> str:
    if seconds < 1:
        return "due now"
    return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"  # noqa: PLR2004


class Heartbeat:
    """Prints the progress of a run at a fixed interval."""

    def __init__(
        self,
        write: Callable[[str], None],
        interval: float,
        clock: Callable[[], float] = monotonic,
        show: Callable[[Snapshot], None] = lambda _: None,
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare the messages.

        Args:
            write: Prints a line.
            interval: Seconds between messages; 0 disables them.
            clock: The monotonic clock.
            show: Updates the live line of a terminal.
            rest: Clears the live line.
        """
        self.rest = rest
        self._write = write
        self._interval = interval
        self._clock = clock
        self._show = show

    def of(self, run: Run) -> Callable[[Snapshot | None], None]:
        """Return a function to call often while waiting for `run`, with the state of all runs if there is news."""
        start = self._clock()
        due = start + self._interval
        latest: Snapshot | None = None

        def tick(snapshot: Snapshot | None) -> None:
            nonlocal due, latest
            now = self._clock()
            if snapshot is not None:
                latest = snapshot
                self._show(snapshot)
            if self._interval and now >= due:
                due = now + self._interval
                self._write(progress(run, now - start, latest))

        return tick


def line_writer(config: pytest.Config) -> Callable[[str], None]:
    """Return a function that logs a line and prints it despite pytest's capture, in workers to standard error."""

    def write(text: str) -> None:
        _log.info(text)
        capture = config.pluginmanager.getplugin("capturemanager")
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if capture is None:
            _print(reporter, text)
            return
        with capture.global_and_fixture_disabled():
            _print(reporter, text)

    def _print(reporter: pytest.TerminalReporter | None, text: str) -> None:
        if reporter is None or hasattr(config, "workerinput"):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
        else:
            reporter.ensure_newline()
            reporter.write_line(text)

    return write
