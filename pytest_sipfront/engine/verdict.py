"""From what the platform says of a run to a verdict, and from a verdict to a test's outcome. Pure.

A verdict is only what is said explicitly, by state and flag, with nothing against it. Everything else is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from pytest_sipfront.clients.sipfront.models import LastStatus, RunStatus


class Verdict(Enum):
    """What we conclude of a run that is over."""

    PASSED = "passed"
    FAILED = "failed"


class Phase(Enum):
    """What to do next with a run."""

    RUNNING = "running"  # ask again
    UNKNOWN = "unknown"  # ask again, and say so once: the state is new to us
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one status means.

    Attributes:
        phase: Whether the run is over.
        verdict: The verdict of a run that is over; None if there is none.
        reason: Why there is no verdict, or what is unknown; "" otherwise.
    """

    phase: Phase
    verdict: Verdict | None = None
    reason: str = ""


_RUNNING = Judgement(Phase.RUNNING)
_FINAL_WITHOUT_VERDICT = frozenset({"stopped", "errored", "error", "cancelled", "canceled", "aborted"})


def judge(status: RunStatus, *, is_project: bool = False) -> Judgement:
    """Return what `status` means.

    Where several state fields disagree, one that still runs wins, then one that failed: they are known to lag behind
    one another. A project's status carries no flags; a test's pass needs `has_passed` beside its state.
    """
    states = set(status.states.values())
    if "running" in states or (states & {"passed", "failed"} and status.is_finished is False):
        return _RUNNING
    if "failed" in states:
        return _confirmed(Verdict.FAILED, _against_failed(status))
    if known := sorted(states & _FINAL_WITHOUT_VERDICT):
        return Judgement(Phase.FINAL, reason=f"the run ended as {known[0]!r}, which is neither passed nor failed")
    if states == {"passed"}:
        return _confirmed(Verdict.PASSED, _against_passed(status, is_project=is_project))
    return _unknown(status)


def _unknown(status: RunStatus) -> Judgement:
    what = f"the unknown state {status.state!r}" if status.states else "no state"
    if status.is_finished:
        return Judgement(Phase.FINAL, reason=f"the run is finished with {what}")
    return Judgement(Phase.UNKNOWN, reason=f"the platform reports {what}")


def _confirmed(verdict: Verdict, against: Iterator[str]) -> Judgement:
    objections = list(against)
    if not objections:
        return Judgement(Phase.FINAL, verdict)
    return Judgement(Phase.FINAL, reason=f"the state is {verdict.value!r}, but {' and '.join(objections)}")


def _against_failed(status: RunStatus) -> Iterator[str]:
    if status.is_failed is False:
        yield "is_failed is 0"
    if status.has_passed:
        yield "has_passed is 1"


def _against_passed(status: RunStatus, *, is_project: bool) -> Iterator[str]:
    if status.has_passed is False:
        yield "has_passed is 0"
    if status.has_passed is None and not is_project:
        yield "has_passed is missing"
    if status.is_failed:
        yield "is_failed is 1"
    if is_project:
        yield from _against_complete(status)


def _against_complete(status: RunStatus) -> Iterator[str]:
    if status.total_tests == 0:
        yield "the project ran no test"
    if status.total_tests is not None and status.tests_started is not None:
        missing = status.total_tests - status.tests_started
        if missing > 0:
            yield f"{missing} of {status.total_tests} tests were never started"


def is_current(last: LastStatus, project: RunStatus) -> bool:
    """Return whether a test's last run began within the project run, as far as the platform's seconds can tell."""
    began, start, stop = last.status.started_at, project.started_at, project.stopped_at
    return began is not None and start is not None and start <= began and (stop is None or began <= stop)


def against_project(tests: tuple[LastStatus, ...], project: RunStatus) -> str:
    """Return what contradicts a passed project: a test of it that failed within its time; "" if nothing does."""
    failed = [t.test_name for t in tests if is_current(t, project) and "failed" in t.status.states.values()]
    return f"the project passed, but its test {failed[0]!r} failed within its time" if failed else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a test wants of its run.

    Attributes:
        verdict: The wanted verdict; None accepts either.
        match: A regular expression to be found in the `result_description` of a run that must fail; "" for any.
    """

    verdict: Verdict | None = Verdict.PASSED
    match: str = ""

    def objection(self, verdict: Verdict, description: str) -> str:
        """Return on one line why the run is not as wanted; "" if it is."""
        said = " ".join(description.split())
        if self.verdict is None:
            return ""
        if verdict is not self.verdict:
            if verdict is Verdict.PASSED:
                return "the run passed, but was expected to fail"
            return said or "the run failed; the platform gives no description"
        if self.match and not re.search(self.match, description):
            return f"the run failed as expected, but {said!r} does not match {self.match!r}"
        return ""
