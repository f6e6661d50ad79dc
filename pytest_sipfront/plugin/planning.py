"""The plan of a session, and the check of its names, before the first launch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.engine.admission import makespan
from pytest_sipfront.engine.durations import Durations
from pytest_sipfront.engine.run import request_key
from pytest_sipfront.errors import SipfrontError
from pytest_sipfront.plugin.item_markers import is_marked
from pytest_sipfront.plugin.run_spec import RunSpec
from pytest_sipfront.suggestions import did_you_mean

if TYPE_CHECKING:
    from pytest_sipfront.plugin.run_session import RunSession
    from pytest_sipfront.plugin.state import State

CHECK_FAILED = "--sipfront-check found problems, so no run is launched:"
_MAX_LISTED = 10


@dataclass(frozen=True, slots=True)
class Planned:
    """One run of the plan; `seconds` is None if its duration is unknown."""

    nodeid: str
    spec: RunSpec
    seconds: float | None


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
    if state.settings.check and marked:
        problems = check_names(state.session, [state.marked.spec(item) for item in marked])
        if problems:
            raise pytest.UsageError("\n".join([CHECK_FAILED, *problems]))
    if not state.settings.plan:
        return None
    durations = Durations.load(state.storage().durations)
    planned = [_planned(item.nodeid, state.marked.spec(item), state.settings.service, durations) for item in marked]
    imperative = sum(1 for item in session.items if "sipfront" in getattr(item, "fixturenames", ()))
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        settings = state.settings
        for line in lines(planned, imperative, settings.concurrency, settings.max_runs, settings.max_minutes):
            reporter.write_line(line)
    return True


def _planned(nodeid: str, spec: RunSpec, service: str, durations: Durations) -> Planned:
    expected = durations.expected(request_key(service, spec.request))
    return Planned(nodeid, spec, expected.typical if expected else None)


def lines(
    planned: Sequence[Planned],
    imperative: int,
    concurrency: int,
    max_runs: int | None = None,
    max_minutes: float | None = None,
) -> Iterator[str]:
    """Yield the lines of the plan.

    Args:
        planned: The runs of marked tests.
        imperative: Number of tests that use the `sipfront` fixture.
        concurrency: Maximum number of concurrent runs.
        max_runs: Budget of launches, or None.
        max_minutes: Budget of minutes, or None.
    """
    known = [run.seconds for run in planned if run.seconds is not None]
    unknown = len(planned) - len(known)
    total = [_count(len(planned), "run")]
    if known:
        total.append(f"about {_duration(sum(known))} of calls")
        total.append(f"about {_duration(makespan(known, concurrency))} at concurrency {concurrency}")
    if unknown:
        total.append(f"{unknown} of unknown duration")
    yield f"sipfront plan: {', '.join(total)}"
    if max_runs is not None and len(planned) > max_runs:
        yield f"  {_count(len(planned) - max_runs, 'run')} over the budget of {max_runs}"
    if max_minutes is not None and sum(known) / 60 > max_minutes:
        yield f"  {sum(known) / 60 - max_minutes:.1f} min over the budget of {max_minutes:g} min"
    if imperative:
        yield f"  plus the runs that {_count(imperative, 'test')} may launch with the sipfront fixture"
    for run in planned:
        request = run.spec.request
        overrides = "".join(f" {key}={value}" for key, value in request.overrides.items())
        yield f"  {run.nodeid}: {request.target}{overrides}, {_duration(run.seconds)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "duration unknown"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"  # noqa: PLR2004 - seconds of a minute


def check_names(session: RunSession, specs: Iterable[RunSpec]) -> list[str]:
    """Compare the names of `specs` with the platform, and return a line for each problem."""
    requests = [spec.request for spec in specs]
    tests = [request.test for request in requests if request.test is not None]
    projects = [request.project for request in requests if isinstance(request.project, str)]
    try:
        problems = list(unknown_names("test", tests, session.ask("tests").names()))
        if projects:
            problems += unknown_names("project", projects, session.ask("projects").names())
    except SipfrontError as error:
        return [f"  {error}"]
    return problems


def unknown_names(kind: str, used: Iterable[str], known: Sequence[str]) -> Iterator[str]:
    """Yield a line for each used name that the platform does not have, with the nearest one that it has."""
    if not known:
        return
    for name, uses in Counter(used).items():
        if name not in known:
            listed = ", ".join(known[:_MAX_LISTED]) + (", ..." if len(known) > _MAX_LISTED else "")
            hint = did_you_mean(name, known) or f"; known {kind}s: {listed}"
            yield f"  unknown {kind} {name!r} (used {_count(uses, 'time')}){hint}"
