"""The state of the plugin in one pytest session, kept in `config.stash`."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sipfront.errors import ConfigurationError, EngineStopped, SipfrontWarning
from pytest_sipfront.masking import mask_numbers
from pytest_sipfront.plugin.options import Settings, read_settings
from pytest_sipfront.plugin.reports.properties import Record, recorder
from pytest_sipfront.plugin.reports.terminal import SessionSummary
from pytest_sipfront.plugin.xdist import XdistSession

if TYPE_CHECKING:
    from pytest_sipfront.clients.recordings import HttpRecording
    from pytest_sipfront.engine.run import Run, RunResult
    from pytest_sipfront.plugin.attempts import Attempts
    from pytest_sipfront.plugin.marked_tests import MarkedTests
    from pytest_sipfront.plugin.reports.artifacts import Artifacts
    from pytest_sipfront.plugin.run_session import Origin, RunSession, Storage
    from pytest_sipfront.plugin.session_engine import SessionEngine
    from pytest_sipfront.plugin.targets import SipfrontTarget

WORKER_LAB = "sipfront_lab"
_WORKER_ARTIFACTS = "sipfront_artifacts"


class State:
    """The settings, the lab, the engine and the runs of one pytest process.

    Attributes:
        settings: The session's settings.
        processes: The processes of the session.
        recording: The latest recording of a replay; None without a replay.
        lab_in_words: How the session's lab reaches its verdicts; "" without a lab, and on workers.
        lab: Describes the session's lab and starts it at the first need; None if runs go to the platform.
        current: The item that is being run; None between items.
        interrupted: Whether the session was interrupted.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.settings: Settings = read_settings(config)
        self.processes = XdistSession(config)
        self._config = config
        self._shared: dict[str, Any] | None = getattr(config, "workerinput", {}).get(_WORKER_ARTIFACTS)
        config.add_cleanup(self._tidy)  # before any other cleanup, so that it runs last
        self.lab_in_words = ""
        self.recording = self._find_recording()
        self.lab: Callable[[], Mapping[str, Any]] | None = self._find_lab(config)
        self.interrupted = False
        self.current: pytest.Item | None = None
        self._pytest: pytest.Session | None = None
        self._engine: SessionEngine | None = None
        self._session: RunSession | None = None
        self._is_draining = False
        if self.settings.replay is not None and not self.processes.is_worker:
            config.add_cleanup(lambda: shutil.rmtree(self._temporary_path, ignore_errors=True))
        config.add_cleanup(self._disconnect)

    @property
    def engine(self) -> SessionEngine:
        """The session's engine. It starts at its first request."""
        if self._engine is None:
            from pytest_sipfront.plugin.session_engine import SessionEngine  # noqa: PLC0415 - only sessions with runs

            self._engine = SessionEngine(self.processes)
        return self._engine

    @property
    def session(self) -> RunSession:
        """The runs of this process."""
        if self._session is None:
            from pytest_sipfront.plugin.reports.heartbeat import Heartbeat, line_writer  # noqa: PLC0415
            from pytest_sipfront.plugin.reports.live_line import LiveLine  # noqa: PLC0415
            from pytest_sipfront.plugin.run_session import RunSession  # noqa: PLC0415

            config, shown = self._config, self.shown
            live, write = LiveLine(config), line_writer(config)
            is_explicit = self.settings.sources["concurrency"] != "default"
            self._session = RunSession(
                settings=self.settings,
                engine=self.engine,
                target=self.target,
                storage=self.storage,
                document=self._document,
                heartbeat=Heartbeat(
                    lambda text: write(shown(text)), self.settings.heartbeat, show=live.show, rest=live.clear
                ),
                session=self.processes.session,
                limit=self.settings.concurrency if is_explicit else max(self.processes.workers, 1),
                max_failures=config.getoption("maxfail", default=0) or 0,
                may_launch=not config.getoption("setuponly", default=False),
            )
        return self._session

    @cached_property
    def marked(self) -> MarkedTests:
        """The marked tests of this process."""
        from pytest_sipfront.plugin.marked_tests import MarkedTests  # noqa: PLC0415

        return MarkedTests(
            self.session,
            self.processes,
            looks_ahead=self.settings.concurrency > 1,
            checks=self.settings.check and self.processes.is_worker,
        )

    def shown(self, text: str) -> str:
        """Return a text as the session may show it: with masked phone numbers if that is set."""
        return mask_numbers(text) if self.settings.mask_numbers else text

    def keep_lab(self) -> None:
        """Keep the lab running until Ctrl-C."""
        if self.lab is None or self.processes.is_worker or self._config.option.collectonly:
            return
        url = self.lab()["url"]
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"sipfront: the lab is still running: {url} (Ctrl-C stops it)")
            reporter.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()

    @cached_property
    def attempts(self) -> Attempts:
        """The run documents of the tests of this process."""
        from pytest_sipfront.plugin.attempts import Attempts  # noqa: PLC0415 - only sessions with runs

        return Attempts(self.artifacts, on_lab=self.settings.lab)

    @cached_property
    def artifacts(self) -> Artifacts:
        """The artifacts of the session."""
        from pytest_sipfront.plugin.reports.artifacts import Artifacts  # noqa: PLC0415 - as above

        return Artifacts(
            self.artifact_directory,
            base=self._config.invocation_params.dir,
            calls=self.calls_directory if self.settings.lab else None,
            keeps=self.settings.keep_artifacts,
            masks=self.settings.mask_numbers,
        )

    @cached_property
    def artifact_directory(self) -> Path | None:
        """The directory of this session's artifacts, the same in all of its processes; None if none are kept."""
        if self._shared is not None:
            return None if self._shared["artifacts"] is None else Path(self._shared["artifacts"])
        cache = self._cache_directory()
        root = self.settings.artifacts or (None if cache is None else cache / "artifacts")
        if root is None or self.settings.keep_artifacts == "off":
            return None
        return root / f"{datetime.now(UTC):%Y-%m-%d_%H-%M-%S}_{self.processes.session}"

    @cached_property
    def calls_directory(self) -> Path:
        """The directory in which the lab writes the files of its runs."""
        if self._shared is not None:
            return Path(self._shared["calls"])
        if self.artifact_directory is not None:
            return self.artifact_directory / "calls"
        directory = Path(tempfile.mkdtemp(prefix="pytest-sipfront-calls-"))
        self._config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
        return directory

    def share(self, workerinput: dict[str, Any]) -> None:
        """Give a new worker the directories of the session."""
        directory = self.artifact_directory
        workerinput[_WORKER_ARTIFACTS] = {
            "artifacts": None if directory is None else str(directory),
            "calls": str(self.calls_directory) if self.settings.lab else "",
        }

    def _tidy(self) -> None:
        """At the end of the session: remove an empty directory, and the oldest sessions."""
        directory = self.artifact_directory
        if directory is not None and not self.processes.is_worker and directory.exists():
            from pytest_sipfront.plugin.reports.artifacts import prune, remove_empty  # noqa: PLC0415

            remove_empty(directory)
            prune(directory.parent, directory)

    def _document(self, run: Run, result: RunResult | None, error: BaseException | None) -> None:
        self.attempts.add(self.current, run, result, error)

    def begin(self, session: pytest.Session) -> None:
        """Remember pytest's session, which knows whether it is about to stop."""
        self._pytest = session

    def prepare(self) -> None:
        """Start the engine before the first test, if tests with runs are about to run."""
        option = self._config.option
        if self.settings.plan or option.collectonly or not self.session.may_launch:
            return
        self.session.prepare()

    def settle(self) -> None:
        """After each test: stop launching ahead if pytest is about to stop. In a controller: join the engine."""
        if self._engine is None and not self._joins():
            return
        session = self._pytest
        if not self._is_draining and session is not None and (session.shouldstop or session.shouldfail):
            self._is_draining = True
            self.engine.notify("drain")

    def _joins(self) -> bool:
        """Whether a worker has started the engine, so that this controller is its client from now on."""
        path = self.processes.engine_file
        if self.processes.is_worker or path is None or not path.exists():
            return False
        try:
            joins = self.engine.connect_if_started()
        except EngineStopped:  # each test that needs the engine reports that
            return False
        self.session.map_sigterm()
        return joins

    def interrupt(self) -> None:
        """Stop launching and let all workers stop waiting. The session can be resumed."""
        self.interrupted = True
        if not self.processes.is_worker:
            self.settle()
            if self._engine is not None:
                self._engine.notify("interrupt")

    def awaited(self) -> list[Run]:
        """Return the runs that tests are waiting for, in all processes of the session."""
        return [] if self._engine is None else self.session.awaited()

    def finish(self) -> None:
        """At the end of the tests: stop launching, and wait for the answers to launches under way."""
        if not self.processes.is_worker:
            self.settle()
            if self._engine is not None:
                self._engine.notify("close")
        if self._session is not None:
            self._session.close()

    def summary(self) -> SessionSummary:
        """Return what the journal and the engine know about the session, for the closing section."""
        if self._engine is None or not self._engine.is_connected:
            return SessionSummary()
        from pytest_sipfront.engine.resume import load_session  # noqa: PLC0415

        session, max_age = self.processes.session, self.settings.resume_max_age
        try:
            launches, left_behind = load_session(self.storage().journal, session=session, max_age=max_age)
        except ConfigurationError:  # then nothing was launched, and each test has reported why
            return SessionSummary()
        return SessionSummary(launches=launches, left_behind=left_behind, not_taken=self.session.untaken())

    def _disconnect(self) -> None:
        """When all reports are written: a session that is killed before that can be resumed."""
        if self._engine is not None:
            if not self.interrupted and not self.processes.is_worker:
                self._engine.notify("finish")
            self._engine.close(interrupted=self.interrupted)

    def recorder(self) -> Record:
        """A function that records a run's properties in the current test."""
        return recorder(self.current.user_properties if self.current else [])

    def origin(self) -> Origin:
        """Return the current test."""
        from pytest_sipfront.plugin.run_session import Origin  # noqa: PLC0415

        item = self.current
        return Origin("", self._config.hook) if item is None else Origin.of(item, item.nodeid)

    def storage(self) -> Storage:
        """Return the files of the session."""
        return self._storage

    @cached_property
    def _storage(self) -> Storage:
        from pytest_sipfront.plugin.run_session import Storage  # noqa: PLC0415

        directory = self._cache_directory()
        durations = None if directory is None else directory / "durations.json"
        if self.settings.replay is not None:  # nothing of a replay is kept
            return Storage(journal=self._temporary_directory() / "ledger.jsonl", durations=None)
        if self.settings.ledger is not None:
            journal = self.settings.ledger
        elif directory is None:
            journal = self._config.rootpath / ".sipfront-ledger.jsonl"
        else:
            journal = directory / "ledger.jsonl"
        if self.settings.ledger is None and not _is_writable(journal):
            journal = self._temporary_journal(journal)
        return Storage(journal=journal, durations=durations if durations and _is_writable(durations) else None)

    def _cache_directory(self) -> Path | None:
        """Return the plugin's directory in pytest's cache, which may be missing; None without cache provider."""
        cache: pytest.Cache | None = getattr(self._config, "cache", None)
        if cache is None:
            return None
        try:
            return cache.mkdir("sipfront")
        except OSError:
            return Path(self._config.rootpath, self._config.getini("cache_dir"), "d", "sipfront")

    def _temporary_journal(self, usual: Path) -> Path:
        """Return a journal in the temporary directory, and warn about what it cannot do.

        Raises:
            ConfigurationError: Warnings are errors in this session.
        """
        hint = "Set --sipfront-ledger, SIPFRONT_LEDGER or sipfront_ledger to a writable path that is kept."
        text = f"cannot write the journal {usual}"
        directory = self._temporary_directory()
        lost = f"--sipfront-resume cannot find the runs of this session, which are recorded in {directory}"
        try:
            self._config.issue_config_time_warning(SipfrontWarning(f"{text}: {lost}. {hint}"), stacklevel=1)
        except SipfrontWarning:
            raise ConfigurationError(text, hint=hint) from None
        return directory / "ledger.jsonl"

    def _temporary_directory(self) -> Path:
        directory = self._temporary_path
        directory.mkdir(mode=0o700, exist_ok=True)
        return directory

    @property
    def _temporary_path(self) -> Path:
        return Path(tempfile.gettempdir(), f"pytest-sipfront-{self.processes.session}")

    def _find_recording(self) -> HttpRecording | None:
        if self.settings.replay is None:
            return None
        from pytest_sipfront.clients.recordings import read_recordings  # noqa: PLC0415 - few sessions replay

        try:
            return read_recordings(self.settings.replay)[0]
        except ConfigurationError as error:
            raise pytest.UsageError(str(error)) from None

    def _find_lab(self, config: pytest.Config) -> Callable[[], Mapping[str, Any]] | None:
        if not self.settings.lab:
            return None
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        if worker is not None:
            return lambda: worker[WORKER_LAB]
        from pytest_sipfront.plugin.targets import SessionLab  # noqa: PLC0415 - few sessions have a lab

        own = SessionLab(self.settings, lambda: self.calls_directory)
        try:
            self.lab_in_words = own.check()
        except ConfigurationError as error:
            raise pytest.UsageError(str(error)) from None
        config.add_cleanup(own.close)
        return own.describe

    def target(self) -> SipfrontTarget:
        """Return the platform, or the lab, with its key pair.

        Raises:
            ConfigurationError: Credentials are missing or invalid, or the lab does not start.
        """
        __tracebackhide__ = True
        from pytest_sipfront.plugin.targets import lab_target, platform_target, replay_target  # noqa: PLC0415

        if self.recording is not None:
            return replay_target(self.recording.base_url)
        return platform_target(self.settings) if self.lab is None else lab_target(self.lab)


def _is_writable(path: Path) -> bool:
    """Return whether a file can be written, or created in its directory."""
    return os.access(path if path.exists() else path.parent, os.W_OK)


STATE = pytest.StashKey[State]()
