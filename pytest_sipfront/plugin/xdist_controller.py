"""The hooks of a controller of pytest-xdist, which reports the interrupted tests of its workers."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sipfront.engine.run import Run
from pytest_sipfront.plugin.reports import error_details, properties
from pytest_sipfront.plugin.state import State


class XdistController:
    """Knows which tests its workers are running. After an interrupt, no report of a worker arrives any more."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        self._config, self._state = config, state
        self._running: dict[str, tuple[Any, Any]] = {}

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Remember a test, and handle SIGTERM in this process, too, once a worker has runs."""
        self._running[nodeid] = (location, None)
        self._state.settle()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Forget a test that has ended; of another one, remember the worker."""
        running = self._running.pop(report.nodeid, None)
        if running is not None and report.when != "teardown":
            self._running[report.nodeid] = (running[0], getattr(report, "node", None))

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Report the tests that are waiting for a run, before JUnit is written."""
        if isinstance(excinfo.value, pytest.Session.Interrupted) or not self._running:
            return
        for run in self._state.awaited():
            # pytest-xdist may have appended "@group" to the node id
            running = [nodeid for nodeid in self._running if nodeid == run.label or nodeid.startswith(f"{run.label}@")]
            for nodeid in running:
                self._report(nodeid, run)

    def _report(self, nodeid: str, run: Run) -> None:
        location, worker = self._running.pop(nodeid)
        known = [*properties.of_request(run.request), *(properties.of_launch(run) if run.launched else ())]
        named: list[tuple[str, object]] = [(properties.PREFIX + name, value) for name, value in known]
        for report in error_details.interrupted(nodeid, location, run, named):
            if worker is not None:
                report.node = worker  # type: ignore[attr-defined]
            self._config.hook.pytest_runtest_logreport(report=report)
