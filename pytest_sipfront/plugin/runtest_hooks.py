"""The hooks around each test, registered with the first test that uses a run."""

from __future__ import annotations

import copy
from collections.abc import Generator
from typing import Any

import pytest

from pytest_sipfront.plugin import item_markers
from pytest_sipfront.plugin.reports import error_details
from pytest_sipfront.plugin.reports.properties import forget
from pytest_sipfront.plugin.state import STATE, State

NAME = "sipfront-tests"


def watch(config: pytest.Config) -> None:
    """Register the hooks, unless they are."""
    if not config.pluginmanager.hasplugin(NAME):
        config.pluginmanager.register(RuntestHooks(config.stash[STATE]), NAME)


class RuntestHooks:
    """Hooks around each test of a session with runs."""

    def __init__(self, state: State) -> None:
        self._state = state

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Start the engine before the first test."""
        if not session.testsfailed or session.config.option.continue_on_collection_errors:
            self._state.prepare()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Report a test whose run was being waited for when the session was interrupted."""
        try:
            return (yield)
        except KeyboardInterrupt:
            self._report_interrupted(item)
            raise
        finally:
            self._state.current = None
            self._state.settle()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Forget an earlier attempt at the test: a rerun gets a new run."""
        self._state.attempts.begin(item)
        self._state.marked.forget(item)
        forget(item.user_properties)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Raise an unexpected verdict before the body of the test."""
        __tracebackhide__ = True
        if item_markers.is_marked(item):
            self._state.marked.judge(item)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give the report the run's duration, and shape the errors of this plugin."""
        report = yield
        report.duration = max(report.duration + self._state.marked.seconds(item, report.when), 0.0)
        if call.excinfo is not None:
            error_details.shape(report, call.excinfo.value, item)
        self._state.attempts.attach(item, report)
        return report

    def _report_interrupted(self, item: pytest.Item) -> None:
        """Report what pytest leaves out: JUnit must show a run that may still be going on."""
        waiting = self._state.marked.waiting
        if waiting is None:
            return
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords=dict.fromkeys(item.keywords, 1),
            outcome="failed",
            longrepr=error_details.interrupted(waiting),
            when="setup",
            user_properties=item.user_properties,
        )
        self._state.attempts.attach(item, report)
        item.ihook.pytest_runtest_logreport(report=report)
        report = copy.copy(report)
        report.when, report.outcome, report.longrepr = "teardown", "passed", None
        item.ihook.pytest_runtest_logreport(report=report)
