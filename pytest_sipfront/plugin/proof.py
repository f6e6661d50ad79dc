"""`--sipfront-prove`: run each marked test once per fault of its phones, and fail the tests that stay green."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sipfront.engine.admission import makespan
from pytest_sipfront.engine.verdict import Verdict
from pytest_sipfront.errors import SipfrontError
from pytest_sipfront.plugin import item_markers
from pytest_sipfront.plugin.planning import counted, duration_text
from pytest_sipfront.plugin.reports.properties import FAULT_PARAMETER
from pytest_sipfront.suggestions import invalid_choice

if TYPE_CHECKING:
    from pytest_sipfront.lab import FaultCatalogue
    from pytest_sipfront.plugin.run_spec import RunSpec
    from pytest_sipfront.plugin.state import State

ARGUMENT = "sipfront_fault"
NO_FAULT = "none"
FAULT, DETECTED_BY = "sipfront.fault", "sipfront.detected_by"
_WORKER_OUTPUT = "sipfront_not_covered"
_MAX_LISTED = 5
_IMPERATIVE = ("sipfront", "sift", "sift_call", "sift_incoming")


def register(config: pytest.Config, state: State) -> None:
    """Register the hooks of a proof.

    Raises:
        pytest.UsageError: No proof is possible.
    """
    from pytest_sipfront.lab import LabError, fault_catalogue  # noqa: PLC0415 - only with the option

    try:
        catalogue = fault_catalogue(state.settings.lab_file, state.settings.lab_calls)
    except LabError as error:
        raise pytest.UsageError(f"--sipfront-prove: {error}") from None
    for name in state.settings.prove_faults:
        if name not in catalogue.texts:
            raise pytest.UsageError(f"--sipfront-prove-faults {invalid_choice(name, catalogue.texts)}")
    config.pluginmanager.register(Proof(state, catalogue), "sipfront-proof")


@dataclass(slots=True)
class _Scope:
    """The scope of a proof.

    Attributes:
        tests: Number of tests that run without a fault.
        seconds: The expected duration of each run, faulty or not.
        not_covered: Each fault ("" for all) that a test cannot show, as [reason, test, fault].
    """

    tests: int = 0
    seconds: list[float] = field(default_factory=list)
    not_covered: list[list[str]] = field(default_factory=list)

    @property
    def runs(self) -> int:
        """Number of runs with a faulty phone."""
        return len(self.seconds) - self.tests


class Proof:
    """Hooks that multiply the marked tests by faults, and turn their results around."""

    def __init__(self, state: State, catalogue: FaultCatalogue) -> None:
        self._state = state
        self._texts = catalogue.texts
        self._catalogue = catalogue
        self._faults = [name for name in catalogue.texts if name in (state.settings.prove_faults or catalogue.texts)]
        self._scope = _Scope()
        self._is_announced = False

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize each test: without a fault, and with each of them."""
        metafunc.fixturenames.append(ARGUMENT)
        names = [NO_FAULT, *self._faults]
        metafunc.parametrize(ARGUMENT, names, ids=[f"fault={name}" for name in names])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the marked tests, each with the faults that its run can show."""
        kept, unmarked = [], []
        for item in items:
            fault = _fault(item)
            if item_markers.is_marked(item):
                if self._covers(item, fault):
                    kept.append(item)
            elif fault in ("", NO_FAULT):
                unmarked.append(item)
        self._scope.not_covered += [
            ["it launches runs from its body", _without_fault(item), ""]
            for item in unmarked
            if not set(_IMPERATIVE).isdisjoint(getattr(item, "fixturenames", ()))
        ]
        items[:] = kept
        config.hook.pytest_deselected(items=unmarked)
        scope = self._scope
        if hasattr(config, "workeroutput"):
            config.workeroutput[_WORKER_OUTPUT] = [scope.tests, scope.seconds, scope.not_covered]
        if not scope.runs:
            reasons = "; ".join(dict.fromkeys(reason for reason, *_ in scope.not_covered))
            raise pytest.UsageError(f"--sipfront-prove: no test can show a fault ({reasons or 'no test is marked'})")

    def _covers(self, item: pytest.Item, fault: str) -> bool:
        """Return whether to run a marked item. Its run has received the fault then."""
        spec = self._state.marked.valid([item]).get(item)
        if spec is None:
            return True
        if not fault:
            self._scope.not_covered.append(["it cannot be parametrized", item.nodeid, ""])
            return False
        if fault != NO_FAULT:
            covered = self._coverage(spec)
            if covered.get(fault):
                self._scope.not_covered.append([covered[fault], _without_fault(item), fault])
            if covered.get(fault) != "":
                return False
            item.add_marker(pytest.mark.sipfront(params={FAULT_PARAMETER: fault}))
        if spec.request.is_project:  # its verdict is compared with the last runs of its tests
            item.add_marker(pytest.mark.sipfront(exclusive=[*spec.exclusive, f"project {spec.request.project}"]))
        self._scope.tests += fault == NO_FAULT
        self._scope.seconds.append(
            self._catalogue.seconds(
                test=spec.request.test,
                project=spec.request.project,
                parameters=_parameters(spec),
                fault="" if fault == NO_FAULT else fault,
            )
        )
        return True

    def _coverage(self, spec: RunSpec) -> dict[str, str]:
        request = spec.request
        return self._catalogue.coverage(
            test=request.test,
            project=request.project,
            test_ids=request.test_ids,
            parameters=_parameters(spec),
            expects_failure=spec.expectation.verdict is Verdict.FAILED,
        )

    def pytest_report_collectionfinish(self) -> list[str]:
        """Show the size of the proof before the first run."""
        return [f"sipfront: {line}" for line in self._plan()]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Show the size of the proof in the controller, once the first worker has collected the tests."""
        reporter = node.config.pluginmanager.getplugin("terminalreporter")
        if self._is_announced or reporter is None:
            return
        self._is_announced = True
        tests = sum(f"fault={NO_FAULT}]" in nodeid for nodeid in ids)
        reporter.write_line(f"sipfront: {_size(tests, len(ids) - tests)}")

    def _plan(self) -> Iterator[str]:
        scope, concurrency = self._scope, self._state.settings.concurrency
        duration = duration_text(makespan(scope.seconds, concurrency))
        excluded = len(scope.not_covered)
        yield f"{_size(scope.tests, scope.runs)}, {excluded} not covered, about {duration} at concurrency {concurrency}"

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Record the fault in the reports of the test."""
        item.user_properties.append((FAULT, _fault(item)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Pass a test that detects the fault of its phone, and fail one that does not."""
        report = yield
        fault = _fault(item)
        if call.when == "call" and fault not in ("", NO_FAULT) and not hasattr(report, "wasxfail"):
            self._turn_around(report, item, call)
        return report

    def _turn_around(self, report: pytest.TestReport, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        error = call.excinfo.value if call.excinfo is not None else None
        if report.passed:
            report.outcome = "failed"
            report.longrepr = f"fault not detected: {self._texts[_fault(item)]}, and the test passed"
        elif report.failed and error is not None and not isinstance(error, SipfrontError):
            report.outcome, report.longrepr = "passed", None
            item.user_properties.append((DETECTED_BY, str(error).split("\n", 1)[0]))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the scope of the proof from a worker; all workers have the same."""
        output = getattr(node, "workeroutput", {}).get(_WORKER_OUTPUT)
        if output is not None:
            self._scope = _Scope(*output)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what the proof has found."""
        terminalreporter.section("sipfront proof")
        for line in self._summary(terminalreporter.stats):
            terminalreporter.write_line(line)

    def _summary(self, stats: dict[str, list[Any]]) -> Iterator[str]:
        yield from self._plan()
        results = {outcome: _faulty_reports(stats.get(outcome, [])) for outcome in ("passed", "failed", "error")}
        unsound = {
            _name(report)
            for outcome in ("failed", "error")
            for report in stats.get(outcome, [])
            if _property(report, FAULT) == NO_FAULT
        }
        passed = [report for report in results["passed"] if report.when == "call" and _name(report) not in unsound]
        missed = [report for report in results["failed"] if _name(report) not in unsound]
        detected, errors = counted(len(passed), "fault"), len(results["error"])
        yield f"{detected} detected, {len(missed)} not detected, {errors} without verdict"
        for report in missed:
            fault = _property(report, FAULT)
            yield f"NOT DETECTED {_name(report)} - {fault}: {self._texts[fault]}"
        for name in sorted(unsound):
            yield f"NOT PROVEN {name} - it does not pass without a fault"
        if missed:
            yield "Add a condition that the fault violates, or list the fault in `tolerates` of the test in lab.yaml."
        yield from _not_covered(self._scope.not_covered)


def _not_covered(entries: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a line for each reason and each group of faults that it excludes."""
    faults: dict[tuple[str, str], list[str]] = defaultdict(list)
    for reason, test, fault in entries:
        faults[reason, test].append(fault or "all faults")
    tests: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (reason, test), names in faults.items():
        tests[reason, ", ".join(names)].append(test)
    for (reason, listed), group in tests.items():
        more = f" and {len(group) - _MAX_LISTED} more" if len(group) > _MAX_LISTED else ""
        yield f"not covered: {listed}: {reason} - {', '.join(group[:_MAX_LISTED])}{more}"


def _parameters(spec: RunSpec) -> dict[str, str]:
    return {key: str(value) for key, value in spec.request.overrides.items()}


def _size(tests: int, runs: int) -> str:
    return f"proof of {counted(tests, 'test')}: {counted(runs, 'run')} with a faulty phone"


def _fault(item: pytest.Item) -> str:
    """Return the fault of an item, `NO_FAULT`, or "" if the item cannot be parametrized."""
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get(ARGUMENT, "")) if callspec is not None else ""


def _without_fault(item: pytest.Item) -> str:
    return _cut(item.nodeid, _fault(item))


def _name(report: Any) -> str:
    return _cut(report.nodeid, _property(report, FAULT))


def _cut(nodeid: str, fault: str) -> str:
    """Return a node id without the part that names the fault."""
    head, found, tail = nodeid.rpartition(f"fault={fault}")
    if not found:
        return nodeid
    return head.removesuffix("[") + tail.removeprefix("]") if head.endswith("[") else head.removesuffix("-") + tail


def _property(report: Any, name: str) -> str:
    return str(dict(getattr(report, "user_properties", ())).get(name, ""))


def _faulty_reports(reports: Sequence[Any]) -> list[Any]:
    return [report for report in reports if _property(report, FAULT) not in ("", NO_FAULT)]
