"""A marked test's run, from setup to outcome. What is known of it is kept by item and ends with the test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pytest_sipfront.clients.sipfront.models import RunStatus
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.errors import ConfigurationError, SipfrontError, SipfrontWarning
from pytest_sipfront.plugin.fixture_order import RUN_FIXTURE
from pytest_sipfront.plugin.item_markers import is_marked, read_run_spec
from pytest_sipfront.plugin.look_ahead import LookAhead
from pytest_sipfront.plugin.reports.error_details import raise_in
from pytest_sipfront.plugin.reports.properties import NO_VERDICT, recorder
from pytest_sipfront.plugin.run_session import Origin, RunSession, objection
from pytest_sipfront.plugin.run_spec import MarkerError, RunSpec


@dataclass(frozen=True, slots=True)
class _Done:
    order: RunSpec
    result: RunResult
    waited: float


class MarkedTests:
    """The marked tests of a session."""

    def __init__(self, session: RunSession, *, looks_ahead: bool = False, checks: bool = False) -> None:
        """Run them through `session`.

        Args:
            session: The session's runs.
            looks_ahead: Start runs before their tests' own setup where all is ready for them.
            checks: Ask the platform for all names before the first run.
        """
        self._session = session
        self._looks_ahead, self._checks = looks_ahead, checks
        self._findings: list[str] | None = None
        self._ahead: LookAhead | None = None
        self._submitted: dict[pytest.Item, Run] = {}
        self._done: dict[pytest.Item, _Done] = {}
        self._counted: set[pytest.Item] = set()

    def check(self, item: pytest.Item) -> None:
        """Check the marks of a collected item, so that mistakes show before anything is launched.

        Raises:
            pytest.Collector.CollectError: They make no sense.
        """
        if is_marked(item):
            try:
                self.order(item)
            except ConfigurationError as error:
                raise pytest.Collector.CollectError(f"{item.nodeid}: {error}") from None

    def run(self, item: pytest.Function) -> RunResult:
        """Launch the run of `item` and wait for its verdict, whichever it is.

        Raises:
            SipfrontError: There is no verdict; raised as if by the test itself.
        """
        __tracebackhide__ = True
        began = time.monotonic()
        try:
            if not is_marked(item):
                raise ConfigurationError(
                    f"{RUN_FIXTURE} has no run to give: the test has no @pytest.mark.sipfront(test=...)"
                )
            order = self.order(item)
            if not self._session.launching:
                return _not_launched(order)
            self._check_first(item)
            origin = Origin(item.nodeid, item.ihook)
            run = self._submitted.pop(item, None) or self._session.submit(order, origin)
            self._look_ahead(item)
            result = self._session.wait(run, origin, recorder(item.user_properties))
        # A session may make errors of warnings; a limit of pytest-timeout interrupts the wait somewhere deep within.
        except (SipfrontError, SipfrontWarning, pytest.fail.Exception) as error:
            raise_in(item.obj, error)
        self._done[item] = _Done(order, result, time.monotonic() - began)
        return result

    def _check_first(self, item: pytest.Function) -> None:
        """Check all names once per worker. A worker cannot end the session, so each marked test reports problems."""
        if not self._checks:
            return
        from pytest_sipfront.plugin.planning import CHECK_FAILED, check_names  # noqa: PLC0415 - only with the option

        if self._findings is None:
            marked = (other for other in item.session.items if is_marked(other))
            self._findings = check_names(self._session, map(self.order, marked))
        if self._findings:
            raise ConfigurationError("\n".join([CHECK_FAILED, *self._findings]))

    def _look_ahead(self, current: pytest.Function) -> None:
        """Queue the runs of later tests for which all is ready."""
        if not self._looks_ahead:
            return
        if self._ahead is None:
            items = current.session.items
            marked = (item for item in items if isinstance(item, pytest.Function) and is_marked(item))
            self._ahead = LookAhead(items, (item for item in marked if self.order(item).look_ahead))
        for item in self._ahead.ready(current):
            self._submitted[item] = self._session.submit(self.order(item), Origin(item.nodeid, item.ihook))

    @property
    def not_taken(self) -> Iterator[Run]:
        """The runs that were launched ahead and that no test took."""
        return (run for run in self._submitted.values() if run.launched is not None)

    def judge(self, item: pytest.Item) -> None:
        """Return if a marked item's run is as it expects, or if `item` is not marked.

        Raises:
            RunFailed: It is not; raised as if by the test itself.
            SipfrontError: There was no run at all: nothing may pass without one.
        """
        __tracebackhide__ = True
        if not is_marked(item):
            return
        done = self._done.get(item)
        if done is None:
            raise ConfigurationError(
                "marked with sipfront, but no run was started for it: only test functions and methods can be marked"
            )
        failure = objection(done.result, done.order.expectation)
        if failure is not None:
            raise_in(item.obj, failure)  # type: ignore[attr-defined]

    def seconds(self, item: pytest.Item, when: str) -> float:
        """Return what to add to a report's measured seconds, so that the test lasts as long as its run.

        A phase with subtests has a report for each of them: the first takes the run's duration, no other does.
        """
        done = self._done.get(item)
        if done is None or when not in {"setup", "call"}:
            return 0.0
        if when == "setup":
            return -done.waited
        if item in self._counted:
            return 0.0
        self._counted.add(item)
        return done.result.duration

    def forget(self, item: pytest.Item) -> None:
        """Drop what is known: each attempt at a test has a run of its own."""
        self._done.pop(item, None)
        self._counted.discard(item)

    def order(self, item: pytest.Item) -> RunSpec:
        """Return what the marks of `item` ask for.

        Raises:
            ConfigurationError: They make no sense.
        """
        try:
            return read_run_spec(item, self._session.settings.report_mode)
        except MarkerError as error:
            raise ConfigurationError(f"@pytest.mark.sipfront: {error}") from None


def _not_launched(order: RunSpec) -> RunResult:
    """With --setup-only, fixtures that build on the run get one that never was."""
    return RunResult(
        request=order.request,
        verdict=NO_VERDICT,
        result_description="not launched",
        duration=0.0,
        session_id="",
        report_url="",
        status_url="",
        status=RunStatus(states={}),
    )
