"""Submits runs to the engine and waits for them, for the fixtures of one pytest process."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sipfront.clients.sipfront.models import RunRequest
from pytest_sipfront.engine import wire
from pytest_sipfront.engine.run import Run, RunResult, Snapshot
from pytest_sipfront.engine.verdict import Expectation, Verdict
from pytest_sipfront.errors import (
    AuthenticationFailed,
    ConfigurationError,
    DetailedError,
    EngineStopped,
    LaunchVetoed,
    RequestRefused,
    RunFailed,
    SipfrontError,
    SipfrontWarning,
)
from pytest_sipfront.masking import mask_numbers
from pytest_sipfront.plugin.credentials import KEYS_URL, find_keys
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.plugin.reports import properties
from pytest_sipfront.plugin.reports.heartbeat import Heartbeat
from pytest_sipfront.plugin.reports.properties import Record
from pytest_sipfront.plugin.run_spec import RunSpec
from pytest_sipfront.plugin.session_engine import SessionEngine
from pytest_sipfront.plugin.sigterm import SigtermHandler
from pytest_sipfront.plugin.targets import SipfrontTarget
from pytest_sipfront.suggestions import did_you_mean

if TYPE_CHECKING:
    from pytest_sipfront.engine.resume import JournalEntry

_NAMES_SECONDS = 5.0
"""How long an error waits for the platform's names, from which it takes a suggestion."""

_REPLAY_POLL_INTERVAL = 0.02
"""Seconds between polls of a recording, which has no reason to wait."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The test that a run belongs to.

    Attributes:
        nodeid: Its node id.
        hook: Calls the hooks that are visible from its place in the tree.
        key: Identifies the test within the session, in all of its processes; "" for runs from a test's body.
        path: Its file, and `line` its first line, for warnings.
    """

    nodeid: str
    hook: Any
    key: str = ""
    path: str = "<pytest>"
    line: int = 1

    @classmethod
    def of(cls, item: pytest.Item, nodeid: str, key: str = "") -> Origin:
        """Return the origin of the runs of `item`."""
        return cls(nodeid, item.ihook, key, str(item.path), (item.location[1] or 0) + 1)

    def warn(self, message: str) -> None:
        """Issue a warning at the place of the test."""
        warnings.warn_explicit(SipfrontWarning(message), None, self.path, self.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The files of a session: its journal, and the known durations (None without pytest's cache)."""

    journal: Path
    durations: Path | None


@dataclass(slots=True, kw_only=True)
class RunSession:
    """Runs of one pytest process.

    Attributes:
        settings: The session's settings.
        engine: The session's engine.
        target: Returns the platform, or the lab, with its key pair.
        storage: Returns the session's files.
        document: Receives each run, with its result or error once it has ended, for the reports.
        heartbeat: Shows progress while a test waits.
        session: The session's id.
        limit: Maximum number of concurrent runs.
        max_failures: Unexpected verdicts after which no run starts ahead of its test; 0 for no limit.
        may_launch: False with `--setup-only` and the like.
        waiting: The run that a test is waiting for, also after an interrupt.
    """

    settings: Settings
    engine: SessionEngine
    target: Callable[[], SipfrontTarget]
    storage: Callable[[], Storage]
    document: Callable[[Run, RunResult | None, BaseException | None], None]
    heartbeat: Heartbeat
    session: str
    limit: int
    max_failures: int = 0
    may_launch: bool = True
    wants_list: bool = True
    waiting: Run | None = None
    _sigterm: SigtermHandler = field(default_factory=SigtermHandler)
    _is_open: bool = False
    _names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Start the engine and open it before the first test; a test may replace what that needs.

        An error is not raised here: each test that needs a run raises it again.
        """
        try:
            self._open()
        except SipfrontError:
            return

    def ahead(self, specs: Iterable[tuple[RunSpec, Origin]], *, shared: bool) -> None:
        """Queue the runs of later tests.

        Args:
            specs: The runs to launch, each with its test.
            shared: Whether this is the list that all workers share.
        """
        self._open()
        entries = [{"key": origin.key, **self._submission(spec, origin)} for spec, origin in specs]
        if entries or shared:
            self.engine.request("ahead", runs=entries, shared=shared)

    def claim(self, spec: RunSpec, origin: Origin, *, is_queued: bool) -> Run:
        """Return the run of a test that is about to wait for it.

        Args:
            spec: The run to launch.
            origin: The test.
            is_queued: Whether it may have been queued ahead.
        """
        __tracebackhide__ = True
        try:
            self._open()
            claimed: Any = self._request(origin.nodeid, "claim", key=origin.key) if is_queued else {"run": None}
            if claimed["run"] is None:
                claimed = self._submit(spec, origin, needs_slot=True)
        except SipfrontError as error:
            self.document(self._described(spec, origin), None, error)
            raise
        self.wants_list = claimed["wants_list"]
        return self._run(claimed)

    def launch(self, spec: RunSpec, origin: Origin, record: Record) -> Run:
        """Launch a run and return it; `record` receives the properties as they become known.

        Raises:
            SipfrontError: It was not launched, or that is unknown.
        """
        __tracebackhide__ = True
        self._open()
        # A test may launch several runs side by side. A limit that was not set must not prevent that.
        run = self._run(self._submit(spec, origin, needs_slot=self.settings.sources["concurrency"] != "default"))
        record(properties.of_request(run.request))
        record(properties.of_replay(self.settings.replay))
        try:
            self._follow(run, "launched")
        except BaseException as error:
            self.document(run, None, error)
            raise
        finally:
            if run.launched is not None:
                record(properties.of_launch(run))
        self.document(run, None, None)
        return run

    def wait(self, run: Run, origin: Origin, record: Record) -> RunResult:
        """Return the result of a run when it is finished.

        Raises:
            SipfrontError: It has no verdict.
        """
        __tracebackhide__ = True
        record(properties.of_request(run.request))
        record(properties.of_replay(self.settings.replay))
        try:
            result = wire.result_from_wire(self._follow(run, "done"))
        except BaseException as error:
            self.document(run, None, error)
            raise
        else:
            self.document(run, result, None)
        finally:
            if run.launched is not None:
                record(properties.of_launch(run))
            if run.status is not None:
                record(properties.of_status(run.status))
        record([(properties.VERDICT, result.verdict)])
        for note in run.notes:
            warning = f"{run.request.target}: {note} ({run.report_url})"
            origin.warn(mask_numbers(warning) if self.settings.mask_numbers else warning)
        origin.hook.pytest_sipfront_after_verdict(nodeid=origin.nodeid, result=result)
        return result

    def ask(self, method: str, *arguments: Any, limit: float | None = None, **options: Any) -> Any:
        """Return what a method of the Sipfront client returns, see `SipfrontClient`.

        Args:
            method: The name of the method.
            arguments: Its positional arguments.
            limit: How long to wait for the response, in seconds; None for the limits of the client.
            options: Its keyword arguments.
        """
        __tracebackhide__ = True
        self._open()
        try:
            answer = self.engine.request("ask", method=method, arguments=arguments, options=options, limit=limit)
        except AuthenticationFailed as error:
            self._explain_credentials(error)
            raise
        return wire.value_from_wire(answer)

    def untaken(self) -> list[Run]:
        """Return the runs that were launched ahead and that no test claimed."""
        return self._listed("untaken")

    def awaited(self) -> list[Run]:
        """Return the runs that tests are waiting for, in all processes of the session."""
        return self._listed("awaited")

    def map_sigterm(self) -> None:
        """Let SIGTERM end the session like Ctrl-C, now that it has runs."""
        self._sigterm.follow(live=True)

    def close(self) -> None:
        """Put back the handler of SIGTERM."""
        self._sigterm.follow(live=False)

    # ---- helpers ------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        __tracebackhide__ = True
        if not self.may_launch:
            raise ConfigurationError("no run is launched with --setup-only and --setup-plan")
        if self._is_open:
            return
        self.engine.connect()  # it imports its modules while the target is found
        target, storage, settings = self.target(), self.storage(), self.settings
        opening = {
            "session": self.session,
            "base_url": target.base_url,
            "public_key": target.public_key,
            "secret_key": target.secret_key,
            "service": "the lab" if settings.lab else "Sipfront",
            "trust_env": not settings.lab,  # requests to the lab stay on this machine, even if a proxy is set
            "ca_bundle": settings.ca_bundle,
            "form": settings.body == "form",
            "connect_timeout": settings.connect_timeout,
            "read_timeout": settings.read_timeout,
            "retry_for": settings.retry_for,
            "poll_interval": settings.poll_interval if settings.replay is None else _REPLAY_POLL_INTERVAL,
            "concurrency": self.limit,
            "max_runs": settings.max_runs,
            "max_minutes": settings.max_minutes,
            "max_failures": self.max_failures,
            "journal": str(storage.journal),
            "durations": None if storage.durations is None else str(storage.durations),
            "resume": settings.resume,
            "resume_max_age": settings.resume_max_age,
            "record": None if settings.record is None else str(settings.record),
            "replay": None if settings.replay is None else str(settings.replay),
            "mask_numbers": settings.mask_numbers,
        }
        self.engine.request("open", settings=opening)
        self._is_open = True

    def _submission(self, spec: RunSpec, origin: Origin) -> dict[str, Any]:
        request, veto = spec.request, None
        try:
            request = origin.hook.pytest_sipfront_before_launch(nodeid=origin.nodeid, request=request) or request
        except LaunchVetoed as error:
            veto = wire.error_to_wire(error)
        run = self._described(replace(spec, request=request), origin)
        return {"run": wire.run_to_wire(run), "veto": veto}

    def _described(self, spec: RunSpec, origin: Origin) -> Run:
        """Return the run of a spec, before anything is known about it."""
        overrides = spec.request.overrides
        same = {f"{key}={overrides[key]}" for key in self.settings.exclusive_by if key in overrides}
        return Run(
            request=spec.request,
            timeout=self.settings.timeout if spec.timeout is None else spec.timeout,
            label=origin.nodeid,
            service=self.settings.service,
            exclusive=frozenset(spec.exclusive) | same,
            expectation=spec.expectation,
        )

    def _submit(self, spec: RunSpec, origin: Origin, *, needs_slot: bool) -> Any:
        __tracebackhide__ = True
        key = origin.key or uuid.uuid4().hex
        return self._request(origin.nodeid, "submit", key=key, needs_slot=needs_slot, **self._submission(spec, origin))

    def _request(self, nodeid: str, op: str, **fields: Any) -> Any:
        """Send a request for a test. If the engine ended, the error names the test's launches that are in doubt."""
        __tracebackhide__ = True
        try:
            return self.engine.request(op, **fields)
        except EngineStopped as error:
            error.explain({**error.evidence, **self._doubts(nodeid)}, error.hint)
            raise

    def _doubts(self, nodeid: str) -> dict[str, str]:
        doubts = (launch for launch in self._launches(nodeid) if launch.is_uncertain)
        texts = [f"{launch.target}, sent at {launch.at:%Y-%m-%d %H:%M:%S} UTC" for launch in doubts]
        return {"launch in doubt": "; ".join(texts)} if texts else {}

    def _catch_up(self, run: Run) -> None:
        """Complete a run from the journal: the engine may have launched it after its last message."""
        known = [launch for launch in self._launches(run.label) if launch.digest == run.key and launch.launched]
        if run.launched is None and len(known) == 1:
            run.launched = known[0].launched

    def _launches(self, nodeid: str) -> list[JournalEntry]:
        from pytest_sipfront.engine.journal import read_journal  # noqa: PLC0415 - only if a test cannot wait on
        from pytest_sipfront.engine.resume import recorded  # noqa: PLC0415

        try:
            launches = recorded(read_journal(self.storage().journal).events)
        except ConfigurationError:
            return []
        return [launch for launch in launches if launch.session == self.session and launch.test == nodeid]

    def _listed(self, op: str) -> list[Run]:
        if not self.engine.is_connected:
            return []
        try:
            return [wire.run_from_wire(run) for run in self.engine.request(op)]
        except SipfrontError:
            return []

    def _run(self, claimed: dict[str, Any]) -> Run:
        self.map_sigterm()
        run = self.waiting = wire.run_from_wire(claimed["state"])
        run.id = claimed["run"]
        return run

    def _follow(self, run: Run, until: str) -> Any:
        """Wait for a run, and return its result if it is finished."""
        __tracebackhide__ = True
        self.waiting = run
        beat = self.heartbeat.of(run)

        def on_progress(progress: Any) -> None:
            if progress is None:
                beat(None)
            else:
                wire.update_run(run, progress["run"])
                beat(Snapshot(**progress["snapshot"]))

        try:
            answer = self._request(run.label, "follow", run=run.id, until=until, on_progress=on_progress)
        except BaseException as error:  # also an interrupt: the report of the test names the run
            self._catch_up(run)
            if not isinstance(error, KeyboardInterrupt):
                self.waiting = None
            if isinstance(error, EngineStopped):
                _lead(error, run)
            raise
        finally:
            self.heartbeat.rest()
        wire.update_run(run, answer["run"])
        self._sigterm.follow(live=answer["is_live"])
        if answer.get("interrupted"):
            raise KeyboardInterrupt
        self.waiting = None
        if "error" in answer:
            failure = wire.error_from_wire(answer["error"])
            if isinstance(failure, AuthenticationFailed):
                self._explain_credentials(failure)
            elif isinstance(failure, RequestRefused) and run.launched is None:
                self._suggest_name(failure, run.request)
            _lead(failure, run)
            raise failure
        return answer.get("result")

    def _explain_credentials(self, error: AuthenticationFailed) -> None:
        """Name the variables that the rejected credentials come from."""
        keys = find_keys()
        if self.settings.lab or isinstance(keys, str):
            return
        error.explain(
            {**error.evidence, "credentials": f"from {keys.source}"},
            f"Check that both keys belong to one key pair of this account and are active: {KEYS_URL}",
        )

    def _suggest_name(self, error: RequestRefused, request: RunRequest) -> None:
        """Name the nearest test or project, if the platform does not list the requested one."""
        kind, name = ("projects", request.project) if request.is_project else ("tests", request.test)
        if kind not in self._names:
            try:
                self._names[kind] = self.ask(kind, limit=_NAMES_SECONDS).names()
            except SipfrontError:
                self._names[kind] = ()
        if isinstance(name, str) and name not in self._names[kind]:
            error.args = (f"{error}{did_you_mean(name, self._names[kind])}",)


def _lead(error: DetailedError, run: Run) -> None:
    """Put what is known about the run at the head of the error's evidence, the report URL first."""
    error.explain({**properties.evidence(run), **error.evidence}, error.hint)


def objection(result: RunResult, expectation: Expectation) -> RunFailed | None:
    """Return the failure if a run's verdict is not the expected one; otherwise None."""
    text = expectation.objection(Verdict(result.verdict), result.result_description)
    if not text:
        return None
    return RunFailed(text, evidence={**properties.evidence(result), **properties.evidence_of_tests(result)})
