"""What the platform says -> pytest's outcome and JUnit's element, over real HTTP."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

ONE_TEST = "@marked(test='Basic call')\ndef test_call(): pass\n"


def platform(spec: str, *, faults: str = "") -> str:
    return f"tests:\n  Basic call:\n    takes: 0.05\n    {spec}\n" + (f"    faults: [{faults}]\n" if faults else "")


def test_a_passed_run_lets_the_test_pass(suite: Suite) -> None:
    """An explicit pass, by state and flag, is a pass, with nothing but properties in JUnit."""
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(passed=1)
    assert [child.tag for child in suite.case("test_call")] == ["properties"]
    assert suite.lab.launches == 1


def test_a_failed_run_fails_the_test_with_the_platforms_description(suite: Suite) -> None:
    """FAILED; JUnit's message is the result_description and nothing else; the details name run and overrides."""
    suite.platform(platform("verdict: failed\n    description: 486 Busy Here after 0.12 s\n    testcase: A to B"))
    suite.write("@marked(test='Basic call', step_1_0_dial_destination='431')\ndef test_call(): raise SystemError")
    result = suite.run()
    result.assert_outcomes(failed=1)
    failure = suite.case("test_call").find("failure")
    assert failure is not None
    assert failure.get("message") == "486 Busy Here after 0.12 s"
    text = failure.text or ""
    report_url = suite.properties("test_call")["sipfront.report_url"]
    assert [line.split() for line in text.split("sipfront ---")[-1].splitlines()[1:6]] == [
        ["report", report_url],
        ["session", suite.properties("test_call")["sipfront.session_id"]],
        ["test", "Basic", "call"],
        ["override", "step.1.0.dial_destination", "431"],
        ["scenario", "A", "to", "B"],
    ]
    assert "pool" in text
    assert "started" in text
    assert "stopped" in text
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_call - 486 Busy Here after 0.12 s"])


@pytest.mark.parametrize("description", ["''", "null"])
def test_a_failed_run_without_a_description_says_so(suite: Suite, description: str) -> None:
    """An empty or absent reason is said in words, not shown as an empty message."""
    suite.platform(platform("verdict: failed", faults=f"{{on: status, set: {{result_description: {description}}}}}"))
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(failed=1)
    failure = suite.case("test_call").find("failure")
    assert failure is not None
    assert failure.get("message") == "the run failed; the platform gives no description"


@pytest.mark.parametrize("state", ["stopped", "errored", "cancelled"])
def test_a_final_state_without_verdict_is_an_error_that_shows_the_raw_fields(suite: Suite, state: str) -> None:
    """Stopped and errored are neither passed nor failed: ERROR, with what the platform said."""
    suite.platform(platform(f"verdict: {state}"))
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert f"the run ended as '{state}'" in (error.get("message") or "")
    assert f"status='{state}'" in (error.text or "")
    assert "is_finished=1" in (error.text or "")


def test_an_unknown_final_state_is_an_error(suite: Suite) -> None:
    """A finished run in a state that nobody knows is no pass."""
    suite.platform(platform("verdict: completed"))
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert "finished with the unknown state 'completed'" in (error.get("message") or "")


@pytest.mark.parametrize(
    ("lie", "objection"),
    [
        ("{has_passed: 0}", "has_passed is 0"),
        ("{is_failed: 1}", "is_failed is 1"),
        ("{has_passed: 0, is_failed: 1}", "has_passed is 0 and is_failed is 1"),
        ("{has_passed: maybe}", "has_passed is missing"),
    ],
)
def test_a_passed_state_with_contradicting_flags_is_an_error(suite: Suite, lie: str, objection: str) -> None:
    """State and flags must agree before a test may pass."""
    suite.platform(platform("verdict: passed", faults=f"{{on: status, during: finished, set: {lie}}}"))
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert f"the state is 'passed', but {objection}" in (error.get("message") or "")


def test_a_passed_state_without_its_flag_is_an_error(suite: Suite) -> None:
    """A missing has_passed is missing data: no pass."""
    suite.platform(platform("verdict: passed", faults="{on: status, during: finished, omit: [has_passed]}"))
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)


@pytest.mark.parametrize("lie", ["{is_failed: 0}", "{has_passed: 1}"])
def test_a_failed_state_with_contradicting_flags_is_an_error(suite: Suite, lie: str) -> None:
    """Contradicting fields are no verdict, in either direction."""
    suite.platform(platform("verdict: failed", faults=f"{{on: status, during: finished, set: {lie}}}"))
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)


def test_an_unknown_state_that_does_not_claim_to_be_final_is_polled_on(suite: Suite) -> None:
    """Queued, provisioning, whatever comes: ask on until a state is final; say once that it was unknown."""
    suite.platform(platform("verdict: failed\n    description: no", faults="{on: status, flip: [queued, queued, new]}"))
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(failed=1)
    failure = suite.case("test_call").find("failure")
    assert failure is not None
    assert (failure.text or "").count("the unknown state 'queued'") == 1
    assert "the unknown state 'new'" in (failure.text or "")
    assert suite.lab.polls >= 4


def test_an_unknown_state_warns_once(suite: Suite) -> None:
    """A passing test shows its unknown state as a warning, once a state."""
    suite.platform(platform("verdict: passed", faults="{on: status, flip: [queued, queued]}"))
    suite.write(ONE_TEST)
    result = suite.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*SipfrontWarning: *the unknown state 'queued'*"])


def test_a_run_that_outlasts_its_deadline_is_an_error_with_state_time_and_report(suite: Suite) -> None:
    """Not finished in time: ERROR with the last state, the elapsed time and where to look."""
    suite.platform(platform("takes: 60").replace("takes: 0.05\n    ", ""))
    suite.write("@marked(test='Basic call', timeout=0.3)\ndef test_call(): pass\n")
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert "not finished after 0." in (error.get("message") or "")
    assert "last state: running" in (error.get("message") or "")
    assert suite.properties("test_call")["sipfront.report_url"] in (error.text or "")
    assert "--sipfront-timeout" in (error.text or "")


def test_a_refused_launch_is_an_error_with_the_platforms_own_text(suite: Suite) -> None:
    """An unknown test name is refused by the platform; the words are the platform's."""
    suite.write("@marked(test='Basic cal')\ndef test_call(): pass\n")
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert "Sipfront refused: Test 'Basic cal' not found (404 Not Found)" in (error.get("message") or "")


def test_an_unreachable_platform_is_an_error(suite: Suite, free_port: int) -> None:
    """Nothing listens: ERROR that names the host and the cause."""
    suite.write(ONE_TEST)
    suite.run(f"--sipfront-base-url=http://127.0.0.1:{free_port}", "--sipfront-retry-for=0.2").assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert "Sipfront (127.0.0.1) cannot be reached" in (error.get("message") or "")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("{on: launch, html: true}", "an HTML page titled 'Maintenance'"),
        ("{on: launch, omit: [status_url]}", "no status_url"),
        ("{on: launch, body: []}", "no status_url"),
        ("{on: launch, drop: after}", "broke"),
        ("{on: launch, status: 500}", "Sipfront failed"),
        ("{on: launch, status: 502}", "Sipfront failed"),
    ],
)
def test_a_launch_without_a_usable_answer_may_have_been_started_and_is_never_sent_again(
    suite: Suite, fault: str, text: str
) -> None:
    """Sent, and its answer lost or unreadable: ERROR 'may have been started', one launch at the platform."""
    suite.platform(platform("verdict: passed", faults=fault))
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert "the run may have been started" in (error.get("message") or "")
    assert text in (error.get("message") or "")
    assert suite.lab.counts["launch_requests"] == 1


def test_a_launch_refused_within_a_good_answer_is_refused(suite: Suite) -> None:
    """200 with an error text and no run: the platform's words, and no claim that something was started."""
    suite.platform(platform("verdict: passed", faults="{on: launch, body: {error: Test run denied, status: 200}}"))
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert error.get("message", "").endswith('"Sipfront refused: Test run denied"')


@pytest.mark.parametrize(
    ("unset", "told"),
    [
        (("SIPFRONT_PUBLIC_KEY", "SIPFRONT_SECRET_KEY"), "SIPFRONT_PUBLIC_KEY and SIPFRONT_SECRET_KEY are not set"),
        (("SIPFRONT_SECRET_KEY",), "SIPFRONT_SECRET_KEY is not set"),
    ],
)
def test_missing_credentials_are_an_error_and_never_a_skip(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, unset: tuple[str, ...], told: str
) -> None:
    """No credentials: ERROR naming the variables; a skipped suite would look green. Nothing is requested."""
    for name in unset:
        monkeypatch.delenv(name)
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert told in (error.get("message") or "")
    assert "--sipfront-lab" in (error.text or "")
    assert suite.lab.counts["requests"] == 0


def test_refused_credentials_are_an_error(suite: Suite) -> None:
    """401: ERROR with the platform's words."""
    suite.platform("account: {public_key: other, secret_key: other}\ntests:\n  Basic call: {}\n")
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert "Sipfront refused the credentials" in (error.get("message") or "")


@pytest.mark.parametrize("status", [429, 503])
def test_a_launch_refused_for_now_is_sent_again_and_starts_one_run(suite: Suite, status: int) -> None:
    """429 and 503 say plainly that nothing was started."""
    fault = f"{{on: launch, times: 2, status: {status}, retry_after: 0.05}}"
    suite.platform(platform("verdict: passed", faults=fault))
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(passed=1)
    assert (suite.lab.launches, suite.lab.counts["launch_requests"]) == (1, 3)


@pytest.mark.parametrize(
    "fault",
    [
        "{on: status, times: 3, status: 500}",
        "{on: status, times: 3, status: 429, retry_after: 0.01}",
        "{on: status, times: 3, drop: before}",
        "{on: status, times: 2, html: true}",
        "{on: status, times: 2, status: 404}",
        "{on: status, times: 2, body: {error: not yet}}",
    ],
)
def test_a_bad_poll_does_not_lose_the_verdict(suite: Suite, fault: str) -> None:
    """A run costs minutes: one bad reply to a poll must not end the wait."""
    suite.platform(platform("verdict: passed", faults=fault))
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(passed=1)
    assert suite.lab.launches == 1


def test_polls_that_stay_bad_are_an_error_with_the_report(suite: Suite) -> None:
    """When the status cannot be learned for long enough, the error leads with the run's report."""
    suite.platform(platform("verdict: passed", faults="{on: status, status: 500, error: database down}"))
    suite.write(ONE_TEST)
    suite.run("--sipfront-retry-for=0.2").assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert "Sipfront failed: database down (500" in (error.get("message") or "")
    assert suite.properties("test_call")["sipfront.report_url"] in (error.text or "")


def test_the_same_outcomes_hold_with_workers(suite: Suite) -> None:
    """With xdist: pass, failure and error arrive as such, with message and details."""
    suite.platform(
        "tests:\n"
        "  Good: {takes: 0.05}\n"
        "  Bad: {takes: 0.05, verdict: failed, description: 603 Decline}\n"
        "  Odd: {takes: 0.05, verdict: stopped}\n"
    )
    suite.write(
        "@marked(test='Good')\ndef test_good(): pass\n"
        "@marked(test='Bad')\ndef test_bad(): pass\n"
        "@marked(test='Odd')\ndef test_odd(): pass\n"
        "def test_body(sipfront): sipfront.run(test='Odd')\n"
    )
    result = suite.run_in_subprocess("-n2")
    result.assert_outcomes(passed=1, failed=1, errors=2)
    failure = suite.case("test_bad").find("failure")
    assert failure is not None
    assert failure.get("message") == "603 Decline"
    assert "report" in (failure.text or "")
    assert suite.case("test_odd").find("error") is not None
    assert suite.case("test_body").find("error") is not None
    result.stdout.fnmatch_lines(["4 runs: 1 passed, 1 failed, 2 without verdict"])
    assert suite.lab.launches == 4
