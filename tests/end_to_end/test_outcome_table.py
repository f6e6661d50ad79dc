"""The table of outcomes, row by row, in one session: alone, with workers, and in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.end_to_end.suite import Suite


@dataclass(frozen=True, slots=True)
class Row:
    """What the platform says, how the test asks, and what pytest and JUnit must make of it.

    Attributes:
        platform: The test in the lab file.
        element: "", "failure" or "error".
        message: A part of the element's message; all of it for a failure.
        shown: Parts of the element's text.
        words: More words of the mark.
    """

    platform: str
    element: str = ""
    message: str = ""
    shown: tuple[str, ...] = ()
    words: str = ""


FAILED = "takes: 0.05, verdict: failed, description: 486 Busy Here"
REPORT = "/run/details/"
ROWS = {
    "passed": Row("takes: 0.05"),
    "failed": Row(
        FAILED,
        "failure",
        "486 Busy Here",
        ("report ", REPORT, "session ", "test ", "override step.1.0.dial_destination  431", "pool ", "started "),
        "step_1_0_dial_destination='431'",
    ),
    "stopped": Row(
        "takes: 0.05, verdict: stopped", "error", "no verdict: the run ended as 'stopped'", ("status='stopped'", REPORT)
    ),
    "errored": Row(
        "takes: 0.05, verdict: errored", "error", "no verdict: the run ended as 'errored'", ("status='errored'", REPORT)
    ),
    "unknown final state": Row(
        "takes: 0.05, verdict: completed",
        "error",
        "no verdict: the run is finished with the unknown state 'completed'",
        ("status='completed'", "is_finished=1", REPORT),
    ),
    "contradiction": Row(
        "takes: 0.05, faults: [{on: status, during: finished, set: {is_failed: 1}}]",
        "error",
        "the state is 'passed', but is_failed is 1",
        ("status='passed'", "is_failed=1", "has_passed=1", REPORT),
    ),
    "flag missing": Row(
        "takes: 0.05, faults: [{on: status, during: finished, omit: [has_passed]}]",
        "error",
        "the state is 'passed', but has_passed is missing",
        ("status='passed'", REPORT),
    ),
    "unknown state, then passed": Row("takes: 0.05, faults: [{on: status, flip: [queued, queued]}]"),
    "unknown state for ever": Row(
        "takes: 0.05, faults: [{on: status, set: {status: queued}, omit: [is_finished]}]",
        "error",
        "last state: queued",
        (REPORT, "elapsed ", "polls ", "the unknown state 'queued'"),
        "timeout=0.3",
    ),
    "no state for ever": Row(
        "takes: 0.05, faults: [{on: status, omit: [status, is_finished]}]",
        "error",
        "last state: none",
        (REPORT, "no state"),
        "timeout=0.3",
    ),
    "deadline": Row("takes: 60", "error", "not finished after 0.", (REPORT, "last state", "elapsed "), "timeout=0.3"),
    "refused": Row(
        "faults: [{on: launch, status: 422, error: No quota left}]",
        "error",
        "Sipfront refused: No quota left (422 Unprocessable",
        ("POST ", "answer "),
    ),
    "refused in a good answer": Row(
        "faults: [{on: launch, body: {error: Test run denied}}]", "error", "Sipfront refused: Test run denied"
    ),
    "answer lost": Row(
        "faults: [{on: launch, drop: after}]",
        "error",
        "the run may have been started: the connection to Sipfront (127.0.0.1) broke",
        ("not sent again",),
    ),
    "passed in between": Row("takes: 0.05"),
    "unreadable answer": Row(
        "faults: [{on: launch, html: true}]", "error", "the run may have been started: Sipfront answered 200 with text"
    ),
    "no status_url": Row(
        "faults: [{on: launch, omit: [status_url]}]", "error", "it has no status_url", ("may have been",)
    ),
    "server error": Row(
        "faults: [{on: launch, status: 500}]", "error", "the run may have been started: Sipfront failed"
    ),
    "passed at last": Row("takes: 0.05"),
}
ONE_LAUNCH_EACH = len(ROWS)


@pytest.mark.parametrize("mode", ["in process", "subprocess", "two workers"])
def test_every_row_has_its_outcome_in_every_mode(suite: Suite, mode: str) -> None:
    """pytest's outcome, JUnit's element, its message and its details; each launch sent once; no skip anywhere."""
    suite.platform("tests:\n" + "".join(f"  {name!r}: {{{row.platform}}}\n" for name, row in ROWS.items()))
    suite.write(
        "".join(
            f"@marked(test={name!r}, {row.words})\ndef test_{number}(): pass\n"
            for number, (name, row) in enumerate(ROWS.items())
        )
    )
    options = ["-n2"] if mode == "two workers" else []
    result = (suite.run if mode == "in process" else suite.run_in_subprocess)(*options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    seen = {}
    for number, (name, row) in enumerate(ROWS.items()):
        elements = [e for e in suite.case(f"test_{number}") if e.tag not in {"properties", "system-out", "system-err"}]
        message = "".join(e.get("message", "") for e in elements)
        text = "".join(e.text or "" for e in elements)
        missing = [part for part in (row.message, *row.shown) if part not in message + text]
        seen[name] = ([e.tag for e in elements], missing)
        if row.element == "failure":
            assert message == row.message
    assert seen == {name: ([row.element] if row.element else [], []) for name, row in ROWS.items()}
    wanted = [row.element for row in ROWS.values()]
    counts = {name: wanted.count(word) for name, word in (("passed", ""), ("failed", "failure"), ("errors", "error"))}
    outcomes = result.parseoutcomes()
    assert {name: outcomes.get(name, 0) for name in (*counts, "skipped")} == counts | {"skipped": 0}
    assert suite.lab.counts["launch_requests"] == ONE_LAUNCH_EACH


@pytest.mark.parametrize(
    ("environment", "options", "message"),
    [
        ({"SIPFRONT_SECRET_KEY": ""}, (), "no credentials: SIPFRONT_SECRET_KEY is not set"),
        ({}, ("--sipfront-base-url=http://127.0.0.1:1",), "Sipfront (127.0.0.1) cannot be reached"),
    ],
    ids=["no credentials", "unreachable"],
)
def test_what_no_platform_can_say_has_its_outcome_with_workers_too(
    suite: Suite,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    options: tuple[str, ...],
    message: str,
) -> None:
    """An error in every test, and never a skip."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    suite.write("@marked(test='Basic call')\n@pytest.mark.parametrize('n', range(2))\ndef test_call(n): pass\n")
    result = suite.run_in_subprocess("--sipfront-retry-for=0", "-n2", *options)
    result.assert_outcomes(errors=2)
    for n in range(2):
        error = suite.case(f"test_call[{n}]").find("error")
        assert error is not None
        assert message in (error.get("message") or "")
    assert suite.lab.counts["requests"] == 0
