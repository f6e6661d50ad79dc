"""The session's runs, for synchronous callers. The line to the platform opens at the first run."""

from __future__ import annotations

import concurrent.futures
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.verdict import Expectation, Verdict
from pytest_sipfront.errors import ConfigurationError, LaunchVetoed, RunFailed, SipfrontError, SipfrontWarning
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.plugin.reports import properties
from pytest_sipfront.plugin.reports.heartbeat import Heartbeat
from pytest_sipfront.plugin.reports.properties import Record
from pytest_sipfront.plugin.run_spec import RunSpec
from pytest_sipfront.plugin.sigterm import SigtermHandler
from pytest_sipfront.plugin.targets import SipfrontTarget

if TYPE_CHECKING:
    from pytest_sipfront.clients.sipfront.client import SipfrontClient
    from pytest_sipfront.engine.loop_thread import LoopThread
    from pytest_sipfront.engine.scheduler import Scheduler
    from pytest_sipfront.plugin.run_storage import RunStorage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Origin:
    """The test that a run belongs to: its node id, and the hooks that its place in the tree sees."""

    nodeid: str
    hook: Any


@dataclass(frozen=True, slots=True)
class _Connection:
    """The open line to the platform."""

    background: LoopThread
    client: SipfrontClient
    dispatcher: Scheduler
    serving: concurrent.futures.Future[None]


class RunSession:
    """Launches runs and waits for them."""

    def __init__(
        self,
        settings: Settings,
        access: Callable[[], SipfrontTarget],
        keeping: Callable[[], RunStorage],
        heartbeat: Heartbeat,
        *,
        launching: bool = True,
        stopped: Callable[[], bool] = lambda: False,
        aborted: Callable[[], bool] = lambda: False,
        max_failures: int = 0,
    ) -> None:
        """Prepare; nothing is opened before the first run.

        Args:
            settings: What is in force.
            access: Finds base URL and keys at first need.
            keeping: Opens the journal and what else the session keeps.
            heartbeat: Shows signs of life while a run is waited for.
            launching: False where nothing may be launched at all.
            stopped: Whether pytest is about to end the session.
            aborted: Whether the session is to be interrupted now.
            max_failures: After how many tests that do not pass it does; 0 for never.
        """
        self.settings = settings
        self.launching = launching
        self._access, self._keeping, self._heartbeat = access, keeping, heartbeat
        self._stopped, self._aborted, self._max_failures = stopped, aborted, max_failures
        self._interrupts = SigtermHandler()
        self._line: _Connection | None = None

    def submit(self, order: RunSpec, origin: Origin, *, counts: bool = True) -> Run:
        """Queue the run that `order` asks for and return it; what is wrong with it shows when it is asked for.

        Args:
            order: What to launch, and what to expect of it.
            origin: The test that it belongs to.
            counts: Whether it waits for one of the session's places.
        """
        __tracebackhide__ = True
        line = self._open()
        timeout = self.settings.timeout if order.timeout is None else order.timeout
        veto: SipfrontError | None = None
        request = order.request
        try:
            request = origin.hook.pytest_sipfront_before_launch(nodeid=origin.nodeid, request=request) or request
        except LaunchVetoed as error:
            veto = error
        same = {f"{key}={request.overrides[key]}" for key in self.settings.exclusive_by if key in request.overrides}
        run = Run(
            request=request,
            timeout=timeout,
            label=origin.nodeid,
            service=self.settings.service,
            exclusive=frozenset(order.exclusive) | same,
            expectation=order.expectation,
        )
        line.background.wait(line.dispatcher.submit, run, veto, counts)
        self._interrupts.follow(live=True)
        return run

    def launch(self, order: RunSpec, origin: Origin, record: Record) -> Run:
        """Launch what `order` asks for and return the run; `record` receives the properties as they become known.

        Raises:
            SipfrontError: It was not launched, or nobody knows whether it was.
        """
        __tracebackhide__ = True
        # A test may want several runs side by side; a limit that nobody has set must not forbid that.
        run = self.submit(order, origin, counts=self.settings.sources["concurrency"] != "default")
        record(properties.of_request(run.request))
        self._ask_of(run, lambda dispatcher: dispatcher.launched)
        record(properties.of_launch(run))
        return run

    def wait(self, run: Run, origin: Origin, record: Record) -> RunResult:
        """Follow a run to its verdict.

        Raises:
            SipfrontError: There is none.
        """
        __tracebackhide__ = True
        record(properties.of_request(run.request))
        try:
            result = self._result_of(run)
        finally:
            if run.launched is not None:
                record(properties.of_launch(run))
            if run.status is not None:
                record(properties.of_status(run.status))
            self.settle()
        record([(properties.VERDICT, result.verdict)])
        for note in run.notes:
            warnings.warn(SipfrontWarning(f"{run.request.target}: {note} ({run.report_url})"), stacklevel=2)
        origin.hook.pytest_sipfront_after_verdict(nodeid=origin.nodeid, result=result)
        return result

    def ask(self, question: Callable[[SipfrontClient], Awaitable[T]]) -> T:
        """Return the client's answer to `question`."""
        __tracebackhide__ = True
        line = self._open()
        return line.background.wait(question, line.client)

    def settle(self, *, elsewhere: bool = False) -> None:
        """Keep SIGTERM mapped as long as a run is live, here or `elsewhere`."""
        here = self._line is not None and self._line.dispatcher.is_live
        self._interrupts.follow(live=elsewhere or here)

    def close(self) -> None:
        """Launch nothing more, and close the line to the platform."""
        if self._line is None:
            return
        line, self._line = self._line, None
        try:
            line.background.wait(line.dispatcher.close)
            line.serving.cancel()
            line.background.wait(line.client.close)
        finally:
            line.background.close()
            self._interrupts.follow(live=False)

    def _result_of(self, run: Run) -> RunResult:
        """A run that was launched ahead may be over: then there is nothing to wait for."""
        __tracebackhide__ = True
        line = self._open()
        if not line.dispatcher.is_over(run):
            return self._ask_of(run, lambda dispatcher: dispatcher.finished)
        try:
            return line.dispatcher.outcome(run)
        except SipfrontError as error:
            _lead(error, run)
            raise error.with_traceback(None) from None

    def _ask_of(self, run: Run, question: Callable[[Scheduler], Callable[[Run], Awaitable[T]]]) -> T:
        """Ask the dispatcher for `run`."""
        __tracebackhide__ = True
        line = self._open()
        beat = self._heartbeat.of(run, line.dispatcher.snapshot)

        def tick() -> None:
            beat()
            if self._aborted():
                raise KeyboardInterrupt
            if line.serving.done():  # a defect of ours must not leave a test waiting for ever
                raise SipfrontError(f"internal error: {line.serving.exception()!r}")

        try:
            return line.background.wait(question(line.dispatcher), run, tick=tick)
        except SipfrontError as error:
            _lead(error, run)
            raise
        finally:
            self._heartbeat.rest()

    def _open(self) -> _Connection:
        __tracebackhide__ = True
        if not self.launching:
            raise ConfigurationError("nothing is sent to the platform with --setup-only and --setup-plan")
        if self._line is None:
            self._line = self._opened(self._access())
        return self._line

    def _opened(self, access: SipfrontTarget) -> _Connection:
        __tracebackhide__ = True
        # Sessions without a run never pay for these.
        from pytest_sipfront.clients.http import Basic, HttpClient, Timeouts  # noqa: PLC0415
        from pytest_sipfront.clients.sipfront.client import SipfrontClient  # noqa: PLC0415
        from pytest_sipfront.engine.loop_thread import LoopThread  # noqa: PLC0415
        from pytest_sipfront.engine.runner import Runner  # noqa: PLC0415
        from pytest_sipfront.engine.scheduler import Scheduler  # noqa: PLC0415

        settings, keeping = self.settings, self._keeping()
        http = HttpClient(
            access.base_url,
            Basic(access.public_key, access.secret_key),
            service="the lab" if settings.lab else "Sipfront",
            limits=Timeouts(
                connect=settings.connect_timeout,
                read=settings.read_timeout,
                retry=settings.retry_for,
                first_wait=min(0.5, settings.poll_interval),
            ),
            ca_bundle=settings.ca_bundle,
            trust_env=not settings.lab,  # what is meant for the lab stays on this machine, whatever the proxy
        )
        client = SipfrontClient(http)
        dispatcher = Scheduler(
            Runner(client, poll_interval=settings.poll_interval, durations=keeping.durations),
            limit=settings.concurrency,
            journal=keeping.journal,
            places=keeping.places(),
            budget=keeping.budget(),
            durations=keeping.durations,
            resumable=keeping.resumable,
            retry_for=settings.retry_for,
            stopped=self._stopped,
            max_failures=self._max_failures,
        )
        background = LoopThread()
        try:
            return _Connection(background, client, dispatcher, background.start(dispatcher.serve))
        except BaseException:  # an interrupt, just now: nobody else knows of the loop's thread yet
            background.close()
            raise


def _lead(error: SipfrontError, run: Run) -> None:
    """Let an error's evidence begin with the run's own, its report first."""
    error.explain({**properties.evidence(run), **error.evidence}, error.hint)


def objection(result: RunResult, expectation: Expectation) -> RunFailed | None:
    """Return the failure of a run that is not as expected; None if it is."""
    text = expectation.objection(Verdict(result.verdict), result.result_description)
    if not text:
        return None
    return RunFailed(text, evidence={**properties.evidence(result), **properties.evidence_of_tests(result)})
