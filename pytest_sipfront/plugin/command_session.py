"""Settings, engine and runs of the plugin for the command line program: a session without tests.

pytest itself reads the ini file and `addopts` of the current directory, so a setting has the same value for the program
as for `pytest` in that directory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from pytest_sipfront.engine.run import Run, RunResult, Snapshot
from pytest_sipfront.errors import RunFailed
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.plugin.reports.heartbeat import Heartbeat
from pytest_sipfront.plugin.run_session import Origin, objection
from pytest_sipfront.plugin.run_spec import RunSpec, make_run_spec, normalise
from pytest_sipfront.plugin.sift_options import SiftSettings, SiftTarget, account_target, lab_target
from pytest_sipfront.plugin.sift_options import read_settings as read_sift_settings
from pytest_sipfront.plugin.sift_session import SiftSession
from pytest_sipfront.plugin.state import State
from pytest_sipfront.plugin.targets import SipfrontTarget

OnProgress = Callable[[Run], None]
_LATE_REWRITE = "-Wignore:Module already imported:pytest.PytestAssertRewriteWarning"
"""This package is imported before pytest could rewrite its assertions, of which it has none."""
PASSED, FAILED, NO_VERDICT, USAGE = 0, 1, 2, 3
"""Exit codes of the program."""


class CommandSession:
    """The plugin in a process that collects no tests.

    Attributes:
        settings: The effective settings.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        provider = config.pluginmanager.getplugin("cacheprovider")
        if provider is not None:
            provider.pytest_configure(config)  # the journal is in pytest's cache, where sessions of tests resume it
        self._state = State(config)
        self.settings: Settings = self._state.settings
        if self.settings.replay is not None:
            source = self.settings.sources["replay"]
            raise pytest.UsageError(f"{source}: a recording is replayed by sessions of tests, not by this program")

    def target(self) -> SipfrontTarget:
        """Return the platform, or the lab, with its key pair.

        Raises:
            ConfigurationError: Credentials are missing or invalid, or the lab does not start.
        """
        return self._state.target()

    def sift_settings(self) -> SiftSettings:
        """Return the effective settings for Sift."""
        return read_sift_settings(self._config)

    def check_callbacks(self) -> str:
        """Start the receiver of Sift's callbacks, request its URL as Sift would, and return the URL.

        Raises:
            ConfigurationError: Credentials are missing, the receiver cannot start, or its URL does not lead to it.
        """
        settings = self.sift_settings()
        lab = self._state.lab

        def target() -> SiftTarget:
            return account_target(settings.base_url) if lab is None else lab_target(lab())

        session = SiftSession(settings, self.settings, target, lambda: self._state.engine)
        try:
            return session.calling_runtime().incoming_url
        finally:
            session.close()

    def ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Return what a method of the Sipfront client returns, see `SipfrontClient`.

        Raises:
            SipfrontError: As the client does.
        """
        return self._state.session.ask(method, *arguments, **options)

    def make_spec(self, arguments: Mapping[str, Any]) -> RunSpec:
        """Return the run that the arguments of the marker describe.

        Raises:
            MarkerError: An argument is unknown or invalid.
        """
        return make_run_spec(normalise(arguments), report_mode=self.settings.report_mode)

    def run(self, spec: RunSpec, label: str, on_progress: OnProgress) -> tuple[RunResult, RunFailed | None]:
        """Launch a run and wait for its result.

        Args:
            spec: The run to launch.
            label: Its name in the journal.
            on_progress: Called several times per second while it is waited for.

        Returns:
            The result, and how it differs from the expectation; None if it does not.

        Raises:
            SipfrontError: There is no verdict.
            KeyboardInterrupt: Waiting was interrupted. A launched run goes on.
        """
        session, origin = self._state.session, Origin(label, self._config.hook)
        session.heartbeat = _Progress(on_progress)
        try:
            run = session.launch(spec, origin, record=lambda _: None)
            on_progress(run)
            result = session.wait(run, origin, record=lambda _: None)
        except KeyboardInterrupt:
            self._state.interrupt()
            raise
        finally:
            self._state.finish()
        return result, objection(result, spec.expectation)


class _Progress(Heartbeat):
    """Passes each change of a run to the program, which prints it."""

    def __init__(self, on_progress: OnProgress) -> None:
        super().__init__(lambda _: None, 0)
        self._on_progress = on_progress

    def of(self, run: Run) -> Callable[[Snapshot | None], None]:
        return lambda _: self._on_progress(run)


def in_session(options: Sequence[str], action: Callable[[CommandSession], int], *, conftest: bool = False) -> int:
    """Return what `action` returns for a session with the settings of the current directory.

    Args:
        options: Options of the plugin that override environment and ini file.
        action: Uses the session and returns the exit code. Its exceptions are passed on.
        conftest: Whether conftest files are loaded, whose hooks may change or reject a launch.

    Returns:
        The exit code of `action`; `USAGE` if a setting is invalid, with a message on standard error.
    """
    command = _Command(action)
    own = ["-ppytest_sipfront", "--assert=plain", *([] if conftest else ["--noconftest"])]
    code = pytest.main([*own, *options], plugins=[command])
    if command.error is not None:
        raise command.error.with_traceback(None)
    return command.code if command.code is not None else USAGE if code else PASSED


class _Command:
    """Replaces the session of tests by an action."""

    def __init__(self, action: Callable[[CommandSession], int]) -> None:
        self._action = action
        self.code: int | None = None
        self.error: BaseException | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        session = CommandSession(config)  # pytest prints an invalid setting
        try:
            self.code = self._action(session)
        except BaseException as error:  # noqa: BLE001 - raised again outside of pytest, which would print a traceback
            self.error = error
        return 0


def run_pytest(arguments: Sequence[str]) -> int:
    """Run pytest and return the program's exit code: `FAILED` if a verdict was unexpected, else `NO_VERDICT`."""
    outcomes = _Outcomes()
    code = pytest.main(["-ppytest_sipfront", _LATE_REWRITE, *arguments], plugins=[outcomes])
    if code == pytest.ExitCode.TESTS_FAILED:
        return FAILED if outcomes.counts["call"] else NO_VERDICT
    known: Mapping[int, int] = {pytest.ExitCode.OK: PASSED, pytest.ExitCode.USAGE_ERROR: USAGE}
    return known.get(code, USAGE if code == pytest.ExitCode.NO_TESTS_COLLECTED else NO_VERDICT)


class _Outcomes:
    """Counts failed reports by their phase: an error before or after the call is no verdict."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.counts[str(report.when)] += 1
