"""`--sipfront-history` compares sessions, also with xdist and on real calls."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.suite import Suite
from tests.plugin.reports.test_session_record import valid


@pytest.mark.parametrize(
    "options", [pytest.param((), id="alone"), pytest.param(("-n2",), id="workers", marks=pytest.mark.slow)]
)
def test_terminal_and_json_show_since_when_a_test_fails(suite: Suite, options: tuple[str, ...]) -> None:
    """The file is updated by the controller of workers."""
    suite.write("@marked(test='A')\ndef test_a(): pass\n@marked(test='B')\ndef test_b(): pass\n")
    lines = []
    for a, b in (("passed", "failed"), ("failed", "failed"), ("passed", "passed")):
        suite.configure(f"tests: {{A: {{takes: 0.02, verdict: {a}}}, B: {{takes: 0.02, verdict: {b}}}}}\n")
        result = suite.run("--sipfront-history=history.jsonl", "--sipfront-json=session.json", *options)
        section = "\n".join(result.outlines).partition("= sipfront =")[2].splitlines()
        lines.append([line for line in section if " since " in line or line.startswith("since") or " newly " in line])
    today = json.loads((suite.pytester.path / "session.json").read_text())["started_at"][:10]
    assert lines[0] == ["since the last session: no test changed"]
    assert lines[1][0] == "since the last session: 1 newly failing, 1 still failing"
    assert any("FAILED test_it.py::test_a - " in line and " - newly failing - http" in line for line in lines[1])
    assert any(
        f"test_b - the run failed; the platform gives no description - failing since {today} (2 sessions) - http"
        in line
        for line in lines[1]
    )
    assert lines[2][0] == "since the last session: 2 fixed"
    assert sorted(lines[2][1:]) == [f"PASSED test_it.py::test_{n} - fixed, failed since {today}" for n in "ab"]
    content = valid(suite.pytester.path / "session.json")
    assert {test["history"]["status"] for test in content["tests"]} == {"fixed"}


def test_a_damaged_history_is_reported_and_the_session_unaffected(suite: Suite) -> None:
    """The line names the file."""
    suite.write("@marked(test='Basic call')\ndef test_a(): pass\n")
    path = suite.pytester.path / "history.jsonl"
    path.write_text("{half a li")
    result = suite.run("--sipfront-history=history.jsonl")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"sipfront: history {path}: ignored 1 damaged lines, the first is line 1"])
    assert len(path.read_text().splitlines()) == 1
