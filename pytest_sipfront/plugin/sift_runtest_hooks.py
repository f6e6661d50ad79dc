"""The hooks that are registered only where they are needed: by the first test that calls, and with workers."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any

import pytest

from pytest_sipfront.errors import DetailedError
from pytest_sipfront.plugin.reports import sift_calls
from pytest_sipfront.plugin.reports.error_details import raise_in
from pytest_sipfront.plugin.runtest_hooks import watch as watch_tests
from pytest_sipfront.plugin.sift_state import SIFT, SiftState

NAME = "sipfront-sift-calls"
_STRAYS = "sipfront_sift_strays"


def watch(config: pytest.Config) -> None:
    """Take part in the tests from now on; sessions without a call never get here."""
    watch_tests(config)
    if not config.pluginmanager.hasplugin(NAME):
        config.pluginmanager.register(SiftRuntestHooks(config.stash[SIFT]), NAME)


class SiftRuntestHooks:
    """Hooks around each test."""

    def __init__(self, state: SiftState) -> None:
        self._state = state

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin each attempt at a test anew: a rerun has calls of its own."""
        self._state.forget(item)
        sift_calls.forget(item.user_properties)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Fail a marked test whose call was not connected, before its own body."""
        __tracebackhide__ = True
        failure = self._state.failure(item)
        if failure is not None:
            raise_in(item.obj, failure)  # type: ignore[attr-defined]
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report a test's calls, and errors of ours without frames of ours."""
        if call.excinfo is not None and isinstance(call.excinfo.value, DetailedError):
            error = call.excinfo.value
            call.excinfo = pytest.ExceptionInfo.from_exception(error.with_traceback(_theirs(error.__traceback__)))
        calls = self._state.calls(item)
        sift_calls.record(item.user_properties, calls)
        report = yield
        if report.when == "call" or call.excinfo is not None:
            sift_calls.attach(report, calls, call.excinfo.value if call.excinfo else None)
        return report


def _theirs(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without our frames, not even the `__init__` of a command, which is in no file to be hidden."""
    if trace is None:
        return None
    rest = _theirs(trace.tb_next)
    if str(trace.tb_frame.f_globals.get("__name__", "")).startswith("pytest_sipfront."):
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


class SiftWorkers:
    """Hooks of a session with workers: what each received for nobody is shown by the controller."""

    def __init__(self, state: SiftState) -> None:
        self._state = state

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over what this worker received for nobody."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_STRAYS] = list(self._state.session.strays)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker received for nobody; one that crashed tells nothing."""
        self._state.strays += getattr(node, "workeroutput", {}).get(_STRAYS, [])
