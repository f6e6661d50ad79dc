"""Before anything is launched: the plan of a session, and what the platform knows of its names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.engine.admission import makespan
from pytest_sipfront.engine.run import request_key
from pytest_sipfront.plugin.item_markers import is_marked
from pytest_sipfront.plugin.run_spec import RunSpec
from pytest_sipfront.plugin.state import State

if TYPE_CHECKING:
    from pytest_sipfront.engine.durations import Durations


@dataclass(frozen=True, slots=True)
class Planned:
    """One run of the plan; `seconds` is None if its duration is unknown."""

    nodeid: str
    order: RunSpec
    seconds: float | None


def keep_in_one_process(config: pytest.Config) -> None:
    """A plan needs no workers, and only a session without them has the items."""
    if config.pluginmanager.hasplugin("xdist"):
        config.option.dist = "no"


def instead_of_running(session: pytest.Session, state: State) -> bool | None:
    """Check, if that is wanted, and show the plan, if that is wanted: then nothing is run.

    Raises:
        pytest.UsageError: The check found something.
    """
    wanted = state.settings.plan or state.settings.check
    if not wanted or session.config.option.collectonly or session.testsfailed or state.workers.is_worker:
        return None
    marked = [item for item in session.items if isinstance(item, pytest.Function) and is_marked(item)]
    if state.settings.check and marked:
        findings = state.session.check([state.marked.order(item) for item in marked])
        if findings:
            raise pytest.UsageError("\n".join(["--sipfront-check: nothing is launched", *findings]))
    if not state.settings.plan:
        return None
    durations = state.keeping().durations
    planned = [_planned(item.nodeid, state.marked.order(item), state.settings.service, durations) for item in marked]
    own = sum(1 for item in session.items if "sipfront" in getattr(item, "fixturenames", ()))
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        given = state.settings
        for line in lines(planned, own, given.concurrency, given.max_runs, given.max_minutes):
            reporter.write_line(line)
    return True


def _planned(nodeid: str, order: RunSpec, service: str, durations: Durations) -> Planned:
    expected = durations.expected(request_key(service, order.request))
    return Planned(nodeid, order, expected.typical if expected else None)


def lines(
    planned: list[Planned], own: int, concurrency: int, max_runs: int | None = None, max_minutes: float | None = None
) -> Iterator[str]:
    """Yield the plan for people: what would be launched, how long each takes, and how long all of them.

    Args:
        planned: The runs of marked tests.
        own: How many tests launch runs of their own.
        concurrency: How many runs may be in flight.
        max_runs: The budget of runs; None for no limit.
        max_minutes: The budget of minutes; None for no limit.
    """
    known = [one.seconds for one in planned if one.seconds is not None]
    unknown = len(planned) - len(known)
    total = [f"{len(planned)} {'run' if len(planned) == 1 else 'runs'} would be launched"]
    if known:
        total.append(f"about {_minutes(sum(known))} of calls")
        total.append(f"about {_minutes(makespan(known, concurrency))} at concurrency {concurrency}")
    if unknown:
        total.append(f"{unknown} of unknown length")
    yield f"sipfront plan: {', '.join(total)}"
    if max_runs is not None and len(planned) > max_runs:
        yield f"  {len(planned) - max_runs} of them do not fit into the budget of {max_runs} runs"
    if max_minutes is not None and sum(known) / 60 > max_minutes:
        yield f"  they do not fit into the budget of {max_minutes:g} min"
    if own:
        yield f"  {own} {'test launches' if own == 1 else 'tests launch'} runs of their own, which are not in the plan"
    for one in planned:
        request = one.order.request
        overrides = "".join(f" {key}={value}" for key, value in request.overrides.items())
        yield f"  {one.nodeid}: {request.target}{overrides}, {_minutes(one.seconds)}"


def _minutes(seconds: float | None) -> str:
    if seconds is None:
        return "length unknown"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"  # noqa: PLR2004 - then minutes read better
