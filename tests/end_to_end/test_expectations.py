"""Markers that expect a failed run, xfail, and reruns."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

LAB = (
    "tests:\n"
    "  Good: {takes: 0.02}\n"
    "  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
    "  Odd: {takes: 0.02, verdict: stopped}\n"
)


@pytest.fixture
def three(suite: Suite) -> Suite:
    """A suite whose platform has a test that passes, one that fails and one that is stopped."""
    suite.configure(LAB)
    return suite


def test_an_expected_failure_lets_the_test_pass(three: Suite) -> None:
    """The body runs and has the result."""
    three.write(
        "@marked(test='Busy', expect='failed', match=r'48\\d Busy')\n"
        "def test_call(sipfront_run): assert not sipfront_run.passed\n"
    )
    three.run().assert_outcomes(passed=1)
    assert three.report().properties["sipfront.verdict"] == "failed"


def test_the_closing_section_counts_expected_failures(three: Suite) -> None:
    """They are part of the failed runs."""
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
    """The message says that a failure was expected."""
    three.write("@marked(test='Good', expect='failed')\ndef test_call(): pass\n")
    three.run().assert_outcomes(failed=1)
    assert three.report().message == "the run passed, but was expected to fail"


def test_a_run_that_fails_for_another_reason_fails_the_test(three: Suite) -> None:
    """match= is compared with the description of the run."""
    three.write("@marked(test='Busy', expect='failed', match='404')\ndef test_call(): pass\n")
    three.run().assert_outcomes(failed=1)
    assert three.report().message == "the run failed as expected, but '486 Busy Here' does not match '404'"


def test_a_missing_verdict_is_an_error_if_a_failure_is_expected(three: Suite) -> None:
    """A stopped run did not fail."""
    three.write("@marked(test='Odd', expect='failed')\ndef test_call(): pass\n")
    three.run().assert_outcomes(errors=1)


def test_the_body_does_not_run_after_an_unexpected_verdict(three: Suite) -> None:
    """The test fails before its body."""
    three.write("@marked(test='Busy')\ndef test_call(): raise SystemExit('the body ran')\n")
    three.run().assert_outcomes(failed=1)


def test_the_body_can_fail_after_a_passed_run(three: Suite) -> None:
    """It asserts more about the result."""
    three.write("@marked(test='Good')\ndef test_call(sipfront_run): assert sipfront_run.status.agentpool_name == 'x'\n")
    result = three.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *AssertionError: assert 'lab (scripted verdict)' == 'x'"])


def test_xfail_without_raises_warns_about_a_missing_verdict(three: Suite) -> None:
    """xfail is for failures of the product, not for those of the platform."""
    three.write("@pytest.mark.xfail\n@marked(test='Odd')\ndef test_call(): pass\n")
    result = three.run()
    result.assert_outcomes(xfailed=1, warnings=1)
    result.stdout.fnmatch_lines(["*SipfrontWarning: xfail hides a missing verdict*raises=*RunFailed*"])
    result.stdout.fnmatch_lines(["XFAIL test_it.py::test_call - no verdict*"])


def test_xfail_without_raises_warns_about_a_missing_verdict_in_the_body(three: Suite) -> None:
    """A run of the `sipfront` fixture has the same warning."""
    three.write("@pytest.mark.xfail\ndef test_call(sipfront): sipfront.run(test='Odd')\n")
    three.run().assert_outcomes(xfailed=1, warnings=1)


def test_a_missing_verdict_is_an_error_despite_xfail_if_the_warning_is_an_error(three: Suite) -> None:
    """-W error::pytest_sipfront.SipfrontWarning enables this."""
    three.write("@pytest.mark.xfail\n@marked(test='Odd')\ndef test_call(): pass\n")
    three.run("-Werror::pytest_sipfront.SipfrontWarning").assert_outcomes(errors=1)


def test_xfail_with_raises_expects_failed_runs_only(three: Suite) -> None:
    """With raises=RunFailed a missing verdict is an error."""
    three.write(
        "from pytest_sipfront import RunFailed\n"
        "@pytest.mark.xfail(raises=RunFailed)\n@marked(test='Busy')\ndef test_busy(): pass\n"
        "@pytest.mark.xfail(raises=RunFailed)\n@marked(test='Odd')\ndef test_odd(): pass\n"
    )
    three.run().assert_outcomes(xfailed=1, errors=1, warnings=0)


@pytest.mark.parametrize(("only", "launches"), [("RunFailed", 3), ("NoVerdict", 1), ("SipfrontError", 1)])
def test_reruns_can_be_limited_to_an_error_class(three: Suite, only: str, launches: int) -> None:
    """--only-rerun distinguishes failed runs from errors of the platform."""
    three.write("@marked(test='Busy')\ndef test_call(): pass\n")
    three.run("--reruns=2", f"--only-rerun={only}").assert_outcomes(failed=1)
    assert three.lab.launches == launches
