"""The `sipfront` fixture: runs that a test body launches, and queries to the platform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pytest_sipfront.clients.sipfront.models import Document, Endpoint, RunStatus
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
        """URL of the report page."""
        return self._run.report_url

    @property
    def session_id(self) -> str:
        """Id of the run's session, from the response to the launch."""
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
    """Launches runs and queries the platform. `run` and `launch` take the arguments of the marker."""

    def __init__(self, session: RunSession, recorder: Callable[[], Record], origin: Callable[[], Origin]) -> None:
        self._session = session
        self._recorder = recorder
        self._origin = origin

    def run(self, **arguments: Any) -> RunResult:
        """Launch a run and wait for its verdict: `sipfront.run(test="Basic call", step_1_0_dial_destination="100")`.

        Args:
            **arguments: As in the marker: test, project, test_ids, step_<n>_<n>_<name>, report_mode, params, timeout,
                exclusive, match, and expect, which is "passed", "failed", or None to accept both verdicts.

        Raises:
            RunFailed: The verdict is not the expected one.
            SipfrontError: There is no verdict. The test is reported as ERROR.
        """
        __tracebackhide__ = True
        return self.launch(**arguments).wait()

    def launch(self, **arguments: Any) -> PendingRun:
        """Launch a run and return it without waiting for its verdict. The arguments are those of `run`.

        Raises:
            SipfrontError: The run was not launched, or it is unknown whether it was.
        """
        __tracebackhide__ = True
        spec = _run_spec(arguments, self._session.settings.report_mode)
        record, origin = self._recorder(), self._origin()
        return PendingRun(self._session, self._session.launch(spec, origin, record), origin, record)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoints of the API."""
        __tracebackhide__ = True
        endpoints: tuple[Endpoint, ...] = self._session.ask("explore")
        return endpoints

    def tests(self) -> Document:
        """Return the tests of the account and their parameters, in the platform's format."""
        __tracebackhide__ = True
        document: Document = self._session.ask("tests")
        return document

    def projects(self) -> Document:
        """Return the projects of the account, in the platform's format."""
        __tracebackhide__ = True
        document: Document = self._session.ask("projects")
        return document

    def runs(self) -> Document:
        """Return the runs of the account, in the platform's format."""
        __tracebackhide__ = True
        document: Document = self._session.ask("runs")
        return document

    def last_run(self, test_id: int) -> RunStatus:
        """Return the status of the last run of a test, which may have been launched elsewhere."""
        __tracebackhide__ = True
        status: RunStatus = self._session.ask("last_status_of_test", test_id)
        return status

    def stats(self, run: RunResult | PendingRun, measure: str | None = None) -> Document:
        """Return all measurements of a run, or a single `measure`, in the platform's format."""
        __tracebackhide__ = True
        document: Document = self._session.ask("run_stats", run.session_id, measure)
        return document

    def request(self, method: str, path: str, *, body: Any = None) -> Document:
        """Send a request to any endpoint once: `sipfront.request("GET", "/appimages")`, with a path below `/api/v2`."""
        __tracebackhide__ = True
        document: Document = self._session.ask("request", method, path, body=body)
        return document


def _run_spec(arguments: dict[str, Any], report_mode: str | None) -> RunSpec:
    __tracebackhide__ = True
    accepts_both = "expect" in arguments and arguments["expect"] is None
    if repeated := sorted({"repeat", "pass_at_least"} & arguments.keys()):
        raise ConfigurationError(f"sipfront.run: {repeated[0]}= is an argument of the marker; call run() several times")
    try:
        spec = make_run_spec(normalise(arguments), report_mode=report_mode)
    except MarkerError as error:
        raise ConfigurationError(f"sipfront.run: {error}") from None
    return replace(spec, expectation=Expectation(verdict=None)) if accepts_both else spec
