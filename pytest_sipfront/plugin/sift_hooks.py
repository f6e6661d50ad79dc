"""The pytest hooks for Sift that every session has. Each is a guard and one call."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.plugin import sift_marker, sift_options, sift_state
from pytest_sipfront.plugin.sift_fixtures import FIXTURE, sift, sift_call, sift_connection, sift_incoming

__all__ = ["sift", "sift_call", "sift_connection", "sift_incoming"]
STRAYS_SHOWN = 10
WORKERS = "sipfront-sift-workers"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini keys."""
    sift_options.add_options(parser)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, so that a wrong one ends the session before anything else happens."""
    config.addinivalue_line("markers", sift_marker.SIGNATURE)
    sift_state.start(config)
    if hasattr(config, "workerinput"):
        _join(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Listen to the workers of xdist's once there are some."""
    _join(node.config)


def _join(config: pytest.Config) -> None:
    from pytest_sipfront.plugin import sift_runtest_hooks  # noqa: PLC0415 - only sessions with workers pay for it

    if not config.pluginmanager.hasplugin(WORKERS):
        config.pluginmanager.register(sift_runtest_hooks.SiftWorkers(config.stash[sift_state.SIFT]), WORKERS)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Check marks while their module is collected, so that a mistake is a collection error of that module."""
    made = yield
    for item in made if isinstance(made, list) else [made]:
        if isinstance(item, pytest.Function) and sift_marker.is_marked(item):
            try:
                sift_marker.read_order(item)
            except ConfigurationError as error:
                raise pytest.Collector.CollectError(f"{item.nodeid}: {error}") from None
    return made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Dial for a marked test, whether it names the fixture or not."""
    marked = [item for item in items if isinstance(item, pytest.Function) and sift_marker.is_marked(item)]
    for item in marked:
        if FIXTURE not in item.fixturenames:
            item.fixturenames = [*item.fixturenames, FIXTURE]
    if marked:
        from pytest_sipfront.plugin import sift_runtest_hooks  # noqa: PLC0415 - only who calls pays for it

        sift_runtest_hooks.watch(config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Close with what was received for nobody."""
    known = config.stash[sift_state.SIFT]
    strays = [*known.strays, *known.session.strays]
    if strays:
        terminalreporter.section("sift")
        terminalreporter.write_line(f"{len(strays)} callback{'s'[: len(strays) > 1]} for nobody, the latest:")
        for line in strays[-STRAYS_SHOWN:]:
            terminalreporter.write_line(line)
