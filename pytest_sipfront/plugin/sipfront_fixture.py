"""The `sipfront` fixture: runs from within a test's body, for what a mark cannot say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pytest_sipfront.clients.sipfront.models import Document
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.verdict import Expectation
from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.plugin.reports.properties import Record
from pytest_sipfront.plugin.run_session import Origin, RunSession, objection
from pytest_sipfront.plugin.run_spec import MarkerError, RunSpec, make_run_spec, normalise


class PendingRun:
    """A launched run."""

    def __init__(self, session: RunSession, run: Run, origin: Origin, record: Record) -> None:
        self._session = session
        self._run = run
        self._origin = origin
        self._record = record
        self._result: RunResult | None = None

    @property
    def report_url(self) -> str:
        """The page for people."""
        return self._run.report_url

    @property
    def session_id(self) -> str:
        """The session's id as the launch named it."""
        return self._run.session_id

    def wait(self) -> RunResult:
        """Wait for the verdict and return the result.

        Raises:
            RunFailed: The verdict is not the expected one.
            SipfrontError: There is no verdict.
        """
        __tracebackhide__ = True
        if self._result is None:
            self._result = self._session.wait(self._run, self._origin, self._record)
        failure = objection(self._result, self._run.expectation)
        if failure is not None:
            raise failure
        return self._result


class Sipfront:
    """Launches runs and asks the platform. The words are those of the marker."""

    def __init__(self, session: RunSession, recorder: Callable[[], Record], origin: Callable[[], Origin]) -> None:
        self._session = session
        self._recorder = recorder
        self._origin = origin

    def run(self, **words: Any) -> RunResult:
        """Launch a run and wait for its verdict: `sipfront.run(test="Basic call", step_1_0_dial_destination="100")`.

        Args:
            **words: As in the marker: test, project, test_ids, step_<n>_<n>_<name>, report_mode, params, timeout,
                exclusive, match, and expect, which is "passed", "failed", or None to get the result of either.

        Raises:
            RunFailed: The verdict is not the expected one.
            SipfrontError: There is no verdict; the test is reported as ERROR.
        """
        __tracebackhide__ = True
        return self.launch(**words).wait()

    def launch(self, **words: Any) -> PendingRun:
        """Launch a run and return it at once; `wait()` on it gives the result. The words are those of `run`.

        Raises:
            SipfrontError: It was not launched, or nobody knows whether it was.
        """
        __tracebackhide__ = True
        asked = _order(words, self._session.settings.report_mode)
        record, origin = self._recorder(), self._origin()
        return PendingRun(self._session, self._session.launch(asked, origin, record), origin, record)

    def tests(self) -> Document:
        """Return the account's tests and their parameters, as the platform lists them."""
        __tracebackhide__ = True
        document: Document = self._session.ask("tests")
        return document

    def projects(self) -> Document:
        """Return the account's projects, as the platform lists them."""
        __tracebackhide__ = True
        document: Document = self._session.ask("projects")
        return document

    def stats(self, run: RunResult | PendingRun, measure: str | None = None) -> Document:
        """Return what the platform measured in a run, or one `measure` of it."""
        __tracebackhide__ = True
        document: Document = self._session.ask("run_stats", run.session_id, measure)
        return document

    def request(self, method: str, path: str, *, body: Any = None) -> Document:
        """Send what is not published, once: `sipfront.request("GET", "/appimages")`, a path below `/api/v2`."""
        __tracebackhide__ = True
        document: Document = self._session.ask("request", method, path, body=body)
        return document


def _order(words: dict[str, Any], report_mode: str | None) -> RunSpec:
    __tracebackhide__ = True
    either = "expect" in words and words["expect"] is None
    try:
        asked = make_run_spec(normalise(words), report_mode=report_mode)
    except MarkerError as error:
        raise ConfigurationError(f"sipfront.run: {error}") from None
    if either:
        return replace(asked, expectation=Expectation(verdict=None))
    return asked
