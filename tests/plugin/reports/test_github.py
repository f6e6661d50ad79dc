"""Job summary and annotations of GitHub Actions."""

from __future__ import annotations

from pytest_sipfront.plugin.reports.github import MOST_ROWS, job_summary, workflow_commands
from pytest_sipfront.plugin.reports.session_record import AttemptRecord, SessionRecord, TestRecord
from tests.plugin.reports.test_terminal import run

EVIL = "a | b\n<b>x</b> [y](z) `c`"


def case(name: str, outcome: str = "passed", kind: str = "", message: str = "", text: str = "") -> TestRecord:
    """Return a test with one attempt and one run."""
    attempt = AttemptRecord(number=1, outcome=outcome, kind=kind, message=message, runs=[run()])
    history = {"text": text, "status": "", "flaky": False} if text else None
    return TestRecord(nodeid=f"t.py::{name}", file="t.py", line=7, attempts=[attempt], history=history)


def session(*tests: TestRecord, lab: str = "") -> SessionRecord:
    """Return a session."""
    return SessionRecord(
        started_at="2026-01-15T12:00:00.000Z", service="https://app.sipfront.com", lab=lab, tests=list(tests)
    )


def test_the_summary_has_a_row_for_each_test_that_did_not_pass_or_has_changed() -> None:
    """Texts of the platform cannot become markup, and cannot break the table."""
    summary = job_summary(
        session(
            case("test_a", "failed", "busy", EVIL, "newly failing"),
            case("test_b"),
            case("test_c", text="fixed, failed since 2026-01-01"),
            case("test_d", "error", "authentication", "401"),
        )
    )
    shown = r"a \| b &lt;b&gt;x&lt;/b&gt; \[y\](z) \`c\`"
    assert summary.splitlines() == [
        "## 2 of 4 voice tests did not pass",
        "",
        "https://app.sipfront.com, 4 runs, 4.0 min of calls in 1.0 min",
        "",
        "| test | outcome | kind | reason | since when | report |",
        "| --- | --- | --- | --- | --- | --- |",
        "| t.py::test\\_d | error | authentication | 401 |  | [run 1](http://report) |",
        f"| t.py::test\\_a | failed | busy | {shown} | newly failing | [run 1](http://report) |",
        "| t.py::test\\_c | passed |  |  | fixed, failed since 2026-01-01 | [run 1](http://report) |",
        "",
    ]


def test_the_summary_of_a_passed_session_is_one_sentence_and_a_long_one_is_limited() -> None:
    """Links to the pages of a lab would be dead, so there are none."""
    assert job_summary(session(case("test_a"))).startswith("## All voice tests passed\n")
    assert job_summary(session()).startswith("## No voice test ran\n")
    long = job_summary(session(*(case(f"test_{n}", "failed", "busy") for n in range(MOST_ROWS + 5)), lab="real calls"))
    assert "5 more tests are not listed." in long
    assert "http://report" not in long
    assert "since when" not in long
    assert "| test | outcome | kind |" in long


def test_failures_and_errors_are_annotated_at_their_tests() -> None:
    """Workflow commands are one line each. Another plugin may annotate the failures."""
    record = session(
        case("test_a", "failed", "busy", "486: 100%\nBusy"), case("test_b", "error", "", "no verdict", "new")
    )
    failed = "::error file=t.py,line=7,title=busy%3A t.py%3A%3Atest_a::486: 100%25%0ABusy%0Ahttp://report"
    error = "::error file=t.py,line=7,title=error%3A t.py%3A%3Atest_b::no verdict%0Anew%0Ahttp://report"
    assert list(workflow_commands(record, errors_only=False)) == [failed, error]
    assert list(workflow_commands(record, errors_only=True)) == [error]
