"""Outcomes that depend on more than one row of the outcome table can show."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite, lab_tests

ONE_TEST = "@marked(test='Basic call')\ndef test_call(): pass\n"


def test_a_passed_run_lets_the_test_pass(suite: Suite) -> None:
    """JUnit has only properties, and one run was launched."""
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(passed=1)
    assert [child.tag for child in suite.case("test_call")] == ["properties"]
    assert suite.lab.launches == 1


def test_a_failed_run_fails_the_test_with_the_description_of_the_platform(suite: Suite) -> None:
    """The message in JUnit is the result_description. The details name the run and its overrides."""
    suite.configure(
        lab_tests(
            {"Basic call": ("takes: 0.02, verdict: failed, description: 486 Busy Here after 0.12 s, testcase: A to B")}
        )
    )
    suite.write("@marked(test='Basic call', step_1_0_dial_destination='431')\ndef test_call(): raise SystemError")
    result = suite.run()
    result.assert_outcomes(failed=1)
    report = suite.report()
    assert (report.outcome, report.message) == ("failure", "486 Busy Here after 0.12 s")
    lines = [line.split() for line in report.details.split("sipfront ---")[-1].splitlines()[1:]]
    assert lines[:5] == [
        ["report", report.properties["sipfront.report_url"]],
        ["session", report.properties["sipfront.session_id"]],
        ["test", "Basic", "call"],
        ["override", "step.1.0.dial_destination", "431"],
        ["scenario", "A", "to", "B"],
    ]
    assert {line[0] for line in lines[5:] if line} >= {"pool", "started", "stopped"}
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_call - 486 Busy Here after 0.12 s"])


def test_polling_continues_after_an_unknown_status_that_is_not_final(suite: Suite) -> None:
    """The details of the failure name each unknown status once."""
    definition = "takes: 0.02, verdict: failed, description: no, faults: [{on: status, flip: [queued, queued, new]}]"
    details = suite.run_tests({"Basic call": definition})["Basic call"].details
    assert details.count("the unknown state 'queued'") == 1
    assert details.count("the unknown state 'new'") == 1
    assert suite.lab.polls >= 4


def test_an_unknown_status_causes_one_warning(suite: Suite) -> None:
    """A passed test has no other place to show it."""
    suite.configure(lab_tests({"Basic call": "takes: 0.02, faults: [{on: status, flip: [queued, queued]}]"}))
    suite.write(ONE_TEST)
    result = suite.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*SipfrontWarning: *the unknown state 'queued'*"])


def test_an_unknown_test_name_is_an_error_with_the_text_of_the_platform(suite: Suite) -> None:
    """The platform refuses the launch."""
    report = suite.run_marked({"typo": "test='Basic cal'"})["typo"]
    assert report.outcome == "error"
    assert "Sipfront refused: Test 'Basic cal' not found (404 Not Found); did you mean 'Basic call'?" in report.message


def test_an_unknown_project_name_is_an_error_that_names_the_nearest_one(suite: Suite) -> None:
    """The list of projects is requested once per session."""
    suite.configure("tests: {Basic call: {}}\nprojects: {Nightly: {}}\n")
    reports = suite.run_marked({"typo": "project='Nigthly'", "other": "project='Nigtly'"})
    assert all(report.message.endswith("; did you mean 'Nightly'?\"") for report in reports.values())
    assert suite.lab.counts["by_path"]["/api/v2/projects"] == 1


def test_an_unreachable_platform_is_an_error(suite: Suite, free_port: int) -> None:
    """The error names host, port and setting."""
    suite.write(ONE_TEST)
    suite.run(f"--sipfront-base-url=http://127.0.0.1:{free_port}", "--sipfront-retry-for=0.2").assert_outcomes(errors=1)
    report = suite.report()
    assert f"Sipfront (127.0.0.1:{free_port}) cannot be reached" in report.message
    assert "Check the base URL: --sipfront-base-url" in report.details


@pytest.mark.parametrize(
    ("unset", "message"),
    [
        (("SIPFRONT_PUBLIC_KEY", "SIPFRONT_SECRET_KEY"), "SIPFRONT_PUBLIC_KEY and SIPFRONT_SECRET_KEY are not set"),
        (("SIPFRONT_SECRET_KEY",), "SIPFRONT_SECRET_KEY is not set"),
    ],
)
def test_missing_credentials_are_an_error_and_never_a_skip(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, unset: tuple[str, ...], message: str
) -> None:
    """The error names the variables. A skipped suite would look green."""
    for name in unset:
        monkeypatch.delenv(name)
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    assert message in suite.report().message
    assert "--sipfront-lab" in suite.report().details
    assert suite.lab.counts["requests"] == 0


def test_refused_credentials_are_an_error(suite: Suite) -> None:
    """The platform responds with 401."""
    suite.configure("account: {public_key: other, secret_key: other}\ntests: {Basic call: {}}\n")
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    assert "Sipfront refused the credentials" in suite.report().message
    assert "credentials  from SIPFRONT_PUBLIC_KEY and SIPFRONT_SECRET_KEY" in suite.report().details
    assert "Check that both keys belong to one key pair of this account" in suite.report().details


def test_polls_that_fail_for_too_long_are_an_error_with_the_report(suite: Suite) -> None:
    """A run whose status remains unknown may have ended in any way."""
    suite.configure(lab_tests({"Basic call": "takes: 0.02, faults: [{on: status, status: 500, error: database down}]"}))
    suite.write(ONE_TEST)
    suite.run("--sipfront-retry-for=0.2").assert_outcomes(errors=1)
    report = suite.report()
    assert "Sipfront failed: database down (500" in report.message
    assert report.properties["sipfront.report_url"] in report.details


def test_runs_of_a_body_have_their_outcomes_with_workers_too(suite: Suite) -> None:
    """The closing section counts the runs of all workers."""
    suite.configure(
        lab_tests(
            {
                "Good": "takes: 0.02",
                "Bad": "takes: 0.02, verdict: failed, description: 603 Decline",
                "Odd": "takes: 0.02, verdict: stopped",
            }
        )
    )
    suite.write(
        "".join(f"def test_{name.lower()}(sipfront): sipfront.run(test='{name}')\n" for name in ("Good", "Bad", "Odd"))
    )
    result = suite.run_in_subprocess("-n2")
    result.assert_outcomes(passed=1, failed=1, errors=1)
    assert suite.report("test_bad").message == "603 Decline"
    assert "report" in suite.report("test_bad").details
    assert suite.report("test_odd").outcome == "error"
    result.stdout.fnmatch_lines(["3 runs: 1 passed, 1 failed, 1 without verdict"])
