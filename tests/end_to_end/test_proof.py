"""`--sipfront-prove` runs each marked test once per fault of its phones."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.end_to_end.suite import CaseReport, case_report
from tests.lab.calls.placing import needs_stack
from tests.support import TIMEOUT

LAB = """
prompts: {hum: {tone: 440, seconds: 0.5}, other: {tone: 700, seconds: 0.5}}
phones:
  desk: {number: "100", play: hum, repeat: true}
  engaged: {number: "486", reject: 486}
tests:
  strict:
    steps:
      - [{action: wait}]
      - [{action: call, dial_destination: "100", answer_timeout: 2}, {action: play, prompt: hum}]
    conditions: {answer_within: 0.8, not_silent: both}
  weak:
    steps:
      - [{action: wait}]
      - [{action: call, dial_destination: "100", answer_timeout: 2}, {action: hold, seconds: 0.6}]
    conditions: {media: none, answered: true}
  busy:
    steps:
      - [{action: wait}]
      - [{action: call, dial_destination: "486", answer_timeout: 2}]
    conditions: {sip_code: 486, media: none}
    tolerates: [no-answer]
  scripted: {takes: 0.01}
projects:
  Nightly: {tests: [strict, busy]}
"""
TESTS = """
import pytest

@pytest.mark.sipfront(test="strict")
def test_strict(): pass

@pytest.mark.sipfront(test="weak")
def test_weak(): pass

@pytest.mark.sipfront(test="weak", expect="failed")
def test_broken(): pass

@pytest.mark.sipfront(test="weak", step_1_0_dial_destination="486", expect="failed", match="486")
def test_refused(sipfront_run):
    assert sipfront_run.duration > 0

@pytest.mark.sipfront(test="{name}")
@pytest.mark.parametrize("name", ["busy", "scripted"])
def test_named(name): pass

@pytest.mark.sipfront(project="Nightly")
def test_project(): pass

def test_imperative(sipfront): pass
def test_plain(): raise AssertionError("a proof runs marked tests only")
"""
FAULTS = "mute,late-answer,busy,no-answer,healthy"
pytestmark = needs_stack


def prove(pytester: pytest.Pytester, *arguments: str, tests: str = TESTS) -> pytest.RunResult:
    pytester.makefile(".yaml", lab=LAB)
    pytester.makepyfile(test_it=tests)
    return pytester.runpytest_subprocess(
        "--sipfront-prove",
        "--sipfront-lab",
        "--sipfront-concurrency=8",
        "--junitxml=junit.xml",
        *arguments,
        timeout=TIMEOUT,
    )


def reports(pytester: pytest.Pytester) -> dict[str, CaseReport]:
    cases = ET.parse(pytester.path / "junit.xml").iter("testcase")
    return {case.attrib["name"]: case_report(case) for case in cases}


@pytest.mark.slow
def test_tests_that_stay_green_are_listed_and_fail(pytester: pytest.Pytester) -> None:
    """Detected faults pass with their reason, missed ones fail, and the rest is listed as not covered or not proven."""
    result = prove(pytester, f"--sipfront-prove-faults={FAULTS}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "sipfront: proof of 7 tests: * runs with a faulty phone, * not covered, about * s at concurrency 8",
            "*= sipfront proof =*",
            "* faults detected, 1 not detected, 0 without verdict",
            "NOT DETECTED test_it.py::test_weak - late-answer: the phone answers late",
            "NOT PROVEN test_it.py::test_broken - it does not pass without a fault",
            "Add a condition that the fault violates, or list *",
            "not covered: *mute*: the test needs no media - test_it.py::test_weak*",
            "not covered: mute, late-answer, busy, no-answer: the test has no steps, * - *::test_named[[]scripted[]]",
            "not covered: all faults: it launches runs from its body - test_it.py::test_imperative",
        ]
    )
    found = reports(pytester)
    expected = {
        "test_strict[fault=none]": "passed",
        "test_strict[fault=mute]": "passed",
        "test_strict[fault=late-answer]": "passed",
        "test_strict[fault=busy]": "passed",
        "test_strict[fault=no-answer]": "passed",
        "test_weak[fault=none]": "passed",
        "test_weak[fault=late-answer]": "failure",
        "test_weak[fault=busy]": "passed",
        "test_weak[fault=no-answer]": "passed",
        "test_broken[fault=none]": "failure",
        "test_broken[fault=busy]": "failure",
        "test_broken[fault=no-answer]": "failure",
        "test_refused[fault=none]": "passed",
        "test_refused[fault=no-answer]": "passed",
        "test_refused[fault=healthy]": "passed",
        "test_named[busy-fault=none]": "passed",
        "test_named[busy-fault=healthy]": "passed",
        "test_named[scripted-fault=none]": "passed",
        "test_project[fault=none]": "passed",
        "test_project[fault=mute]": "passed",
        "test_project[fault=late-answer]": "passed",
        "test_project[fault=busy]": "passed",
        "test_project[fault=no-answer]": "passed",
        "test_project[fault=healthy]": "passed",
    }
    assert {name: report.outcome for name, report in found.items()} == expected
    missed = found["test_weak[fault=late-answer]"]
    assert missed.message.startswith("fault not detected: the phone answers late, and the test passed")
    assert missed.properties["sipfront.fault"] == "late-answer"
    detected = found["test_strict[fault=mute]"].properties
    assert detected["sipfront.detected_by"].startswith("no RTP from callee")
    assert detected["sipfront.override.lab.fault"] == "mute"


@pytest.mark.slow
def test_workers_prove_a_suite_together(pytester: pytest.Pytester) -> None:
    """If every fault is detected, the session succeeds. The controller has the scope of the proof from a worker."""
    tests = TESTS.partition('@pytest.mark.sipfront(test="weak")')[0]
    result = prove(pytester, "-n2", "--sipfront-prove-faults=mute,silence,deaf,busy,lost-digit", tests=tests)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "sipfront: proof of 1 test: 4 runs with a faulty phone",
            "proof of 1 test: 4 runs with a faulty phone, 1 not covered, about *",
            "4 faults detected, 0 not detected, 0 without verdict",
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sipfront-prove"], "--sipfront-prove gives faults to the phones of the lab; add --sipfront-lab"),
        (
            ["--sipfront-prove", "--sipfront-lab", "--sipfront-prove-faults=mut"],
            "--sipfront-prove-faults must be one of *, got 'mut'; did you mean 'mute'?",
        ),
        (
            ["--sipfront-prove", "--sipfront-lab", "-kscripted"],
            "--sipfront-prove: no test can show a fault (the test has no steps, so its verdict is scripted)",
        ),
        (
            ["--sipfront-prove", "--sipfront-lab", "-kplain"],
            "--sipfront-prove: no test can show a fault (no test is marked)",
        ),
    ],
)
def test_a_proof_that_is_impossible_is_a_usage_error(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    """A session that proves nothing does not succeed."""
    monkeypatch.delenv("SIPFRONT_LAB", raising=False)
    pytester.makefile(".yaml", lab=LAB)
    pytester.makepyfile(test_it=TESTS)
    result = pytester.runpytest_inprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}"])


def test_the_plan_of_a_proof_lists_its_runs(pytester: pytest.Pytester) -> None:
    """`--sipfront-plan` runs none of them."""
    result = prove(pytester, "--sipfront-plan", "--sipfront-prove-faults=mute")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["  test_it.py::test_strict[[]fault=mute[]]: strict lab.fault=mute, duration unknown"])
