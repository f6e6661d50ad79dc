"""A marked test's run, from setup to outcome. What is known of it is kept by item and ends with the test."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from pytest_sipfront.closure import RUN_FIXTURE, run_last
from pytest_sipfront.errors import ConfigurationError, SipfrontError, SipfrontWarning
from pytest_sipfront.marker import MarkerError, Order
from pytest_sipfront.marks import is_marked, read_order
from pytest_sipfront.reports.details import raise_in
from pytest_sipfront.reports.properties import NO_VERDICT, recorder
from pytest_sipfront.runs.run import RunResult
from pytest_sipfront.session import Session, objection
from pytest_sipfront.sipfront.models import RunStatus


@dataclass(frozen=True, slots=True)
class _Done:
    order: Order
    result: RunResult
    waited: float


class MarkedTests:
    """The marked tests of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._done: dict[pytest.Item, _Done] = {}
        self._counted: set[pytest.Item] = set()

    def check(self, item: pytest.Item) -> None:
        """Check the marks of a collected item, so that mistakes show before anything is launched.

        Raises:
            pytest.Collector.CollectError: They make no sense.
        """
        if is_marked(item):
            try:
                self._order(item)
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
            order = self._order(item)
            if not self._session.launching:
                return _not_launched(order)
            record = recorder(item.user_properties)
            result = self._session.wait(self._session.launch(order, record), record)
        except (SipfrontError, SipfrontWarning) as error:  # a session may make errors of warnings
            raise_in(item.obj, error)
        self._done[item] = _Done(order, result, time.monotonic() - began)
        return result

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

    def _order(self, item: pytest.Item) -> Order:
        try:
            return read_order(item, self._session.settings.report_mode)
        except MarkerError as error:
            raise ConfigurationError(f"sipfront mark: {error}") from None


def prepare(item: pytest.Item) -> None:
    """Let a marked item run its run, whether it names the fixture or not."""
    if isinstance(item, pytest.Function) and is_marked(item):
        run_last(item)


def _not_launched(order: Order) -> RunResult:
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
