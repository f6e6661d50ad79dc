"""The session's runs, for synchronous callers. The line to the platform opens at the first run."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pytest_sipfront.access import Access
from pytest_sipfront.errors import ConfigurationError, RunFailed, SipfrontError, SipfrontWarning
from pytest_sipfront.marker import Order
from pytest_sipfront.options import Settings
from pytest_sipfront.reports import properties
from pytest_sipfront.reports.heartbeat import Heartbeat
from pytest_sipfront.reports.properties import Record
from pytest_sipfront.runs.run import Run, RunResult
from pytest_sipfront.verdict import Expectation, Verdict

if TYPE_CHECKING:
    from pytest_sipfront.background import Background
    from pytest_sipfront.runs.engine import Engine
    from pytest_sipfront.sipfront.client import SipfrontClient

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Line:
    """The open line to the platform."""

    background: Background
    client: SipfrontClient
    engine: Engine


class Session:
    """Launches runs and waits for them."""

    def __init__(
        self, settings: Settings, access: Callable[[], Access], heartbeat: Heartbeat, *, launching: bool = True
    ) -> None:
        """Prepare; nothing is opened before the first run.

        Args:
            settings: What is in force.
            access: Finds base URL and keys at first need.
            heartbeat: Shows signs of life while a run is waited for.
            launching: False where nothing may be launched at all.
        """
        self.settings = settings
        self.launching = launching
        self._access = access
        self._heartbeat = heartbeat
        self._line: _Line | None = None

    def launch(self, order: Order, record: Record) -> Run:
        """Launch what `order` asks for and return the run; `record` receives the properties as they become known.

        Raises:
            SipfrontError: It was not launched, or nobody knows whether it was.
        """
        __tracebackhide__ = True
        timeout = self.settings.timeout if order.timeout is None else order.timeout
        run = Run(request=order.request, timeout=timeout)
        record(properties.of_request(order.request))
        self._drive(run, lambda engine: engine.launch)
        record(properties.of_launch(run))
        return run

    def wait(self, run: Run, record: Record) -> RunResult:
        """Follow a launched run to its verdict.

        Raises:
            SipfrontError: There is none.
        """
        __tracebackhide__ = True
        try:
            result = self._drive(run, lambda engine: engine.wait)
        finally:
            if run.status is not None:
                record(properties.of_status(run.status))
        record([(properties.VERDICT, result.verdict)])
        for note in run.notes:
            warnings.warn(SipfrontWarning(f"{run.request.target}: {note} ({run.report_url})"), stacklevel=2)
        return result

    def ask(self, question: Callable[[SipfrontClient], Awaitable[T]]) -> T:
        """Return the client's answer to `question`."""
        __tracebackhide__ = True
        line = self._open()
        return line.background.wait(question, line.client)

    def close(self) -> None:
        """Close the line to the platform."""
        if self._line is not None:
            line, self._line = self._line, None
            try:
                line.background.wait(line.client.close)
            finally:
                line.background.close()

    def _drive(self, run: Run, step: Callable[[Engine], Callable[[Run], Awaitable[T]]]) -> T:
        """Let the engine take one step with `run`; an error leads with the run's own evidence, its report first."""
        __tracebackhide__ = True
        try:
            line = self._open()
            return line.background.wait(step(line.engine), run, tick=self._heartbeat.of(run))
        except SipfrontError as error:
            error.explain({**properties.evidence(run), **error.evidence}, error.hint)
            raise

    def _open(self) -> _Line:
        __tracebackhide__ = True
        if not self.launching:
            raise ConfigurationError("nothing is sent to the platform with --setup-only and --setup-plan")
        if self._line is None:
            self._line = _open_line(self.settings, self._access())
        return self._line


def _open_line(settings: Settings, access: Access) -> _Line:
    __tracebackhide__ = True
    # Sessions without a run never pay for these.
    from pytest_sipfront.background import Background  # noqa: PLC0415
    from pytest_sipfront.http import Basic, Http, Limits  # noqa: PLC0415
    from pytest_sipfront.runs.engine import Engine  # noqa: PLC0415
    from pytest_sipfront.sipfront.client import SipfrontClient  # noqa: PLC0415

    http = Http(
        access.base_url,
        Basic(access.public_key, access.secret_key),
        service="the lab" if settings.lab else "Sipfront",
        limits=Limits(
            connect=settings.connect_timeout,
            read=settings.read_timeout,
            retry=settings.retry_for,
            first_wait=min(0.5, settings.poll_interval),
        ),
        ca_bundle=settings.ca_bundle,
        trust_env=not settings.lab,  # what is meant for the lab stays on this machine, whatever the proxy
    )
    client = SipfrontClient(http)
    return _Line(Background(), client, Engine(client, poll_interval=settings.poll_interval))


def objection(result: RunResult, expectation: Expectation) -> RunFailed | None:
    """Return the failure of a run that is not as expected; None if it is."""
    text = expectation.objection(Verdict(result.verdict), result.result_description)
    if not text:
        return None
    return RunFailed(text, evidence={**properties.evidence(result), **properties.evidence_of_tests(result)})
