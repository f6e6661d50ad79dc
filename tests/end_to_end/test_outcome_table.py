"""The table of outcomes, row by row: what the platform reports, and the outcome in pytest and JUnit."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.end_to_end.suite import Suite, lab_tests


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        definition: The test in the lab file.
        outcome: The outcome in JUnit.
        message: A part of the JUnit message; the whole message of a failure.
        details: Parts of the JUnit text.
        arguments: More arguments of the marker.
        launches: How many launches were sent.
    """

    definition: str
    outcome: str = "passed"
    message: str = ""
    details: tuple[str, ...] = ()
    arguments: str = ""
    launches: int = 1


FAILED = "takes: 0.02, verdict: failed, description: 486 Busy Here"
REPORT = "/run/details/"
NO_DESCRIPTION = "the run failed; the platform gives no description"


def passed_but(fault: str) -> str:
    """Return a test whose final status says "passed" and is changed by `fault`."""
    return f"takes: 0.02, faults: [{{on: status, during: finished, {fault}}}]"


def launch(fault: str) -> str:
    """Return a test whose launch has this fault."""
    return f"takes: 0.02, faults: [{{on: launch, {fault}}}]"


def poll(fault: str) -> str:
    """Return a test whose polls have this fault."""
    return f"takes: 0.02, faults: [{{on: status, {fault}}}]"


VERDICTS = {
    "passed": Row("takes: 0.02"),
    "failed": Row(
        FAILED,
        "failure",
        "486 Busy Here",
        ("report ", REPORT, "session ", "test ", "override step.1.0.dial_destination  431", "pool ", "started "),
        "step_1_0_dial_destination='431'",
    ),
    "failed, empty description": Row("takes: 0.02, verdict: failed", "failure", NO_DESCRIPTION),
    "failed, no description": Row(
        f"{FAILED}, faults: [{{on: status, set: {{result_description: null}}}}]", "failure", NO_DESCRIPTION
    ),
    **{
        status: Row(
            f"takes: 0.02, verdict: {status}",
            "error",
            f"no verdict: the run ended as '{status}'",
            (f"status='{status}'", "is_finished=1", REPORT),
        )
        for status in ("stopped", "errored", "cancelled")
    },
    **{
        f"{status} with a description": Row(
            f"takes: 0.02, verdict: {status}, description: agent lost", "error", f"no verdict: {status} - agent lost"
        )
        for status in ("stopped", "errored")
    },
    "unknown final status": Row(
        "takes: 0.02, verdict: completed",
        "error",
        "no verdict: the run is finished with the unknown state 'completed'",
        ("status='completed'", "is_finished=1", REPORT),
    ),
}
CONTRADICTIONS = {
    "passed and failed": Row(
        passed_but("set: {is_failed: 1}"),
        "error",
        "the state is 'passed', but is_failed is 1",
        ("status='passed'", "is_failed=1", "has_passed=1", REPORT),
    ),
    "passed and not passed": Row(
        passed_but("set: {has_passed: 0}"), "error", "the state is 'passed', but has_passed is 0"
    ),
    "passed, both flags wrong": Row(
        passed_but("set: {has_passed: 0, is_failed: 1}"),
        "error",
        "the state is 'passed', but has_passed is 0 and is_failed is 1",
    ),
    "passed, unreadable flag": Row(
        passed_but("set: {has_passed: maybe}"), "error", "the state is 'passed', but has_passed is 'maybe'"
    ),
    **{
        f"{verdict}, {name}": Row(
            f"takes: 0.02, verdict: {verdict}, faults: [{{on: status, during: finished, set: {{{change}}}}}]",
            "error",
            f"the state is '{verdict}', but {objection}",
        )
        for verdict in ("passed", "failed")
        for name, (change, objection) in {
            "another session_id": ("session_id: other", "its session_id 'other' names another run"),
            "another test_name": ("test_name: Other call", "its test_name 'Other call' names another test"),
            "is_finished as a float": ("is_finished: 0.0", "is_finished is 0.0"),
            "is_failed as a word": ("is_failed: done", "is_failed is 'done'"),
        }.items()
    },
    "passed, missing flag": Row(
        passed_but("omit: [has_passed]"),
        "error",
        "the state is 'passed', but has_passed is missing",
        ("status='passed'", REPORT),
    ),
    "failed and not failed": Row(
        f"{FAILED}, faults: [{{on: status, during: finished, set: {{is_failed: 0}}}}]",
        "error",
        "the state is 'failed', but is_failed is 0",
    ),
    "failed and passed": Row(
        f"{FAILED}, faults: [{{on: status, during: finished, set: {{has_passed: 1}}}}]",
        "error",
        "the state is 'failed', but has_passed is 1",
    ),
}
WAITS = {
    "unknown status, then passed": Row(poll("flip: [queued, queued]")),
    "unknown status until the deadline": Row(
        poll("set: {status: queued}, omit: [is_finished]"),
        "error",
        "last status: queued",
        (REPORT, "elapsed ", "polls ", "the unknown state 'queued'"),
        "timeout=0.3",
    ),
    "no status until the deadline": Row(
        poll("omit: [status, is_finished]"), "error", "last status: none", (REPORT, "no state"), "timeout=0.3"
    ),
    **{
        f"passed, then {field}": Row(passed_but(f"times: 1, omit: [{field}]"))
        for field in ("has_passed", "is_finished")
    },
    "not finished in time": Row(
        "takes: 60",
        "error",
        "not finished after ",
        (REPORT, "last status", "elapsed ", "--sipfront-timeout"),
        "timeout=0.3",
    ),
    **{
        f"passed after {name}": Row(poll(f"times: 3, {fault}"))
        for name, fault in {
            "server errors": "status: 500",
            "refused polls": "status: 429, retry_after: 0.01",
            "dropped connections": "drop: before",
            "HTML pages": "html: true",
            "unknown runs": "status: 404",
            "errors with code 200": "body: {error: not yet}",
        }.items()
    },
}
# Three launches without an answer in a row stop the launches of a session, so no three of them are neighbours here.
LAUNCHES = {
    "refused": Row(
        launch("status: 422, error: No quota left"),
        "error",
        "Sipfront refused: No quota left (422 Unprocessable",
        ("POST ", "answer "),
    ),
    "refused with code 200": Row(
        launch("body: {error: Test run denied, status: 200}"), "error", "Sipfront refused: Test run denied"
    ),
    "busy, then accepted": Row(launch("times: 2, status: 429, retry_after: 0.05"), launches=3),
    "unavailable, then accepted": Row(launch("times: 2, status: 503, retry_after: 0.05"), launches=3),
    "response lost": Row(
        launch("drop: after"),
        "error",
        "the run may have been started: the connection to Sipfront (127.0.0.1:",
        ("not sent again",),
    ),
    "HTML page": Row(launch("html: true"), "error", "the run may have been started: Sipfront answered 200 with text"),
    "passed in between": Row("takes: 0.02"),
    "no status_url": Row(launch("omit: [status_url]"), "error", "it has no status_url", ("may have been",)),
    "not an object": Row(launch("body: []"), "error", "it has no status_url", ("may have been",)),
    "passed in between, too": Row("takes: 0.02"),
    "server error": Row(launch("status: 500"), "error", "the run may have been started: Sipfront failed"),
    "bad gateway": Row(launch("status: 502"), "error", "the run may have been started: Sipfront failed"),
    "passed at last": Row("takes: 0.02"),
}
ROWS = {**VERDICTS, **CONTRADICTIONS, **WAITS, **LAUNCHES}


@pytest.mark.parametrize("workers", [0, 2])
def test_every_row_has_its_outcome_with_and_without_workers(suite: Suite, workers: int) -> None:
    """The outcome in pytest and in JUnit with message and details, and the number of launches. No test is skipped."""
    suite.configure(lab_tests({name: row.definition for name, row in ROWS.items()}))
    suite.write(
        "".join(
            f"@marked({row.arguments})\n@marked(test={name!r})\ndef test_{number}(): pass\n"
            for number, (name, row) in enumerate(ROWS.items())
        )
    )
    result = suite.run_in_subprocess(f"-n{workers}") if workers else suite.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    reports = suite.named_reports(ROWS)
    outcomes = {}
    for name, row in ROWS.items():
        report = reports[name]
        missing = [part for part in (row.message, *row.details) if part not in report.message + report.details]
        outcomes[name] = (report.outcome, missing)
        if row.outcome == "failure":
            assert report.message == row.message
    assert outcomes == {name: (row.outcome, []) for name, row in ROWS.items()}
    of_rows = [row.outcome for row in ROWS.values()]
    counts = {"passed": of_rows.count("passed"), "failed": of_rows.count("failure"), "errors": of_rows.count("error")}
    outcomes_of_pytest = result.parseoutcomes()
    assert {name: outcomes_of_pytest.get(name, 0) for name in (*counts, "skipped")} == counts | {"skipped": 0}
    launches = [request["body"]["test.name"] for request in suite.lab.requests if request["method"] == "POST"]
    assert {name: launches.count(name) for name in ROWS} == {name: row.launches for name, row in ROWS.items()}


@pytest.mark.parametrize(
    ("environment", "options", "message"),
    [
        ({"SIPFRONT_SECRET_KEY": ""}, (), "no credentials: SIPFRONT_SECRET_KEY is not set"),
        ({}, ("--sipfront-base-url=http://127.0.0.1:1",), "Sipfront (127.0.0.1:1) cannot be reached"),
    ],
    ids=["no credentials", "unreachable"],
)
def test_a_session_without_a_platform_has_errors_with_workers_too(
    suite: Suite,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    options: tuple[str, ...],
    message: str,
) -> None:
    """Every marked test is an error. None of them is skipped."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    suite.write("@marked(test='Basic call')\n@pytest.mark.parametrize('n', range(2))\ndef test_call(n): pass\n")
    result = suite.run_in_subprocess("--sipfront-retry-for=0", "-n2", *options)
    result.assert_outcomes(errors=2)
    for n in range(2):
        report = suite.report(f"test_call[{n}]")
        assert report.outcome == "error"
        assert message in report.message
    assert suite.lab.counts["requests"] == 0
