"""The plan of a session, and the check of its names, before the first launch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.engine.admission import makespan
from pytest_sipfront.engine.durations import Durations
from pytest_sipfront.engine.run import request_key
from pytest_sipfront.errors import ConfigurationError, SipfrontError
from pytest_sipfront.plugin.fixture_order import no_run_reason
from pytest_sipfront.plugin.item_markers import is_marked
from pytest_sipfront.plugin.look_ahead import late_runs, obstacle
from pytest_sipfront.plugin.run_spec import RunSpec
from pytest_sipfront.suggestions import did_you_mean

if TYPE_CHECKING:
    from pytest_sipfront.plugin.run_session import RunSession
    from pytest_sipfront.plugin.state import State

CHECK_FAILED = "--sipfront-check found problems, so no run is launched:"
_MAX_LISTED = 10


@dataclass(frozen=True, slots=True)
class Planned:
    """One run of the plan.

    Attributes:
        nodeid: The test.
        spec: The run that its marker describes.
        seconds: The usual duration of the run, or None if it is unknown.
        obstacle: The fixture that keeps the run from starting before the setup of its test, or "".
    """

    nodeid: str
    spec: RunSpec
    seconds: float | None
    obstacle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of a session.

    Attributes:
        runs: The runs of marked tests.
        mistakes: Error messages of invalid markers, by node id.
        imperative: Number of tests that use the `sipfront` fixture.
    """

    runs: Sequence[Planned]
    mistakes: Mapping[str, str] = field(default_factory=dict)
    imperative: int = 0


@dataclass(frozen=True, slots=True)
class NameCheck:
    """The names that `--sipfront-check` compared with the platform, and the problems that it found."""

    checked: Sequence[str] = ()
    problems: Sequence[str] = ()


def keep_in_one_process(config: pytest.Config) -> None:
    """Disable xdist, since its controller has no items to plan."""
    if config.pluginmanager.hasplugin("xdist"):
        config.option.dist = "no"


def instead_of_running(session: pytest.Session, state: State) -> bool | None:
    """Check names and print the plan, as requested. Return True if no test is to be run.

    Raises:
        pytest.UsageError: The check found problems.
    """
    requested = state.settings.plan or state.settings.check
    if not requested or session.config.option.collectonly or session.testsfailed or state.processes.is_worker:
        return None
    marked = [item for item in session.items if isinstance(item, pytest.Function) and is_marked(item)]
    specs = state.marked.valid(marked)
    reporter = session.config.pluginmanager.getplugin("terminalreporter")

    def write(line: str) -> None:
        if reporter is not None:
            reporter.write_line(state.shown(line))

    if state.settings.check:
        check = check_names(state.session, specs.values()) if specs else NameCheck(["no run to check"])
        if check.problems:
            raise pytest.UsageError("\n".join([CHECK_FAILED, *check.problems]))
        write(f"sipfront check: {'; '.join(check.checked)}")
    if not state.settings.plan:
        return None
    plan = _plan(session, state, specs)
    session.testsfailed += len(plan.mistakes)
    settings = state.settings
    for line in lines(plan, settings.concurrency, settings.max_runs, settings.max_minutes):
        write(line)
    return True


def _plan(session: pytest.Session, state: State, specs: Mapping[pytest.Function, RunSpec]) -> Plan:
    durations, service = Durations.load(state.storage().durations), state.settings.service
    runs, mistakes = [], {}
    for item in session.items:
        if isinstance(item, pytest.Function) and item in specs:
            expected = durations.expected(request_key(service, specs[item].request))
            seconds = expected.typical if expected else None
            runs.append(Planned(item.nodeid, specs[item], seconds, obstacle(item)))
        elif is_marked(item):
            mistakes[item.nodeid] = _mistake(item, state)
    imperative = sum(1 for item in session.items if "sipfront" in getattr(item, "fixturenames", ()))
    return Plan(runs=runs, mistakes=mistakes, imperative=imperative)


def _mistake(item: pytest.Item, state: State) -> str:
    try:
        state.marked.spec(item)
    except ConfigurationError as error:
        return str(error)
    return no_run_reason(item)


def lines(
    plan: Plan, concurrency: int = 1, max_runs: int | None = None, max_minutes: float | None = None
) -> Iterator[str]:
    """Yield the lines of the plan.

    Args:
        plan: The plan.
        concurrency: Maximum number of concurrent runs.
        max_runs: Budget of launches, or None.
        max_minutes: Budget of minutes, or None.
    """
    runs = [run for run in plan.runs for _ in range(run.spec.repeat)]
    known = [run.seconds for run in runs if run.seconds is not None]
    unknown = len(runs) - len(known)
    total = [counted(len(runs), "run")]
    if known:
        total.append(f"about {duration_text(sum(known))} of calls")
        total.append(f"about {duration_text(_total_seconds(runs, concurrency))} at concurrency {concurrency}")
    if unknown:
        total.append(f"{unknown} of unknown duration")
    yield f"sipfront plan: {', '.join(total)}"
    if max_runs is not None and len(runs) > max_runs:
        yield f"  {counted(len(runs) - max_runs, 'run')} over the budget of {max_runs}"
    if max_minutes is not None and sum(known) / 60 > max_minutes:
        yield f"  {sum(known) / 60 - max_minutes:.1f} min over the budget of {max_minutes:g} min"
    if plan.imperative:
        yield f"  plus the runs that {counted(plan.imperative, 'test')} may launch with the sipfront fixture"
    if concurrency > 1:
        yield from (f"  {line}" for line in late_runs([run.obstacle for run in plan.runs]))
    for run in plan.runs:
        request = run.spec.request
        overrides = "".join(f" {key}={value}" for key, value in request.overrides.items())
        times = f", {run.spec.repeat} times" if run.spec.repeat > 1 else ""
        yield f"  {run.nodeid}: {request.target}{overrides}, {duration_text(run.seconds)}{times}"
    for nodeid, mistake in plan.mistakes.items():
        yield f"  {nodeid}: ERROR: {mistake}"


def _total_seconds(runs: Sequence[Planned], concurrency: int) -> float:
    """Return the estimated duration of all runs of known duration. Runs with an obstacle do not overlap."""
    known = [run.seconds for run in runs if run.seconds is not None]
    late = [run.seconds for run in runs if run.seconds is not None and run.obstacle]
    return max(makespan(known, concurrency), sum(late))


def counted(number: int, noun: str) -> str:
    """Return number and noun, for example "1 run" or "2 runs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration_text(seconds: float | None) -> str:
    """Return seconds as text, for example "45.0 s" or "1.5 min"."""
    if seconds is None:
        return "duration unknown"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"  # noqa: PLR2004 - seconds of a minute


def check_names(session: RunSession, specs: Iterable[RunSpec]) -> NameCheck:
    """Compare the names of `specs` with the platform. The first request also checks the credentials."""
    requests = [spec.request for spec in specs]
    tests = [request.test for request in requests if request.test is not None]
    projects = [request.project for request in requests if isinstance(request.project, str)]
    ids = sum(1 for request in requests if isinstance(request.project, int))
    checked, problems = ["credentials accepted"], list[str]()
    try:
        known = session.ask("tests").names()
        if tests:
            checked.append(_checked("test", tests, known))
            problems += unknown_names("test", tests, known)
        if projects:
            known = session.ask("projects").names()
            checked.append(_checked("project", projects, known))
            problems += unknown_names("project", projects, known)
    except SipfrontError as error:
        return NameCheck(problems=[f"  {text}" for text in (error, error.hint) if str(text)])
    if ids:
        checked.append("project ids not checked")
    return NameCheck(checked, problems)


def _checked(kind: str, used: Iterable[str], known: Sequence[str]) -> str:
    names = counted(len(set(used)), f"{kind} name")
    return f"{names} found" if known else f"{names} not checked (the platform's list of {kind}s has no known names)"


def unknown_names(kind: str, used: Iterable[str], known: Sequence[str]) -> Iterator[str]:
    """Yield a line for each used name that the platform does not have, with the nearest one that it has."""
    if not known:
        return
    for name, uses in Counter(used).items():
        if name not in known:
            listed = ", ".join(known[:_MAX_LISTED]) + (", ..." if len(known) > _MAX_LISTED else "")
            hint = did_you_mean(name, known) or f"; known {kind}s: {listed}"
            yield f"  unknown {kind} {name!r} (used {counted(uses, 'time')}){hint}"
