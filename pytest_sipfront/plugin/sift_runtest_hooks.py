"""The Sift hooks that are registered on demand: with the first test that places calls, and with xdist workers."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sipfront.engine.client import monotonic, utcnow
from pytest_sipfront.errors import DetailedError
from pytest_sipfront.plugin.attempts import Attempts
from pytest_sipfront.plugin.reports import sift_calls
from pytest_sipfront.plugin.reports.error_details import raise_in
from pytest_sipfront.plugin.reports.run_document import sift_document
from pytest_sipfront.plugin.runtest_hooks import watch as register_sipfront_hooks
from pytest_sipfront.plugin.sift_session import SIFT, SiftSession
from pytest_sipfront.plugin.state import STATE

if TYPE_CHECKING:
    from pytest_sipfront.sift.call import Call

NAME = "sipfront-sift-calls"
_UNMATCHED = "sipfront_sift_unmatched"


def register(config: pytest.Config) -> None:
    """Register the hooks around each test, once."""
    register_sipfront_hooks(config)
    if not config.pluginmanager.hasplugin(NAME):
        config.pluginmanager.register(SiftRuntestHooks(config.stash[SIFT], config.stash[STATE].attempts), NAME)


class SiftRuntestHooks:
    """Hooks around each test."""

    def __init__(self, session: SiftSession, attempts: Attempts) -> None:
        self._session, self._attempts = session, attempts

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Forget the calls of an earlier attempt."""
        self._session.forget(item)
        sift_calls.forget(item.user_properties)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Fail a marked test whose call was not connected, instead of calling it."""
        __tracebackhide__ = True
        failure = self._session.failure(item)
        if failure is not None:
            raise_in(item.obj, failure)  # type: ignore[attr-defined]
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report a test's calls, and show the plugin's errors without its frames."""
        if call.excinfo is not None and isinstance(call.excinfo.value, DetailedError):
            error = call.excinfo.value
            trace = _without_plugin_frames(error.__traceback__)
            call.excinfo = pytest.ExceptionInfo.from_exception(error.with_traceback(trace))
        calls = self._session.calls(item)
        sift_calls.record(item.user_properties, calls)
        self._attempts.add_calls(item, self._documents(item, calls))
        report = yield
        if report.when == "call" or call.excinfo is not None:
            sift_calls.attach(report, calls, call.excinfo.value if call.excinfo else None)
        return report

    def _documents(self, item: pytest.Item, calls: list[Call]) -> Iterator[dict[str, Any]]:
        attempt, now, moment = self._attempts.number(item), monotonic(), utcnow()
        for number, call in enumerate(calls, start=1):
            yield sift_document(call, nodeid=item.nodeid, attempt=attempt, number=number, now=now, moment=moment)


def _without_plugin_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without frames of this package.

    `__tracebackhide__` does not reach all of them: the `__init__` of a dataclass is generated.
    """
    if trace is None:
        return None
    rest = _without_plugin_frames(trace.tb_next)
    if str(trace.tb_frame.f_globals.get("__name__", "")).startswith("pytest_sipfront."):
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


class SiftWorkers:
    """Hooks of a session with xdist workers: the controller shows the unmatched callbacks of all workers."""

    def __init__(self, session: SiftSession) -> None:
        self._session = session

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send this worker's unmatched callbacks to the controller."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_UNMATCHED] = list(self._session.unmatched)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Receive a worker's unmatched callbacks. A worker that crashed has sent none."""
        self._session.worker_unmatched += getattr(node, "workeroutput", {}).get(_UNMATCHED, [])
