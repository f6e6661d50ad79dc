"""What the plugin knows during one pytest session, in `config.stash`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.plugin.options import Settings, read_settings
from pytest_sipfront.plugin.reports.properties import Record, recorder
from pytest_sipfront.plugin.reports.terminal import SessionSummary
from pytest_sipfront.plugin.xdist import XdistSession

if TYPE_CHECKING:
    from pytest_sipfront.plugin.marked_tests import MarkedTests
    from pytest_sipfront.plugin.run_session import Origin, RunSession
    from pytest_sipfront.plugin.run_storage import RunStorage
    from pytest_sipfront.plugin.targets import SipfrontTarget

WORKER_LAB = "sipfront_lab"


class State:
    """The session's settings, line to the platform, marked tests, and the test that is at work.

    Attributes:
        settings: What is in force.
        workers: The processes of the session.
        lab_in_words: How the session's lab comes to its verdicts; "" where there is none, and on workers.
        lab: Describes the session's lab, starting it at first need; None if runs go to the platform.
        current: The item that is at work, or was.
        interrupted: Whether the session was.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.settings: Settings = read_settings(config)
        self.lab_in_words = ""
        self.lab: Callable[[], Mapping[str, Any]] | None = self._find_lab(config)
        self.workers = XdistSession(config)
        self.interrupted = False
        self.current: pytest.Item | None = None
        self._config = config
        self._pytest: pytest.Session | None = None
        self._kept: RunStorage | None = None
        self._has_launched = False
        config.add_cleanup(self._close_books)  # before any other, so that it comes last
        self._session: RunSession | None = None

    @cached_property
    def session(self) -> RunSession:
        """What launches runs and waits for them; made at first need, so that other sessions never pay for it."""
        from pytest_sipfront.plugin.reports.heartbeat import Heartbeat, line_writer  # noqa: PLC0415
        from pytest_sipfront.plugin.reports.live_line import LiveLine  # noqa: PLC0415
        from pytest_sipfront.plugin.run_session import RunSession  # noqa: PLC0415

        config = self._config
        live = LiveLine(config)
        self._session = RunSession(
            self.settings,
            self._access,
            self.keeping,
            Heartbeat(line_writer(config), self.settings.heartbeat, show=live.show, rest=live.clear),
            launching=not config.getoption("setuponly", default=False),
            stopped=self._is_stopping,
            aborted=lambda: self.workers.are_stopped,
            max_failures=config.getoption("maxfail", default=0) or 0,
        )
        config.add_cleanup(self._session.close)
        return self._session

    @cached_property
    def marked(self) -> MarkedTests:
        """The marked tests, made with the first of them."""
        from pytest_sipfront.plugin.marked_tests import MarkedTests  # noqa: PLC0415

        return MarkedTests(
            self.session,
            looks_ahead=self._looks_ahead,
            checks=self.settings.check and self.workers.is_worker,
        )

    def settle(self) -> None:
        """Keep SIGTERM mapped while a run is live: here, or in a worker."""
        elsewhere = self.workers.have_marked
        if self._session is not None or elsewhere:
            self.session.settle(elsewhere=elsewhere)

    def interrupt(self) -> None:
        """The session does not end by itself: it can be taken up again. Workers stop waiting."""
        self.interrupted = True
        if not self.workers.is_worker:
            self.workers.flag_stop()

    def welcome(self, workerinput: dict[str, Any]) -> None:
        """Let a worker of xdist's belong to this session."""
        self.workers.welcome(workerinput, "")

    def begin(self, session: pytest.Session) -> None:
        """Remember pytest's own session: it knows when it is about to end."""
        self._pytest = session

    def keeping(self) -> RunStorage:
        """Return the journal and what else the session keeps, opened at first need.

        Raises:
            ConfigurationError: They cannot be opened.
        """
        if self._kept is None:
            from pytest_sipfront.plugin.run_storage import RunStorage  # noqa: PLC0415 - sessions without a run never pay for it

            self._kept = RunStorage(self._config, self.settings, self.workers)
        return self._kept

    def finish(self) -> None:
        """Launch nothing more, and learn from what was launched."""
        if self._session is not None:
            self._session.close()
        self._has_launched = self.workers.have_marked or (self._kept is not None and self._kept.journal.is_open)
        if self._has_launched:
            self.keeping().learn()

    def _close_books(self) -> None:
        """At the very end, when all reports are written: what is killed before that can be taken up."""
        if self._kept is not None:
            self._kept.end(finished=self._has_launched and not self.interrupted)

    def books(self) -> SessionSummary:
        """Return what the books say, for the closing section."""
        if self._kept is None and not self.workers.have_marked:
            return SessionSummary()
        try:
            launches, left_behind = self.keeping().launches(), self.keeping().left_behind()
        except ConfigurationError:  # then nothing was launched: each test has told why
            launches = left_behind = []
        return SessionSummary(launches=launches, left_behind=left_behind, not_taken=tuple(self.marked.not_taken))

    @property
    def _looks_ahead(self) -> bool:
        """A worker holds all items of the session, not only its own: it must not launch ahead."""
        return self.settings.concurrency > 1 and self.session.launching and not self.workers.is_worker

    def _is_stopping(self) -> bool:
        session = self._pytest
        return self.interrupted or (session is not None and bool(session.shouldstop or session.shouldfail))

    def recorder(self) -> Record:
        """Return what records a run's properties in the test at work."""
        return recorder(self.current.user_properties if self.current else [])

    def origin(self) -> Origin:
        """Return the test at work."""
        from pytest_sipfront.plugin.run_session import Origin  # noqa: PLC0415

        item = self.current
        return Origin("", self._config.hook) if item is None else Origin(item.nodeid, item.ihook)

    def _find_lab(self, config: pytest.Config) -> Callable[[], Mapping[str, Any]] | None:
        if not self.settings.lab:
            return None
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        if worker is not None:
            return lambda: worker[WORKER_LAB]
        from pytest_sipfront.plugin.targets import SessionLab  # noqa: PLC0415 - few sessions have a lab of their own

        own = SessionLab(self.settings)
        try:
            self.lab_in_words = own.check()
        except ConfigurationError as error:
            raise pytest.UsageError(str(error)) from None
        config.add_cleanup(own.close)
        return own.describe

    def _access(self) -> SipfrontTarget:
        __tracebackhide__ = True
        from pytest_sipfront.plugin.targets import lab_target, platform_target  # noqa: PLC0415 - only for a run

        return platform_target(self.settings) if self.lab is None else lab_target(self.lab)


STATE = pytest.StashKey[State]()
