"""Suite files run like tests in Python: outcomes, selection, look-ahead, plan, budget, workers, resume and reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sipfront.lab.process import LabProcess
from tests.end_to_end.suite import Suite
from tests.end_to_end.test_resume import JOURNAL, run_and_kill

LAB = """
tests:
  Passing: {takes: 0.02}
  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}
  Stopped: {takes: 0.02, verdict: stopped}
"""
OUTCOMES = """
defaults: {timeout: 60}
tests:
- {name: passes, test: Passing}
- name: is busy
  test: Busy
- {name: has no verdict, test: Stopped}
- {name: is expected to be busy, test: Busy, expect: failed, match: 486}
- {name: is busy for another reason, test: Busy, expect: failed, match: "404"}
- {name: is skipped, test: Passing, markers: {skip: no trunk}}
- {name: is known to be busy, test: Busy, markers: {xfail: {reason: known, strict: yes}}}
- {name: has no known verdict, test: Stopped, markers: {xfail: known}}
- {name: needs a trunk, test: Passing, markers: {usefixtures: trunk, nightly: true}}
"""
CALLS = """
tests:
- name: call
  test: Passing
  rows: numbers.csv
  step.1.0.dial_destination: "{number}"
"""
CONFTEST = """
import pytest
def pytest_configure(config):
    config.addinivalue_line("markers", "nightly: at night")
@pytest.fixture
def trunk(): print("the trunk is up")
"""
NUMBERS = "name,number\nWien,+43123\nKöln,+49123\nGraz,0043123\n"


def write(suite: Suite, text: str = CALLS, name: str = "calls.sipfront.yaml") -> Path:
    """Write a suite file, a table and the files of a user beside it."""
    suite.configure(LAB)
    suite.pytester.makeconftest(CONFTEST)
    (suite.pytester.path / "numbers.csv").write_text(NUMBERS, encoding="utf-8")
    path = suite.pytester.path / name
    path.write_text(text, encoding="utf-8")
    return path


def dialled(suite: Suite) -> list[str]:
    """Return the dialled numbers, in the order of the launches."""
    return [run["overrides"].get("step.1.0.dial_destination", "") for run in suite.lab.runs]


def test_each_outcome_is_that_of_a_test_in_python(suite: Suite) -> None:
    """A failed run fails the test, a missing verdict is an error also if a failure is expected."""
    write(suite, OUTCOMES)
    result = suite.run("-rA")
    result.assert_outcomes(passed=3, failed=2, errors=2, skipped=1, xfailed=1)
    outcomes = {
        name: suite.report(name).outcome
        for name in ("passes", "is busy", "has no verdict", "is skipped", "has no known verdict", "needs a trunk")
    }
    assert outcomes == {
        "passes": "passed",
        "is busy": "failure",
        "has no verdict": "error",
        "is skipped": "skipped",
        "has no known verdict": "error",
        "needs a trunk": "passed",
    }
    busy = suite.report("is busy")
    assert busy.message == "486 Busy Here"
    assert busy.properties["sipfront.verdict"] == "failed"
    assert suite.case("is busy").get("classname") == "calls.sipfront.yaml"
    result.stdout.fnmatch_lines(
        [
            "_* is busy _*",
            ">   - name: is busy",
            "E * 486 Busy Here",
            "calls.sipfront.yaml:5: RunFailed",
            "*486 Busy Here*does not match*404*",
            "SKIPPED [[]1[]] calls.sipfront.yaml:10: no trunk",
            "XFAIL calls.sipfront.yaml::is known to be busy - known",
        ]
    )
    result.stdout.no_fnmatch_line("*suite_tests.py*")
    selected = suite.run("-m", "nightly", "-s")
    selected.assert_outcomes(passed=1, deselected=8)
    selected.stdout.fnmatch_lines(["*the trunk is up*"])


def test_rows_are_tests_with_readable_ids(suite: Suite) -> None:
    """They can be selected by id, by keyword and as those that failed last; a number keeps its zeros and its plus."""
    write(suite)
    result = suite.run("-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines([f"calls.sipfront.yaml::call[[]{name}[]] PASSED*" for name in ("Wien", "Köln", "Graz")])
    assert dialled(suite) == ["+43123", "+49123", "0043123"]
    for selection in (("calls.sipfront.yaml::call[Köln]",), ("-k", "Köln")):
        suite.configure(LAB)
        suite.run(*selection).stdout.fnmatch_lines(["* 1 passed*"])
        assert dialled(suite) == ["+49123"]
    rule = "when: [{step.1.0.dial_destination: '+49*', verdict: failed}]"
    suite.configure(LAB.replace("Passing: {takes: 0.02}", f"Passing: {{takes: 0.02, {rule}}}"))
    suite.run().assert_outcomes(passed=2, failed=1)
    suite.configure(LAB)
    suite.run("--lf").assert_outcomes(passed=1)
    assert dialled(suite) == ["+49123"]


@pytest.mark.slow
def test_runs_overlap_and_count_against_the_budget(suite: Suite) -> None:
    """The plan lists them without a request, and look-ahead launches them before their turn."""
    write(suite)
    plan = suite.run("--sipfront-plan")
    plan.stdout.fnmatch_lines(
        [
            "sipfront plan: 3 runs, 3 of unknown duration",
            "  calls.sipfront.yaml::call[[]Wien[]]: Passing step.1.0.dial_destination=+43123, duration unknown",
        ]
    )
    assert suite.lab.counts["requests"] == 0
    suite.configure(LAB.replace("0.02", "0.8"))
    suite.run("--sipfront-concurrency=3").assert_outcomes(passed=3)
    starts = [run["started"] for run in suite.lab.runs]
    assert max(starts) - min(starts) < 0.8
    suite.configure(LAB)
    suite.run("--sipfront-max-runs=2").assert_outcomes(passed=2, errors=1)
    assert suite.lab.launches == 2


def test_a_test_is_repeated(suite: Suite) -> None:
    """Its own key overrides the session's setting."""
    write(suite, "tests:\n- {name: a, test: Passing, repeat: 3, pass_at_least: 2}\n- {name: b, test: Passing}")
    suite.run("--sipfront-repeat=2", "--sipfront-pass-at-least=2").assert_outcomes(passed=2)
    assert suite.lab.launches == 5


def test_names_are_checked_on_the_platform(suite: Suite) -> None:
    """`--sipfront-check` finds a test that does not exist before the first launch."""
    write(suite, "tests: [{name: a, test: Pasing}]")
    result = suite.run("--sipfront-check")
    result.stderr.fnmatch_lines(["*unknown test 'Pasing' (used 1 time); did you mean 'Passing'?"])
    assert suite.lab.launches == 0


def test_workers_share_the_tests(suite: Suite) -> None:
    """Each test is run once, by one of the workers."""
    write(suite)
    suite.run_in_subprocess("-n2").assert_outcomes(passed=3)
    assert sorted(dialled(suite)) == ["+43123", "+49123", "0043123"]
    assert suite.report("call[Köln]").properties["sipfront.override.step.1.0.dial_destination"] == "+49123"


@pytest.mark.slow
def test_an_interrupted_session_is_resumed(suite: Suite) -> None:
    """No call is placed twice."""
    text = "tests:\n- {name: quick, test: Quick}\n- {name: slow, test: Slow}\n"
    write(suite, text)
    suite.configure("tests:\n  Quick: {takes: 0.02}\n  Slow: {takes: 1.5}\n")
    run_and_kill(suite, "launched")
    suite.run(JOURNAL, "--sipfront-resume").assert_outcomes(passed=2)
    assert suite.lab.launches == 2


def test_fixtures_of_conftest_files_apply(suite: Suite) -> None:
    """Those with parameters multiply the tests, and obstacles of look-ahead are reported."""
    write(suite)
    suite.pytester.makeconftest(
        "import pytest\n@pytest.fixture(params=['udp', 'tcp'], autouse=True)\ndef transport(request): pass"
    )
    result = suite.run("--collect-only", "-q", "--sipfront-concurrency=2")
    result.stdout.fnmatch_lines(
        [
            "sipfront: 6 of 6 runs cannot start before the setup of their tests: * fixture 'transport' (*)",
            "calls.sipfront.yaml::call[[]udp-Wien[]]",
            "calls.sipfront.yaml::call[[]tcp-Wien[]]",
        ]
    )


def test_mistakes_are_collection_errors(suite: Suite) -> None:
    """Each file reports its own, with line and key, and nothing is launched."""
    write(suite, "tests: [{name: a, tset: A}]", "one.sipfront.yaml")
    write(suite, "tests:\n- {name: a, test: A, markers: nighly}", "two.sipfront.yml")
    result = suite.run("--strict-markers")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "one.sipfront.yaml:1: tests[[]0[]].tset: unknown key 'tset'; did you mean 'test'?",
            "two.sipfront.yml:2: tests[[]0[]].markers.nighly: 'nighly' not found in `markers` configuration option",
        ]
    )
    result.stdout.no_fnmatch_line("*Error: *")
    assert suite.lab.counts["requests"] == 0


def test_names_of_suite_files(suite: Suite) -> None:
    """No name that looks like a suite is ignored, and an include cannot run a suite twice."""
    for name in ("a.sipfront.yaml", "b.sipfront.yml", "sipfront.yaml", "C.Sipfront.YAML"):
        write(suite, "tests: [{name: test, test: Passing}]", name)
    write(suite, "tests: [{name: test, test: Passing}]", "asipfront.yaml")
    result = suite.run("--collect-only", "-q")
    assert sorted(line for line in result.outlines if "::" in line) == [
        f"{name}::test" for name in ("C.Sipfront.YAML", "a.sipfront.yaml", "b.sipfront.yml", "sipfront.yaml")
    ]


def test_an_unknown_marker_is_a_warning_at_its_file(suite: Suite) -> None:
    """As for tests in Python."""
    write(suite, "tests:\n- {name: a, test: Passing, markers: {nighly: true}}")
    result = suite.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*calls.sipfront.yaml:2: PytestUnknownMarkWarning: Unknown pytest.mark.nighly*"])


CALLEES = """
account: {public_key: lab-public, secret_key: lab-secret}
tests: {Passing: {}, Failing: {verdict: failed, description: 503 from the trunk}}
sift:
  timeout_scale: 0.05
  callees:
    "+15550100200":
      script:
      - says: Welcome to ACME Bank
      - hears: balance
      - says: my checking account please
      - presses: "4711"
      - says: "yes"
      - says: the ninth of May
        means: "05-09"
      - says: one two zero
        means: "120"
      - says: Jimmy
      - hangs_up: 0.1
    "+15550100201": {script: [{says: we are closed}]}
    "+15550100202": {script: []}
    "+15550100203": {script: [{says: hello}, {hangs_up: 0.5}]}
    "+15550100486": {answer: busy}
  callers:
    - {from: "+15550100998", to: "+15550100301", on: run, script: [{says: hello}]}
    - {from: "+15550100999", to: "+15550100300", after: 0.1, script: [{says: I want to talk to somebody}]}
"""
SCENARIOS = """
defaults: {connect_within: 30}
calls:
- name: bank
  phone_number: "{number}"
  rows: [{id: open, number: +15550100200, word: balance}]
  steps:
  - listen: welcome to acme bank
  - say: "{word}"
  - {choose: checking, choices: [checking, savings], within: 20}
  - digits: "4711"
  - yes_or_no: yes
  - date: 05-09
  - number: 120
  - name: Jimmy
  - wait_finished
- {name: nobody, phone_number: +15550100202, steps: [silence: 2, hang_up]}
- name: closed
  phone_number: +15550100201
  steps:
  - listen: welcome to acme bank
- name: busy
  phone_number: +15550100486
  expect: failed
- name: not busy
  phone_number: +15550100201
  expect: failed
- name: hangs up
  phone_number: +15550100201
  steps:
  - hang_up
  - say: hello
- name: no digits
  phone_number: +15550100201
  steps: [{digits: "1", within: 1}]
- name: incoming
  incoming: "{to}"
  register_number: yes
  rows: [{id: bot, to: +15550100300}]
  steps:
  - say: how can I help you
  - listen: I want to talk to somebody
- name: both ends
  incoming: +15550100301
  register_number: yes
  run: {test: "{test}", step.1.0.dial_destination: "+15550100301"}
  rows: [{id: passes, test: Passing}, {id: fails, test: Failing}]
  steps:
  - listen: hello
- name: conversation
  phone_number: "{number}"
  rows:
  - {id: bridge, number: "+15550100202", second: "+15550100203", event: ended}
  - {id: missing event, number: "+15550100202", second: "+15550100203", event: applause}
  steps:
  - bridge: "{second}"
    event: "{event}"
    within: 2
  - conference: qa-room
  - hang_up
- name: unknown client
  client_name: nobody
  markers: {xfail: no such client}
"""


def test_calls_speak_and_listen(suite: Suite, lab_process: LabProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure points to the line of the step, and has the timeline of the call."""
    write(suite, SCENARIOS)
    suite.configure(CALLEES)
    monkeypatch.setenv("SIFT_BASE_URL", f"{lab_process.url}/v0")
    for public, secret in (("SIFT_ACCOUNT_ID", "SIFT_AUTH_TOKEN"), ("SIPFRONT_PUBLIC_KEY", "SIPFRONT_SECRET_KEY")):
        monkeypatch.setenv(public, "lab-public")
        monkeypatch.setenv(secret, "lab-secret")
    result = suite.run("-rA")
    result.assert_outcomes(passed=6, failed=6, xfailed=1)
    result.stdout.fnmatch_lines(
        [
            ">   - listen: welcome to acme bank",
            "E * +15550100201: heard 'we are closed', expected 'welcome to acme bank' (word error rate 1.00, *)",
            "calls.sipfront.yaml:21: CallFailed",
            "*-> GetFreeResponse*",
            "E * +15550100201: connected, although the call must fail",
            "calls.sipfront.yaml:25: CallFailed",
            "calls.sipfront.yaml:32: CallFailed",
            "E * +15550100201: digits: no answer, expected '1'",
            "calls.sipfront.yaml:35: CallFailed",
            "E * 503 from the trunk",
            "calls.sipfront.yaml:43: RunFailed",
            "E * +15550100202: no event 'applause' within 2 s",
            "calls.sipfront.yaml:56: CallFailed",
        ]
    )
    result.stdout.no_fnmatch_line("*suite_calls.py*")
    assert suite.report("bank[open]").properties["sift.status"] == "finished"
