"""`repeat=` launches several runs for a test, and `pass_at_least=` of them must have the expected verdict."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

LAB = """\
tests:
  Unsteady:
    takes: 0.05
    when:
      - {step.1.0.run: "2", verdict: failed, description: 486 Busy Here}
      - {step.1.0.run: "3", verdict: stopped}
"""
NUMBERED = """\
import dataclasses, itertools, pytest
COUNT = itertools.count(1)
def pytest_sipfront_before_launch(request):
    return dataclasses.replace(request, overrides={**request.overrides, "step.1.0.run": str(next(COUNT))})
"""


def repeated(suite: Suite, arguments: str, *options: str) -> pytest.RunResult:
    """Run a test whose second run fails and whose third run has no verdict."""
    suite.pytester.makeconftest(NUMBERED)
    suite.configure(LAB)
    suite.write(
        f"@marked(test='Unsteady', {arguments})\n"
        "def test_call(sipfront_run): assert len(sipfront_run.repeats) == 4 and sipfront_run.repeats[0].passed\n"
    )
    return suite.run(*options)


@pytest.mark.parametrize(
    "options",
    [(), ("--sipfront-concurrency=5",), ("--sipfront-concurrency=5", "-n2")],
    ids=["sequential", "concurrent", "workers"],
)
def test_a_test_passes_if_enough_of_its_runs_pass(suite: Suite, options: tuple[str, ...]) -> None:
    """Every run has its properties, and JUnit has one case with rate and confidence interval."""
    result = repeated(suite, "repeat=5, pass_at_least=3", *options)
    result.assert_outcomes(passed=1)
    rate = "3 of 5 runs passed (75 %, 95 % confidence interval 30 to 95 %, 1 without verdict)"
    result.stdout.fnmatch_lines(
        [
            "5 runs: 3 passed, 1 failed*, 1 without verdict",
            f"REPEATED test_it.py::test_call - {rate}, at least 3 required",
        ]
    )
    report = suite.report()
    assert report.properties["sipfront.pass_rate"] == rate
    assert report.properties["sipfront.pass_at_least"] == "3"
    prefixes = ["", "2.", "3.", "4.", "5."]
    assert len({report.properties[f"sipfront.{prefix}session_id"] for prefix in prefixes}) == 5
    assert len(suite.lab.runs) == 5


def test_too_few_passed_runs_are_a_failure_with_all_of_them(suite: Suite) -> None:
    """The runs without a verdict would not change it."""
    result = repeated(suite, "repeat=5, pass_at_least=5", "--sipfront-prometheus=p.prom", "--sipfront-html=p.html")
    assert 'test="test_it.py::test_call"} 0.75' in (suite.pytester.path / "p.prom").read_text()
    assert "95 % confidence interval 30 to 95 %" in (suite.pytester.path / "p.html").read_text()
    result.assert_outcomes(failed=1)
    report = suite.report()
    rate = "3 of 5 runs passed (75 %, 95 % confidence interval 30 to 95 %, 1 without verdict)"
    assert report.message == f"486 Busy Here: {rate}, at least 5 required"
    assert report.outcome == "failure"
    urls = [report.properties[f"sipfront.{prefix}report_url"] for prefix in ("", "2.", "3.", "4.", "5.")]
    lines = [line for line in report.details.splitlines() if line.startswith("run ")]
    assert [line.rpartition(" - ")[2] for line in lines] == urls
    result.stdout.fnmatch_lines([f"FAILED test_it.py::test_call - 486 Busy Here: *- {urls[1]}"])


def test_runs_without_a_verdict_that_could_decide_are_an_error(suite: Suite) -> None:
    """The test neither passed nor failed."""
    repeated(suite, "repeat=5, pass_at_least=4").assert_outcomes(errors=1)
    report = suite.report()
    assert report.outcome == "error"
    assert "no verdict: the run ended as 'stopped'" in report.message
    assert "at least 4 required" in report.details


def test_each_repetition_counts_against_the_budget(suite: Suite) -> None:
    """The others are errors."""
    repeated(suite, "repeat=5, pass_at_least=1", "--sipfront-max-runs=2", "-k", "nothing or call")
    assert len(suite.lab.runs) == 2
    assert "1 of 5 runs passed (50 %, 95 % confidence interval 9 to 91 %, 3 without verdict)" in str(
        suite.report().properties
    )


def test_options_repeat_all_tests_and_the_plan_counts_their_runs(suite: Suite) -> None:
    """A marker with `repeat=` takes precedence."""
    suite.write(
        "@marked(test='Basic call')\ndef test_a(): pass\n@marked(test='Basic call', repeat=1)\ndef test_b(): pass\n"
    )
    suite.pytester.makeini("[pytest]\nsipfront_repeat = 3\nsipfront_pass_at_least = 2\n")
    result = suite.run("--sipfront-plan")
    result.stdout.fnmatch_lines(["sipfront plan: 4 runs, *", "*test_a: Basic call, duration unknown, 3 times"])
    suite.run().assert_outcomes(passed=2)
    assert suite.report("test_a").properties["sipfront.pass_at_least"] == "2"
    assert len(suite.lab.runs) == 4
    result = suite.run("--sipfront-pass-at-least=4")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*must be at most the number of repeats, which is 3, got 4"])


def test_an_interrupted_repetition_is_resumed(suite: Suite) -> None:
    """The runs that the first session launched are not launched again."""
    suite.configure("tests: {Basic call: {takes: 0.05}}\n")
    suite.write(
        "import os\n@marked(test='Basic call', repeat=3)\ndef test_a(): pass\n"
        "@marked(test='Basic call')\ndef test_b():\n    if not os.path.exists('again'): raise KeyboardInterrupt\n"
    )
    suite.run_in_subprocess()
    assert len(suite.lab.runs) == 4
    (suite.pytester.path / "again").touch()
    suite.run("--sipfront-resume").assert_outcomes(passed=2)
    assert len(suite.lab.runs) == 4
