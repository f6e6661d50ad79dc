"""The pytest hooks of the plugin. Each hook is a guard and one call."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.plugin import hookspecs, item_markers, options
from pytest_sipfront.plugin.fixture_order import RUN_FIXTURE, run_last
from pytest_sipfront.plugin.fixtures import sipfront, sipfront_doctor, sipfront_lab, sipfront_run
from pytest_sipfront.plugin.reports import terminal
from pytest_sipfront.plugin.reports.recorder import RECORDER, Recorder
from pytest_sipfront.plugin.runtest_hooks import NAME as RUNTEST_HOOKS
from pytest_sipfront.plugin.runtest_hooks import watch
from pytest_sipfront.plugin.state import STATE, WORKER_LAB, State
from pytest_sipfront.suites import is_suite

__all__ = ["sipfront", "sipfront_doctor", "sipfront_lab", "sipfront_run"]
CONTROLLER = "sipfront-controller"
LATE_RUNS = pytest.StashKey[list[str]]()  # lines about runs that cannot start early
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
    """Register the hooks for conftest files and other plugins."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings first, so that an invalid one ends the session before the first test."""
    config.addinivalue_line("markers", item_markers.SIGNATURE)
    config.stash[STATE] = state = State(config)
    if state.settings.replay is not None:
        from pytest_sipfront.plugin.reports.replayed import ReplayReports  # noqa: PLC0415 - few sessions replay

        config.pluginmanager.register(ReplayReports(), "sipfront-replay")
    if state.settings.plan:
        from pytest_sipfront.plugin import planning  # noqa: PLC0415 - few sessions plan

        planning.keep_in_one_process(config)
    if state.settings.prove:
        from pytest_sipfront.plugin import proof  # noqa: PLC0415 - few sessions prove a suite

        proof.register(config, state)
    config.pluginmanager.register(_Interruption(state), "sipfront-interruption")
    if state.settings.mask_numbers:
        from pytest_sipfront.plugin.reports.masking_hooks import MaskingHooks  # noqa: PLC0415 - few sessions mask

        config.pluginmanager.register(MaskingHooks(), "sipfront-masking")
    if not state.processes.is_worker:
        config.stash[RECORDER] = Recorder(config, state)
        config.pluginmanager.register(config.stash[RECORDER], "sipfront-recorder")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Show target, credentials and concurrency."""
    state = config.stash[STATE]
    return terminal.header(state.settings, state.lab_in_words, state.recording)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remember the session."""
    session.config.stash[STATE].begin(session)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect suite files."""
    if not is_suite(file_path.name):
        return None
    from pytest_sipfront.plugin.suite_files import SuiteFile  # noqa: PLC0415 - few sessions have one

    collector: pytest.Collector = SuiteFile.from_parent(parent, path=file_path)
    return collector


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> Generator[None, Any, Any]:
    """Check markers while their module is collected, so that a mistake is a collection error of that module."""
    __tracebackhide__ = True
    collected = yield
    if item_markers.CHECKS_MARKERS in collector.stash:
        return collected
    if item_markers.is_marked_partial(obj):
        raise collector.CollectError(f"{collector.nodeid}::{name}: {item_markers.PARTIAL_CANNOT_BE_MARKED}")
    for item in collected if isinstance(collected, list) else [collected]:
        if not isinstance(item, pytest.Function):
            continue
        if item_markers.is_marked(item):
            collector.config.stash[STATE].marked.check(item)
        if problem := item_markers.lost_marker(item):
            raise collector.CollectError(f"{item.nodeid}: {problem}")
    return collected


@pytest.hookimpl(tryfirst=True)  # before the terminal reporter prints the lines about late runs
def pytest_collection_finish(session: pytest.Session) -> None:
    """Set up runs last, register the per-test hooks if a test uses a run, and find obstacles of look-ahead."""
    marked = [item for item in session.items if item_markers.is_marked(item)]
    functions = [item for item in marked if isinstance(item, pytest.Function)]
    for item in functions:
        run_last(item)
    state = session.config.stash[STATE]
    if state.settings.concurrency > 1 and not state.processes.is_worker:
        from pytest_sipfront.plugin.look_ahead import late_runs, obstacle  # noqa: PLC0415 - with concurrency

        session.config.stash[LATE_RUNS] = list(late_runs([obstacle(item) for item in functions]))
    fixtures = {"sipfront", RUN_FIXTURE}
    if marked or any(not fixtures.isdisjoint(getattr(item, "fixturenames", ())) for item in session.items):
        watch(session.config)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Show which fixtures keep runs from starting early."""
    return [config.stash[STATE].shown(f"sipfront: {line}") for line in config.stash.get(LATE_RUNS, [])]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Check the names of all runs, or print the plan instead of running the tests."""
    state = session.config.stash[STATE]
    if not (state.settings.plan or state.settings.check):
        return None
    from pytest_sipfront.plugin import planning  # noqa: PLC0415

    return planning.instead_of_running(session, state)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember the current test, to which imperative launches belong, and set up the run of a late marker."""
    item.config.stash[STATE].current = item
    if item_markers.is_marked(item) and isinstance(item, pytest.Function) and RUN_FIXTURE not in item.fixturenames:
        run_last(item)
        watch(item.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Report a marker that was added in the setup of a session without any other marked test."""
    __tracebackhide__ = True
    if item_markers.is_marked(item) and not item.config.pluginmanager.has_plugin(RUNTEST_HOOKS):
        watch(item.config)
        item.config.stash[STATE].marked.judge(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Stop launching, save the durations before the summary, and correct the JUnit file when it is written."""
    config = session.config
    state = config.stash[STATE]
    state.finish()
    yield
    has_runs = config.pluginmanager.hasplugin(RUNTEST_HOOKS) or config.pluginmanager.hasplugin(CONTROLLER)
    path = config.getoption("xmlpath", None)
    if has_runs and path and not state.processes.is_worker:
        from pytest_sipfront.plugin.reports import junit_file  # noqa: PLC0415 - only with a JUnit file

        base = config.invocation_params.dir
        junit_file.correct(junit_file.written_to(path, base), state.settings.junit_properties, base)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the closing section: totals, tests that did not pass, and runs that are still running."""
    state = config.stash[STATE]
    record = config.stash[RECORDER].record
    replay = functools.partial(_replay_command, config) if hasattr(state.settings, "lab_keep") else None
    lines = (
        []
        if record is None
        else list(terminal.summary(record, state.settings, state.summary(), replay if state.settings.lab else None))
    )
    late_runs = config.stash.get(LATE_RUNS, [])
    if lines:
        terminalreporter.section("sipfront")
        for line in lines + late_runs:
            terminalreporter.write_line(state.shown(line))
    for line in config.stash[RECORDER].lines:
        terminalreporter.write_line(f"sipfront: {line}")
    for command in config.stash[RECORDER].annotations:
        terminalreporter.write_line(command)


def _replay_command(config: pytest.Config, nodeid: str) -> str:
    """Return the command that places the call of a test again and keeps the lab open."""
    lab = config.getoption("sipfront_lab")
    option = [] if lab is None else ["--sipfront-lab" if lab == "true" else f"--sipfront-lab={lab}"]
    path, *rest = nodeid.split("::", 1)
    # `config.cwd_relative_nodeid` takes another type since pytest 9.2
    relative = Path(os.path.relpath(config.rootpath / path, config.invocation_params.dir)).as_posix()
    return shlex.join(["pytest", "::".join([relative, *rest]), *option, "--sipfront-lab-keep"])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Keep the lab running, if requested."""
    state = config.stash.get(STATE, None)
    if state is not None and state.settings.lab_keep:
        state.keep_lab()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the session id, the shared directory and the lab to a worker."""
    config: pytest.Config = node.config
    state = config.stash[STATE]
    state.processes.welcome(node.workerinput)
    state.share(node.workerinput)
    if state.lab is not None and not config.getoption("collectonly"):
        node.workerinput[WORKER_LAB] = dict(state.lab())
    if not config.pluginmanager.hasplugin(CONTROLLER):
        from pytest_sipfront.plugin.xdist_controller import XdistController  # noqa: PLC0415 - only with workers

        config.pluginmanager.register(XdistController(config, state), CONTROLLER)


class _Interruption:
    """Hooks that have no `config` argument."""

    def __init__(self, state: State) -> None:
        self._state = state

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Record an interrupt. `--stepwise` and similar options end a session in good order."""
        if not isinstance(excinfo.value, pytest.Session.Interrupted):
            self._state.interrupt()

    def pytest_internalerror(self) -> None:
        """Record that the session was aborted."""
        self._state.interrupt()
