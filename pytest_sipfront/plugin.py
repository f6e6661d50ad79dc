"""The pytest hooks. Each is a guard and one call."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_sipfront import marker, options
from pytest_sipfront.fixtures import sipfront, sipfront_doctor, sipfront_lab, sipfront_run
from pytest_sipfront.marked import prepare
from pytest_sipfront.reports import outcome, terminal
from pytest_sipfront.reports.properties import forget
from pytest_sipfront.state import STATE, WORKER_LAB, State

__all__ = ["sipfront", "sipfront_doctor", "sipfront_lab", "sipfront_run"]
pytest_plugins = ["pytest_sipfront.sift.plugin"]  # without this plugin there is none of it either


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini keys."""
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, so that a wrong one ends the session before anything else happens."""
    config.addinivalue_line("markers", marker.SIGNATURE)
    config.stash[STATE] = State(config)
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_Xdist(config), "sipfront-xdist")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say where runs go."""
    state = config.stash[STATE]
    return terminal.header(state.settings, state.lab_in_words)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Check marks while their module is collected, so that a mistake is a collection error of that module."""
    __tracebackhide__ = True
    made = yield
    check = collector.config.stash[STATE].marked.check
    for item in made if isinstance(made, list) else [made]:
        if isinstance(item, pytest.Function):
            check(item)
    return made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the run at the end of each marked test's setup, after other plugins have had their say on marks."""
    for item in items:
        prepare(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Remember whose runs an imperative launch belongs to."""
    state = item.config.stash[STATE]
    state.current = item
    try:
        return (yield)
    finally:
        state.current = None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin each attempt at a test anew: a rerun has a run of its own."""
    item.config.stash[STATE].marked.forget(item)
    forget(item.user_properties)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Take over the run's verdict before the test's own body."""
    __tracebackhide__ = True
    item.config.stash[STATE].marked.judge(item)
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report our errors as what they are, and the run's own duration."""
    report = yield
    report.duration = max(report.duration + item.config.stash[STATE].marked.seconds(item, report.when), 0.0)
    if call.excinfo is not None:
        outcome.shape(report, call.excinfo.value, item)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Close with what did not pass, and where to look."""
    lines = list(terminal.summary(terminalreporter.stats, config.stash[STATE].settings))
    if lines:
        terminalreporter.section("sipfront")
        for line in lines:
            terminalreporter.write_line(line)


class _Xdist:
    """Hooks of a session with workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give each worker the one lab of the session."""
        lab = self._config.stash[STATE].lab
        if lab is not None and not self._config.getoption("collectonly"):
            node.workerinput[WORKER_LAB] = dict(lab())
