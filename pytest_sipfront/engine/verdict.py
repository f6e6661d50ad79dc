"""From a run's status to a verdict, and from a verdict to a test's outcome. Pure.

There is a verdict only if state and flags name it explicitly, and if the rest of the status agrees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from pytest_sipfront.clients.json_fields import EMPTY
from pytest_sipfront.clients.service_text import one_line
from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunRequest, RunStatus

DESCRIPTION_LIMIT = 1_000
"""The longest `result_description` that a failure message quotes, in characters."""


class Verdict(Enum):
    """The verdict of a finished run."""

    PASSED = "passed"
    FAILED = "failed"


class Phase(Enum):
    """The next step for a run."""

    RUNNING = "running"  # poll again
    UNKNOWN = "unknown"  # poll again, and report the unknown state
    UNSETTLED = "unsettled"  # poll again: a field that completes the verdict is missing
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The meaning of one status.

    Attributes:
        phase: The next step.
        verdict: The verdict in the phase FINAL; None if there is no verdict.
        reason: Why there is no verdict, or which state is unknown; "" otherwise.
    """

    phase: Phase
    verdict: Verdict | None = None
    reason: str = ""


_RUNNING = Judgement(Phase.RUNNING)
_FINAL_WITHOUT_VERDICT = frozenset({"stopped", "errored", "error", "cancelled", "canceled", "aborted"})


def judge(
    status: RunStatus, request: RunRequest, launched: Launched | None = None, previous: RunStatus | None = None
) -> Judgement:
    """Return the meaning of `status`.

    State fields may lag behind one another: if they disagree, "running" takes precedence, then "failed". A test has
    passed only if `has_passed` confirms the state. A project's status has no flags.

    A pass is settled if `is_finished` is set, or if two polls in a row agree.

    Args:
        status: The latest status.
        request: The launch request.
        launched: The response to the launch; None if unknown.
        previous: The status of the poll before; None for the first poll.
    """
    states = set(status.states.values())
    if "running" in states or (states & {"passed", "failed"} and status.is_finished is False):
        return _RUNNING
    if "failed" in states:
        return _confirm(Verdict.FAILED, [*_doubts(status, request, launched), *_against_failed(status)])
    if words := sorted(states & _FINAL_WITHOUT_VERDICT):
        return Judgement(Phase.FINAL, reason=_without_verdict(words[0], status.result_description))
    if states == {"passed"}:
        return _judge_passed(status, request, launched, previous)
    return _unknown(status)


def _judge_passed(
    status: RunStatus, request: RunRequest, launched: Launched | None, previous: RunStatus | None
) -> Judgement:
    objections = [*_doubts(status, request, launched), *_against_passed(status, is_project=request.is_project)]
    is_settled = previous is not None and _content(previous) == _content(status)
    if status.has_passed is None and not objections and not request.is_project:
        if not is_settled:
            return Judgement(Phase.UNSETTLED, reason="has_passed is missing")
        objections.append("has_passed is missing")
    if objections or is_settled or status.is_finished:
        return _confirm(Verdict.PASSED, objections)
    return Judgement(Phase.UNSETTLED, reason="is_finished is missing")


def _content(status: RunStatus) -> RunStatus:
    return replace(status, raw=EMPTY, retry_after=None)


def _without_verdict(state: str, description: str) -> str:
    if text := one_line(description, DESCRIPTION_LIMIT):
        return f"{state} - {text}"
    return f"the run ended as {state!r}, which is neither passed nor failed"


def _unknown(status: RunStatus) -> Judgement:
    state = f"the unknown state {status.state!r}" if status.states else "no state"
    if status.is_finished:
        return Judgement(Phase.FINAL, reason=f"the run is finished with {state}")
    return Judgement(Phase.UNKNOWN, reason=f"the platform reports {state}")


def _confirm(verdict: Verdict, objections: list[str]) -> Judgement:
    if not objections:
        return Judgement(Phase.FINAL, verdict)
    return Judgement(Phase.FINAL, reason=f"the state is {verdict.value!r}, but {' and '.join(objections)}")


def _doubts(status: RunStatus, request: RunRequest, launched: Launched | None) -> Iterator[str]:
    """Yield what is unreadable, and what belongs to another run. A missing field is not a contradiction."""
    for name in status.unreadable:
        yield f"{name} is {one_line(repr(status.raw.get(name)))}"
    if launched is not None and launched.run_id and status.session_id:
        ids = {launched.run_id.casefold(), launched.session_id.casefold()}
        if ids.isdisjoint({status.session_id.casefold(), str(status.raw.get("id"))}):
            yield f"its session_id {status.session_id!r} names another run than {launched.run_id!r}"
    if request.test is not None and status.test_name and not _same_name(status.test_name, request.test):
        yield f"its test_name {status.test_name!r} names another test than {request.test!r}"
    if isinstance(request.project, str) and status.project_name:
        if not _same_name(status.project_name, request.project):
            yield f"its project_name {status.project_name!r} names another project than {request.project!r}"
    elif isinstance(request.project, int) and status.project_id not in (None, request.project):
        yield f"its project_id {status.project_id} names another project than {request.project}"


def _same_name(first: str, second: str) -> bool:
    return " ".join(first.casefold().split()) == " ".join(second.casefold().split())


def _against_failed(status: RunStatus) -> Iterator[str]:
    if status.is_failed is False:
        yield "is_failed is 0"
    if status.has_passed:
        yield "has_passed is 1"


def _against_passed(status: RunStatus, *, is_project: bool) -> Iterator[str]:
    if status.has_passed is False:
        yield "has_passed is 0"
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


def selected_tests(tests: tuple[LastStatus, ...], request: RunRequest) -> tuple[LastStatus, ...]:
    """Return the tests that a project run was launched with: those in `test_ids`, or all if it is empty."""
    return tuple(test for test in tests if test.test_id in request.test_ids) if request.test_ids else tests


def is_current(last: LastStatus, project: RunStatus) -> bool:
    """Return whether a test's last run began during the project run, by the platform's times in whole seconds."""
    began, start, stop = last.status.started_at, project.started_at, project.stopped_at
    return began is not None and start is not None and start <= began and (stop is None or began <= stop)


def against_project(tests: tuple[LastStatus, ...], project: RunStatus) -> str:
    """Return which test contradicts a passed project, since it failed or has no verdict; "" if no test does."""
    for test in tests:
        states = set(test.status.states.values())
        if is_current(test, project) and states & (_FINAL_WITHOUT_VERDICT | {"failed"}):
            end = "failed" if "failed" in states else f"ended as {test.status.state!r}"
            return f"the project passed, but its test {test.test_name!r} {end}"
    return ""


def failure_description(status: RunStatus, tests: tuple[LastStatus, ...] = ()) -> str:
    """Return why a run failed: its `result_description`, and the failed tests of a project with their reasons."""
    failed = [test for test in tests if is_current(test, status) and "failed" in test.status.states.values()]
    if not failed:
        return status.result_description
    reasons = (f"{test.test_name}: {test.status.result_description or 'no description'}" for test in failed)
    summary = f"{len(failed)} of {len(tests)} tests failed: {'; '.join(reasons)}"
    return f"{status.result_description} ({summary})" if status.result_description else summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The verdict that a test expects.

    Attributes:
        verdict: The expected verdict; None accepts both.
        match: A regular expression for the `result_description` of a run that is expected to fail; "" for any.
    """

    verdict: Verdict | None = Verdict.PASSED
    match: str = ""

    def objection(self, verdict: Verdict, description: str) -> str:
        """Return on one line how the run differs from the expectation; "" if it does not."""
        text = one_line(description, DESCRIPTION_LIMIT)
        if self.verdict is None:
            return ""
        if verdict is not self.verdict:
            if verdict is Verdict.PASSED:
                return "the run passed, but was expected to fail"
            return text or "the run failed; the platform gives no description"
        if self.match and not re.search(self.match, description):
            return f"the run failed as expected, but {text!r} does not match {self.match!r}"
        return ""
