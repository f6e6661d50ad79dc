"""The pytest hooks for Sift. Each is a guard and one call."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.reports.details import raise_in
from pytest_sipfront.sift import marks, reporting, settings, state
from pytest_sipfront.sift.fixtures import FIXTURE, sift, sift_call, sift_connection, sift_incoming

__all__ = ["sift", "sift_call", "sift_connection", "sift_incoming"]
STRAYS_SHOWN = 10


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini keys."""
    settings.add_options(parser)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings."""
    config.addinivalue_line("markers", marks.SIGNATURE)
    state.start(config)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Check marks while their module is collected, so that a mistake is a collection error of that module."""
    made = yield
    for item in made if isinstance(made, list) else [made]:
        if isinstance(item, pytest.Function) and marks.is_marked(item):
            try:
                marks.read_order(item)
            except ConfigurationError as error:
                raise pytest.Collector.CollectError(f"{item.nodeid}: {error}") from None
    return made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Dial for a marked test, whether it names the fixture or not."""
    for item in items:
        if isinstance(item, pytest.Function) and marks.is_marked(item) and FIXTURE not in item.fixturenames:
            item.fixturenames = [*item.fixturenames, FIXTURE]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin each attempt at a test anew: a rerun has calls of its own."""
    reporting.forget(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a marked test whose call was not connected, before its own body."""
    __tracebackhide__ = True
    failure = item.stash.get(state.FAILURE, None)
    if failure is not None:
        raise_in(item.obj, failure)  # type: ignore[attr-defined]
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a test's calls."""
    reporting.record(item)
    report = yield
    if report.when == "call" or call.excinfo is not None:
        reporting.attach(report, item, call.excinfo.value if call.excinfo else None)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Close with what was received for nobody."""
    strays = config.stash[state.SESSION].strays
    if strays:
        terminalreporter.section("sift")
        terminalreporter.write_line(f"{len(strays)} callbacks for nobody, the latest:")
        for line in strays[-STRAYS_SHOWN:]:
            terminalreporter.write_line(line)
