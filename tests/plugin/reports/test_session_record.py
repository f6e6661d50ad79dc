"""The record of a session, and the JSON file made from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.plugin.reports import reason_kinds, run_document
from pytest_sipfront.plugin.reports.session_record import OUTCOMES, SCHEMA, sums
from tests.end_to_end.conftest import suite
from tests.end_to_end.suite import Suite

__all__ = ["suite"]
LAB = (
    "tests:\n  Good: {takes: 0.05}\n  Busy: {takes: 0.05, verdict: failed, description: 486 Busy Here}\n"
    "  Odd: {takes: 0.05, verdict: stopped}\n"
)
MIX = """
@marked(test='Good')
def test_good(record_property): record_property('requirement', 'R1')
@marked(test='Busy')
def test_busy(): pass
@marked(test='Odd')
def test_odd(): pass
@marked(test='Good')
def test_body(): assert 1 == 2, 'one is not two'
@marked(test='Good')
@pytest.mark.skip(reason='no reason')
def test_skipped(): pass
@pytest.mark.xfail(raises=__import__('pytest_sipfront').RunFailed)
@marked(test='Busy')
def test_xfailed(): pass
def test_plain(): pass
@pytest.mark.skip(reason="unrelated")
def test_unrelated(): pass
def test_imperative(sipfront): assert sipfront.run(test='Good').passed
"""


NAMES = ("body", "xpass", "setup", "teardown", "unknown")


def valid(path: Path) -> dict[str, Any]:
    """Return the content of a JSON report, after a check with both schemas."""
    jsonschema: Any = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra 'test'")
    referencing: Any = pytest.importorskip("referencing", reason="referencing comes with jsonschema")
    schema, run_schema = (json.loads(file.read_text(encoding="utf-8")) for file in (SCHEMA, run_document.SCHEMA))
    jsonschema.Draft202012Validator.check_schema(schema)
    resource = referencing.Resource.from_contents(run_schema)
    registry = referencing.Registry().with_resource(run_document.SCHEMA.name, resource)
    content = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema, registry=registry).validate(content)
    assert content.keys() == schema["properties"].keys(), "every key is documented"
    return dict(content)


def record(suite: Suite, *args: str) -> dict[str, Any]:
    """Run the suite and return its JSON report."""
    (suite.run_in_subprocess if "-n2" in args else suite.run)("--sipfront-json=out/session.json", *args)
    return valid(suite.pytester.path / "out" / "session.json")


@pytest.mark.slow
@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["one process", "workers"])
def test_the_record_has_each_test_with_its_runs(suite: Suite, processes: tuple[str, ...]) -> None:
    """Outcome, kind and message of each test, and the document of each run; other tests only count."""
    suite.configure(LAB)
    suite.write(MIX)
    content = record(suite, *processes)
    tests = {test["nodeid"].removeprefix("test_it.py::test_"): test for test in content["tests"]}
    assert {name: (test["outcome"], test["kind"]) for name, test in tests.items()} == {
        "good": ("passed", ""),
        "busy": ("failed", "busy"),
        "odd": ("error", "no-verdict"),
        "body": ("failed", "assertion"),
        "skipped": ("skipped", ""),
        "xfailed": ("xfailed", ""),
        "imperative": ("passed", ""),
    }
    assert content["counts"] == {"error": 1, "failed": 2, "xfailed": 1, "skipped": 1, "passed": 2}
    assert content["kinds"] == {"busy": 1, "no-verdict": 1, "assertion": 1}
    assert content["collected"] == 9 or processes
    assert (content["exit_status"], content["interrupted"]) == (1, False)
    assert tests["busy"]["message"] == "486 Busy Here"
    assert "one is not two" in tests["body"]["message"]
    assert "one is not two" in tests["body"]["attempts"][0]["details"]
    assert "no reason" in tests["skipped"]["message"]
    assert tests["good"]["properties"]["requirement"] == "R1"
    assert (tests["good"]["file"], tests["good"]["line"]) == ("test_it.py", 4)
    assert bool(tests["good"]["worker"]) is bool(processes)
    (run,) = tests["busy"]["attempts"][0]["runs"]
    assert (run["verdict"], run["kind"], run["target"]) == ("failed", "busy", "Busy")
    assert [run["kind"] for run in tests["body"]["attempts"][0]["runs"]] == [None]
    assert content["figures"]["launches"] == 6
    assert content["service"] == suite.lab.url


def test_all_attempts_are_kept(suite: Suite) -> None:
    """A rerun is another attempt of the same test, with its own run."""
    suite.configure(LAB)
    suite.write(
        "@pytest.fixture\ndef odd(request): return request.node.execution_count\n"
        "@marked(test='Good')\ndef test_flaky(odd): assert odd > 1\n"
        "@marked(test='Busy')\ndef test_busy(): pass\n"
    )
    content = record(suite, "--reruns=2")
    flaky, busy = content["tests"]
    assert [attempt["outcome"] for attempt in flaky["attempts"]] == ["failed", "passed"]
    assert [attempt["kind"] for attempt in flaky["attempts"]] == ["assertion", ""]
    assert (flaky["outcome"], flaky["kind"]) == ("passed", "")
    assert [attempt["outcome"] for attempt in busy["attempts"]] == ["failed"] * 3
    runs = [run for test in content["tests"] for attempt in test["attempts"] for run in attempt["runs"]]
    assert len({run["session_id"] for run in runs}) == 5
    assert [run["attempt"] for run in runs] == [1, 2, 1, 2, 3]


def test_an_error_after_a_failure_does_not_hide_it(suite: Suite) -> None:
    """The first failure of an attempt is its outcome."""
    suite.configure(LAB)
    suite.write(
        "@pytest.fixture\ndef broken():\n    yield\n    raise OSError('broken')\n"
        "@marked(test='Busy')\ndef test_busy(broken): pass\n@marked(test='Good')\ndef test_good(broken): pass\n"
    )
    busy, good = record(suite)["tests"]
    assert (busy["outcome"], busy["kind"], busy["message"]) == ("failed", "busy", "486 Busy Here")
    assert (good["outcome"], good["message"]) == ("error", "OSError: broken")


def test_every_failure_and_error_in_junit_has_its_kind(suite: Suite) -> None:
    """Failed bodies, strict xpasses, errors of fixtures and of teardowns, and unknown names."""
    suite.configure(LAB)
    suite.write(
        "@pytest.fixture\ndef broken(sipfront_run): raise OSError('broken')\n"
        "@pytest.fixture\ndef leaks():\n    yield\n    raise OSError('leaks')\n"
        "@marked(test='Good')\ndef test_body(): assert 0\n"
        "@pytest.mark.xfail(strict=True)\n@marked(test='Good')\ndef test_xpass(): pass\n"
        "@marked(test='Good')\ndef test_setup(broken): pass\n"
        "@marked(test='Good')\ndef test_teardown(leaks): pass\n"
        "@marked(test='Bad')\ndef test_unknown(): pass\n"
    )
    suite.run()
    kinds = {name: suite.report(f"test_{name}").properties.get("sipfront.kind") for name in NAMES}
    assert kinds == {
        "body": "assertion",
        "xpass": "unexpected",
        "setup": "assertion",
        "teardown": "assertion",
        "unknown": "configuration",
    }


def test_a_module_that_cannot_be_collected_is_recorded(suite: Suite) -> None:
    """A mistake in a marker ends the session before its first launch."""
    suite.write("@marked(tset='Good')\ndef test_typo(): pass\n")
    content = record(suite)
    ((error),) = content["collection_errors"]
    assert error["nodeid"] == "test_it.py"
    assert "unknown argument 'tset'" in error["message"]
    assert (content["tests"], content["exit_status"]) == ([], 2)


def test_a_file_that_cannot_be_written_is_reported(suite: Suite) -> None:
    """The outcome of the session stays."""
    suite.configure(LAB)
    suite.write("@marked(test='Good')\ndef test_good(): pass\n")
    (suite.pytester.path / "file").write_text("")
    result = suite.run("--sipfront-json=file/session.json")
    result.stdout.fnmatch_lines(["sipfront: cannot write the JSON report: *"])
    assert result.ret == 0
    result = suite.run("--sipfront-json=.")
    result.stderr.fnmatch_lines(["ERROR: command line: must be a file, but * is a directory"])


def test_a_session_without_runs_builds_no_record(suite: Suite) -> None:
    """Unless a report was requested, no module of the reports is imported."""
    suite.write(
        "import sys\ndef test_plain():\n    assert 'pytest_sipfront.plugin.reports.session_record' not in sys.modules\n"
    )
    suite.run_in_subprocess().assert_outcomes(passed=1)
    assert record(suite)["tests"] == []


def test_a_later_session_has_planned_durations(suite: Suite) -> None:
    """The duration of an earlier run is what the plan expects of the next; their sum needs all of them."""
    suite.configure("tests:\n  Good: {takes: 0.3}\n  Other: {takes: 0.05}\n")
    suite.write("@marked(test='Good')\ndef test_good(): pass\n")
    assert record(suite)["figures"]["expected_seconds"] is None
    content = record(suite, "--sipfront-html=out/report.html")
    expected = content["tests"][0]["attempts"][0]["runs"][0]["expected_duration"]
    assert 0.1 < expected < 20
    assert content["figures"]["expected_seconds"] == pytest.approx(expected, abs=0.001)
    assert "Planned from earlier runs" in (suite.pytester.path / "out" / "report.html").read_text(encoding="utf-8")
    suite.write("@marked(test='Good')\ndef test_good(): pass\n@marked(test='Other')\ndef test_other(): pass\n")
    assert record(suite)["figures"]["expected_seconds"] is None


def test_the_schema_lists_all_outcomes() -> None:
    """In the order of reports."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert schema["$defs"]["outcome"]["enum"] == list(OUTCOMES)
    assert "busy" in reason_kinds.KINDS


def _run(start: str, end: str | None, duration: float | None, service: str = "sipfront") -> dict[str, Any]:
    day = "2026-01-15T12:00:"
    times = {"launched_at": f"{day}{start}Z", "finished_at": None if end is None else f"{day}{end}Z"}
    return {"service": {"name": service}, "times": times, "duration": duration, "polls": 2}


def test_figures_show_what_concurrency_saved() -> None:
    """Runs that follow each other do not overlap; a run without duration lasts until its end was seen."""
    runs = [_run("00", "10", 10.0), _run("10", "20", None), _run("05", "25", 15.0), _run("00", "59", 59.0, "sift")]
    figures = sums(runs)
    assert (figures.launches, figures.run_seconds, figures.wall_seconds, figures.saved_seconds) == (3, 35, 20, 15)
    assert (figures.peak_concurrency, figures.polls) == (2, 6)
    assert sums([]).peak_concurrency == 0
