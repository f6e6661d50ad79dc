"""The pytest hooks. Each is a guard and one call."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_sipfront.plugin import hookspecs, item_markers, options
from pytest_sipfront.plugin.fixture_order import RUN_FIXTURE, run_last
from pytest_sipfront.plugin.fixtures import sipfront, sipfront_doctor, sipfront_lab, sipfront_run
from pytest_sipfront.plugin.reports import terminal
from pytest_sipfront.plugin.runtest_hooks import watch
from pytest_sipfront.plugin.state import STATE, WORKER_LAB, State

__all__ = ["sipfront", "sipfront_doctor", "sipfront_lab", "sipfront_run"]
CONTROLLER = "sipfront-controller"
NAMES = ("sipfront", __name__)  # of the entry point, and of `-p pytest_sipfront.plugin`
pytest_plugins = ["pytest_sipfront.plugin.sift_hooks"]


class _Placeholder:
    """Occupies the other name of this module, since pytest fails if it registers a module under two names."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Register options and ini keys."""
    for name in NAMES:
        if not pluginmanager.has_plugin(name):
            pluginmanager.register(_Placeholder(), name)
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer hooks to others."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, so that a wrong one ends the session before anything else happens."""
    config.addinivalue_line("markers", item_markers.SIGNATURE)
    config.stash[STATE] = state = State(config)
    if state.settings.plan:
        from pytest_sipfront.plugin import planning  # noqa: PLC0415 - few sessions plan

        planning.keep_in_one_process(config)
    config.pluginmanager.register(_Interruption(state), "sipfront-interruption")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say where runs go."""
    state = config.stash[STATE]
    return terminal.header(state.settings, state.lab_in_words)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remember the session."""
    session.config.stash[STATE].begin(session)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Check marks while their module is collected, so that a mistake is a collection error of that module."""
    __tracebackhide__ = True
    made = yield
    for item in made if isinstance(made, list) else [made]:
        if isinstance(item, pytest.Function) and item_markers.is_marked(item):
            collector.config.stash[STATE].marked.check(item)
    return made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the run at the end of each marked test's setup, after other plugins have had their say on marks."""
    for item in items:
        if isinstance(item, pytest.Function) and item_markers.is_marked(item):
            run_last(item)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take part in the tests if one of them is Sipfront's, and let the controller of workers know."""
    if any(item_markers.is_marked(item) for item in session.items):
        session.config.stash[STATE].workers.flag_marked()
        watch(session.config)
    elif any(RUN_FIXTURE in getattr(item, "fixturenames", ()) for item in session.items):
        watch(session.config)  # its error wants to be reported as one


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Show the plan instead of running the tests; or check it, before the first is run."""
    state = session.config.stash[STATE]
    if not (state.settings.plan or state.settings.check):
        return None
    from pytest_sipfront.plugin import planning  # noqa: PLC0415

    return planning.instead_of_running(session, state)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember whose runs an imperative launch belongs to."""
    item.config.stash[STATE].current = item


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Launch nothing more, and close the books before the summary is made of them."""
    session.config.stash[STATE].finish()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Close with what did not pass, and where to look."""
    state = config.stash[STATE]
    lines = list(terminal.summary(terminalreporter.stats, state.settings, state.books()))
    if lines:
        terminalreporter.section("sipfront")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Let each worker of xdist's belong to this session, and give it the one lab."""
    config: pytest.Config = node.config
    state = config.stash[STATE]
    state.welcome(node.workerinput)
    if state.lab is not None and not config.getoption("collectonly"):
        node.workerinput[WORKER_LAB] = dict(state.lab())
    if not config.pluginmanager.hasplugin(CONTROLLER):
        config.pluginmanager.register(_Controller(state), CONTROLLER)


class _Interruption:
    """Hooks that are not told of the configuration."""

    def __init__(self, state: State) -> None:
        self._state = state

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note an interrupt from outside; that of `--stepwise` and the like ends a session in good order."""
        if not isinstance(excinfo.value, pytest.Session.Interrupted):
            self._state.interrupt()

    def pytest_internalerror(self) -> None:
        """Note that the session broke down."""
        self._state.interrupt()


class _Controller:
    """Hooks of a session that has workers."""

    def __init__(self, state: State) -> None:
        self._state = state

    def pytest_runtest_logstart(self) -> None:
        """Map SIGTERM here as well, once a worker has runs."""
        self._state.settle()
