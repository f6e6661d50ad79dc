"""The runs of marked tests, from setup to outcome. Their state is kept by item and ends with the test."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest

from pytest_sipfront.clients.sipfront.models import RunStatus
from pytest_sipfront.engine.client import monotonic
from pytest_sipfront.engine.run import Run, RunResult, stable_test_id
from pytest_sipfront.errors import ConfigurationError, SipfrontError, SipfrontWarning
from pytest_sipfront.plugin.fixture_order import RUN_FIXTURE, no_run_reason
from pytest_sipfront.plugin.item_markers import is_marked, read_run_spec
from pytest_sipfront.plugin.look_ahead import LookAhead
from pytest_sipfront.plugin.repetition import Repetition
from pytest_sipfront.plugin.reports.error_details import raise_in
from pytest_sipfront.plugin.reports.properties import NO_VERDICT, recorder
from pytest_sipfront.plugin.run_session import Origin, RunSession, objection
from pytest_sipfront.plugin.run_spec import MarkerError, RunSpec
from pytest_sipfront.plugin.xdist import XdistSession

Item = TypeVar("Item", bound=pytest.Item)


@dataclass(frozen=True, slots=True)
class _Done:
    spec: RunSpec
    result: RunResult
    waited: float
    repetition: Repetition | None = None

    @property
    def duration(self) -> float:
        """Seconds of all runs of the test."""
        return sum(result.duration for result in self.result.repeats) or self.result.duration


class MarkedTests:
    """The marked tests of one pytest process."""

    def __init__(
        self, session: RunSession, processes: XdistSession, *, looks_ahead: bool = False, checks: bool = False
    ) -> None:
        """Run them through `session`.

        Args:
            session: Submits runs and waits for them.
            processes: The processes of the session.
            looks_ahead: Whether runs may start before the setup of their tests.
            checks: Whether to look up all names on the platform before the first run.
        """
        self._session, self._processes = session, processes
        self._looks_ahead, self._checks = looks_ahead, checks
        self._findings: list[str] | None = None
        self._ahead: LookAhead | None = None
        self._keys: dict[pytest.Item, str] = {}
        self._done: dict[pytest.Item, _Done] = {}
        self._counted: set[pytest.Item] = set()

    def check(self, item: pytest.Item) -> None:
        """Check the markers of a collected item, so that mistakes are reported before anything is launched.

        Raises:
            pytest.Collector.CollectError: A marker is invalid.
        """
        if is_marked(item):
            try:
                self.spec(item)
            except ConfigurationError as error:
                raise pytest.Collector.CollectError(f"{item.nodeid}: {error}") from None

    def run(self, item: pytest.Function) -> RunResult:
        """Return the result of the run of `item`, whether it passed or failed.

        Raises:
            SipfrontError: There is no verdict. It is raised as if by the test itself.
        """
        __tracebackhide__ = True
        began = monotonic()
        try:
            if not is_marked(item):
                raise ConfigurationError(
                    f"{RUN_FIXTURE} has no run to give: the test has no @pytest.mark.sipfront(test=...)"
                )
            spec = self.spec(item)
            if not self._session.may_launch:
                return _not_launched(spec)
            self._check_first(item)
            origins = self._origins(item, spec)
            runs = [self._session.claim(spec, origin, is_queued=self._looks_ahead) for origin in origins]
            self._look_ahead(item)
            repetition = None
            if spec.repeat == 1:
                result = self._session.wait(runs[0], origins[0], recorder(item.user_properties))
            else:
                repetition = Repetition(spec, [self._outcome(item, *run) for run in zip(runs, origins, strict=True)])
                item.user_properties += repetition.properties()
                result = repetition.result()
        # A session may turn warnings into errors, and pytest-timeout fails the test from within the wait.
        except (SipfrontError, SipfrontWarning, pytest.fail.Exception) as error:
            raise_in(item.obj, error)
        self._done[item] = _Done(spec, result, monotonic() - began, repetition)
        return result

    def _outcome(self, item: pytest.Item, run: Run, origin: Origin) -> RunResult | SipfrontError:
        """Return the result of one run of a repeated test, or why it has no verdict."""
        try:
            return self._session.wait(run, origin, recorder(item.user_properties))
        except SipfrontError as error:
            return error

    def _check_first(self, item: pytest.Function) -> None:
        """Check all names once per worker. A worker cannot end the session, so each marked test reports problems."""
        if not self._checks:
            return
        from pytest_sipfront.plugin.planning import CHECK_FAILED, check_names  # noqa: PLC0415 - only with the option

        if self._findings is None:
            marked = (other for other in item.session.items if is_marked(other))
            self._findings = list(check_names(self._session, self.valid(marked).values()).problems)
        if self._findings:
            raise ConfigurationError("\n".join([CHECK_FAILED, *self._findings]))

    def _look_ahead(self, current: pytest.Function) -> None:
        """Queue the runs of later tests that need no further setup."""
        if not self._looks_ahead:
            return
        shares = self._processes.is_worker and not self._processes.runs_everywhere
        if shares and not self._session.wants_list:
            return  # another worker has queued them
        if self._ahead is None:
            items = current.session.items
            marked = (item for item in items if isinstance(item, pytest.Function) and is_marked(item))
            self._ahead = LookAhead(items, (item for item, spec in self.valid(marked).items() if spec.look_ahead))
        ready = self._ahead.independent() if shares else self._ahead.ready(current)
        specs = {item: self.spec(item) for item in ready}
        runs = [(spec, origin) for item, spec in specs.items() for origin in self._origins(item, spec)]
        self._session.ahead(runs, shared=shares)

    def _origins(self, item: pytest.Item, spec: RunSpec) -> list[Origin]:
        """Return the origin of each run of a test."""
        keys = [self._key(item), *(f"{self._key(item)} run {number}" for number in range(2, spec.repeat + 1))]
        return [Origin.of(item, node_id(item), key) for key in keys]

    def _key(self, item: pytest.Item) -> str:
        """Return what identifies a test in all processes of the session, also if its node id occurs several times."""
        if not self._keys:
            self._keys = _keys(item.session.items, self._processes.worker if self._processes.runs_everywhere else "")
        return self._keys[item]

    def judge(self, item: pytest.Item) -> None:
        """Return if the verdict of a marked item's run is the expected one, or if `item` is not marked.

        Raises:
            RunFailed: It is not. Raised as if by the test itself.
            SipfrontError: The item had no run; a marked test must not pass without one.
        """
        __tracebackhide__ = True
        if not is_marked(item):
            return
        done = self._done.get(item)
        if done is None:
            raise ConfigurationError(f"no run was launched for @pytest.mark.sipfront: {no_run_reason(item)}")
        repetition = done.repetition
        failure = repetition.objection() if repetition else objection(done.result, done.spec.expectation)
        if failure is not None:
            raise_in(item.obj, failure)  # type: ignore[attr-defined]

    def seconds(self, item: pytest.Item, when: str) -> float:
        """Return what to add to a report's duration in seconds, so that the test lasts as long as its run.

        A phase with subtests has several reports. Only the first one gets the run's duration.
        """
        done = self._done.get(item)
        if done is None or when not in {"setup", "call"}:
            return 0.0
        if when == "setup":
            return -done.waited
        if item in self._counted:
            return 0.0
        self._counted.add(item)
        return done.duration

    def forget(self, item: pytest.Item) -> None:
        """Forget an earlier attempt at `item`: each attempt gets a new run."""
        self._done.pop(item, None)
        self._counted.discard(item)

    def valid(self, items: Iterable[Item]) -> dict[Item, RunSpec]:
        """Return the items with valid markers and what they ask for. Each other item reports its mistake itself."""
        specs = {}
        for item in items:
            with contextlib.suppress(ConfigurationError):
                specs[item] = self.spec(item)
        return specs

    def spec(self, item: pytest.Item) -> RunSpec:
        """Return what the markers of `item` ask for.

        Raises:
            ConfigurationError: They are invalid.
        """
        try:
            return read_run_spec(item, **self._session.settings.run_defaults)
        except MarkerError as error:
            raise ConfigurationError(f"@pytest.mark.sipfront: {error}") from None


def node_id(item: pytest.Item) -> str:
    """Return the node id, without the group that pytest-xdist appends with `--dist loadgroup`."""
    groups = [
        str(marker.args[0] if marker.args else marker.kwargs.get("name", "default"))
        for marker in item.iter_markers("xdist_group")
    ]
    return stable_test_id(item.nodeid, groups)


def _keys(items: Sequence[pytest.Item], worker: str) -> dict[pytest.Item, str]:
    seen: Counter[str] = Counter()
    keys = {}
    for item in items:
        nodeid = node_id(item)
        seen[nodeid] += 1
        keys[item] = f"{worker} {nodeid} {seen[nodeid]}"
    return keys


def _not_launched(spec: RunSpec) -> RunResult:
    """Return a result for fixtures that use the run, with --setup-only."""
    return RunResult(
        request=spec.request,
        verdict=NO_VERDICT,
        result_description="not launched",
        duration=0.0,
        session_id="",
        report_url="",
        status_url="",
        status=RunStatus(states={}),
    )
