"""The pytest hooks for Sift that every session has."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.plugin import sift_marker, sift_options
from pytest_sipfront.plugin.session_engine import SessionEngine
from pytest_sipfront.plugin.sift_fixtures import FIXTURE, sift, sift_call, sift_connection, sift_incoming
from pytest_sipfront.plugin.sift_options import SiftTarget, account_target, lab_target
from pytest_sipfront.plugin.sift_session import SIFT, SiftSession
from pytest_sipfront.plugin.state import STATE

__all__ = ["sift", "sift_call", "sift_connection", "sift_incoming"]
SHOWN_UNMATCHED = 10
WORKERS = "sipfront-sift-workers"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini keys."""
    sift_options.add_options(parser)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings. An invalid value ends the session before collection."""
    config.addinivalue_line("markers", sift_marker.SIGNATURE)
    settings = sift_options.read_settings(config)
    state = config.stash[STATE]

    def target() -> SiftTarget:
        __tracebackhide__ = True
        if state.lab is not None and settings.sources["base_url"] != "command line":
            return lab_target(state.lab())
        return account_target(settings.base_url)

    def engine() -> SessionEngine:
        return state.engine

    dialling = not config.getoption("setuponly", default=False)
    session = config.stash[SIFT] = SiftSession(
        settings, state.settings, target, lambda: state.engine, dialling=dialling
    )
    config.add_cleanup(session.close)
    if hasattr(config, "workerinput"):
        _register_xdist(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Collect the unmatched callbacks of the xdist workers."""
    _register_xdist(node.config)


def _register_xdist(config: pytest.Config) -> None:
    from pytest_sipfront.plugin import sift_runtest_hooks  # noqa: PLC0415 - only sessions with workers need it

    if not config.pluginmanager.hasplugin(WORKERS):
        config.pluginmanager.register(sift_runtest_hooks.SiftWorkers(config.stash[SIFT]), WORKERS)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Check the markers of a module's tests. A mistake is a collection error of the module."""
    collected = yield
    for item in collected if isinstance(collected, list) else [collected]:
        if isinstance(item, pytest.Function) and sift_marker.is_marked(item):
            try:
                sift_marker.read_call_spec(item)
            except ConfigurationError as error:
                raise pytest.Collector.CollectError(f"{item.nodeid}: {error}") from None
    return collected


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the fixture that places the call to each marked test."""
    marked = [item for item in items if isinstance(item, pytest.Function) and sift_marker.is_marked(item)]
    for item in marked:
        if FIXTURE not in item.fixturenames:
            item.fixturenames = [*item.fixturenames, FIXTURE]
    if marked:
        from pytest_sipfront.plugin import sift_runtest_hooks  # noqa: PLC0415 - only sessions with a call need it

        sift_runtest_hooks.register(config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the callbacks that belong to no call."""
    session = config.stash[SIFT]
    unmatched = [*session.worker_unmatched, *session.unmatched]
    if unmatched:
        terminalreporter.section("sift")
        noun = "callback" if len(unmatched) == 1 else "callbacks"
        terminalreporter.write_line(f"{len(unmatched)} unmatched {noun}; most recent:")
        for line in unmatched[-SHOWN_UNMATCHED:]:
            terminalreporter.write_line(line)
