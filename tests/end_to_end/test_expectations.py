"""Tests that must fail, and marks that expect failures."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

PLATFORM = (
    "tests:\n"
    "  Good: {takes: 0.02}\n"
    "  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
    "  Odd: {takes: 0.02, verdict: stopped}\n"
)


@pytest.fixture
def three(suite: Suite) -> Suite:
    """A platform with a test that passes, one that fails and one that is stopped."""
    suite.configure(PLATFORM)
    return suite


def test_a_run_that_fails_as_expected_lets_the_test_pass(three: Suite) -> None:
    """expect='failed' turns the verdict round; the body runs, with the result."""
    three.write(
        "@marked(test='Busy', expect='failed', match=r'48\\d Busy')\n"
        "def test_call(sipfront_run): assert not sipfront_run.passed\n"
    )
    three.run().assert_outcomes(passed=1)
    assert three.properties("test_call")["sipfront.verdict"] == "failed"


def test_the_closing_section_tells_the_failures_that_were_expected(three: Suite) -> None:
    """A green suite must not look as if it hid some; those of failed tests count as ever."""
    three.write(
        "@marked(test='Busy', expect='failed')\ndef test_call(): pass\n"
        "def test_body(sipfront): sipfront.run(test='Busy', expect='failed')\n"
        "@marked(test='Busy')\ndef test_other(): pass\n"
        "@marked(test='Good')\ndef test_good(): pass\n"
    )
    result = three.run()
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["4 runs: 1 passed, 3 failed (2 as expected), 0 without verdict"])


def test_a_run_that_passes_unexpectedly_fails_the_test(three: Suite) -> None:
    """The busy line was free."""
    three.write("@marked(test='Good', expect='failed')\ndef test_call(): pass\n")
    three.run().assert_outcomes(failed=1)
    failure = three.case("test_call").find("failure")
    assert failure is not None
    assert failure.get("message") == "the run passed, but was expected to fail"


def test_a_run_that_fails_for_another_reason_fails_the_test(three: Suite) -> None:
    """With match=, only the expected reason will do."""
    three.write("@marked(test='Busy', expect='failed', match='404')\ndef test_call(): pass\n")
    three.run().assert_outcomes(failed=1)
    failure = three.case("test_call").find("failure")
    assert failure is not None
    assert failure.get("message") == "the run failed as expected, but '486 Busy Here' does not match '404'"


def test_no_verdict_is_an_error_whatever_is_expected(three: Suite) -> None:
    """A stopped run did not fail."""
    three.write("@marked(test='Odd', expect='failed')\ndef test_call(): pass\n")
    three.run().assert_outcomes(errors=1)


def test_the_body_does_not_run_after_an_unexpected_verdict(three: Suite) -> None:
    """The verdict comes first; the body may assert more on a run that is as expected."""
    three.write("@marked(test='Busy')\ndef test_call(): raise SystemExit('the body ran')\n")
    three.run().assert_outcomes(failed=1)


def test_the_body_may_assert_more(three: Suite) -> None:
    """A passed run with a wrong pool is a failure of the test's own."""
    three.write("@marked(test='Good')\ndef test_call(sipfront_run): assert sipfront_run.status.agentpool_name == 'x'\n")
    result = three.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *AssertionError: assert 'lab (scripted verdict)' == 'x'"])


def test_xfail_without_raises_warns_when_it_hides_that_there_was_no_verdict(three: Suite) -> None:
    """A broken platform must not look like a known product failure, silently."""
    three.write("@pytest.mark.xfail\n@marked(test='Odd')\ndef test_call(): pass\n")
    result = three.run()
    result.assert_outcomes(xfailed=1, warnings=1)
    result.stdout.fnmatch_lines(["*SipfrontWarning: xfail hides a missing verdict*raises=*RunFailed*"])
    result.stdout.fnmatch_lines(["XFAIL test_it.py::test_call - no verdict*"])


def test_xfail_without_raises_warns_for_an_imperative_run_too(three: Suite) -> None:
    """The body is no hiding place."""
    three.write("@pytest.mark.xfail\ndef test_call(sipfront): sipfront.run(test='Odd')\n")
    three.run().assert_outcomes(xfailed=1, warnings=1)


def test_where_warnings_are_errors_xfail_hides_nothing(three: Suite) -> None:
    """-W error: the missing verdict is an ERROR in spite of xfail."""
    three.write("@pytest.mark.xfail\n@marked(test='Odd')\ndef test_call(): pass\n")
    three.run("-Werror::pytest_sipfront.SipfrontWarning").assert_outcomes(errors=1)


def test_xfail_with_raises_expects_failed_runs_only(three: Suite) -> None:
    """RunFailed is expected, anything else is an ERROR."""
    three.write(
        "from pytest_sipfront import RunFailed\n"
        "@pytest.mark.xfail(raises=RunFailed)\n@marked(test='Busy')\ndef test_busy(): pass\n"
        "@pytest.mark.xfail(raises=RunFailed)\n@marked(test='Odd')\ndef test_odd(): pass\n"
    )
    three.run().assert_outcomes(xfailed=1, errors=1, warnings=0)


def test_a_rerun_launches_a_run_of_its_own(three: Suite) -> None:
    """pytest-rerunfailures: each attempt has its own run, and the report shows the last one's only."""
    three.configure("tests: {Busy: {takes: 0.02, verdict: failed, faults: []}}\n")
    three.write("@marked(test='Busy')\ndef test_call(): pass\n")
    three.run("--reruns=2").assert_outcomes(failed=1)
    assert three.lab.launches == 3


@pytest.mark.parametrize(("only", "launches"), [("RunFailed", 3), ("NoVerdict", 1), ("SipfrontError", 1)])
def test_reruns_can_be_limited_to_our_errors_by_name(three: Suite, only: str, launches: int) -> None:
    """--only-rerun tells product failures from infrastructure errors by class."""
    three.write("@marked(test='Busy')\ndef test_call(): pass\n")
    three.run("--reruns=2", f"--only-rerun={only}").assert_outcomes(failed=1)
    assert three.lab.launches == launches
