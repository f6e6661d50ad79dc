"""The hooks around each test, registered with the first one that is Sipfront's: no other session pays for them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_sipfront.plugin import item_markers
from pytest_sipfront.plugin.reports import error_details
from pytest_sipfront.plugin.reports.properties import forget
from pytest_sipfront.plugin.state import STATE, State

NAME = "sipfront-tests"


def watch(config: pytest.Config) -> None:
    """Take part in the tests from now on."""
    if not config.pluginmanager.hasplugin(NAME):
        config.pluginmanager.register(RuntestHooks(config.stash[STATE]), NAME)


class RuntestHooks:
    def __init__(self, state: State) -> None:
        self._state = state

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, Any, Any]:
        """Keep SIGTERM mapped while a run is live, and no longer."""
        try:
            return (yield)
        finally:
            self._state.current = None
            self._state.settle()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin each attempt at a test anew: a rerun has a run of its own."""
        self._state.marked.forget(item)
        forget(item.user_properties)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Take over the run's verdict before the test's own body."""
        __tracebackhide__ = True
        if item_markers.is_marked(item):
            self._state.marked.judge(item)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report our errors as what they are, and the run's own duration."""
        report = yield
        report.duration = max(report.duration + self._state.marked.seconds(item, report.when), 0.0)
        if call.excinfo is not None:
            error_details.shape(report, call.excinfo.value, item)
        return report
