"""The hooks of a controller of pytest-xdist, which reports the interrupted tests of its workers."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sipfront.engine.run import Run
from pytest_sipfront.plugin.reports import error_details, properties
from pytest_sipfront.plugin.reports.artifacts import Evidence
from pytest_sipfront.plugin.reports.run_document import REPORT_ATTRIBUTE, page_of, run_document
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
        document = self._keep_files(nodeid, run)
        if document["artifacts"]:
            named.append((properties.PREFIX + properties.ARTIFACTS, document["artifacts"]["directory"]))
        reports = error_details.interrupted(nodeid, location, run, named)
        setattr(reports[0], REPORT_ATTRIBUTE, [document])
        error_details.complete(reports[0], [], [], page_of(document) if document["artifacts"] else "")
        for report in reports:
            if worker is not None:
                report.node = worker  # type: ignore[attr-defined]
            self._config.hook.pytest_runtest_logreport(report=report)

    def _keep_files(self, nodeid: str, run: Run) -> dict[str, Any]:
        """Keep the files of an interrupted run, and return its document."""
        artifacts, on_lab = self._state.artifacts, self._state.settings.lab
        evidence = artifacts.evidence(run.launched.run_id if run.launched else "") if on_lab else {}
        document = run_document(run, nodeid=nodeid, on_lab=on_lab, evidence=evidence)
        document["kind"] = "no-verdict"
        if artifacts.keeps(failed=True):
            raw = None if run.status is None else run.status.raw
            artifacts.keep(nodeid, 1, [Evidence(document, raw)], failure="interrupted")
        return document
