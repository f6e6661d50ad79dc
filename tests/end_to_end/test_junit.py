"""The JUnit file: report URLs in every text, earlier attempts, consistent counts, and a place for properties."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.end_to_end.suite import Suite, case_report

LAB = """\
tests:
  Good: {takes: 0.02}
  Bad: {takes: 0.02, verdict: failed, description: 486 Busy Here}
  Long: {takes: 0.02, verdict: failed, description: LONG}
  Stopped: {takes: 0.02, verdict: stopped}
""".replace("LONG", "very " * 200 + "long")
TESTS = """\
COUNT = []
@pytest.fixture
def broken():
    yield
    raise ValueError("teardown")
@marked(test="Bad")
def test_verdict(): pass
@marked(test="Long")
def test_long(): pass
@marked(test="Stopped")
def test_error(broken): pass
@marked(test="Good")
def test_body(): assert "x" * 2000 == ""
@marked(test="Good")
def test_teardown(broken): print("printed")
@pytest.mark.xfail(strict=True, reason="known")
@marked(test="Good")
def test_xpass(): pass
def test_imperative(sipfront):
    sipfront.run(test="Good")
    assert not "later"
@pytest.mark.flaky(reruns=3)
@marked(test="Good")
def test_flaky():
    COUNT.append(1)
    assert len(COUNT) > 2
@pytest.mark.flaky(reruns=1)
@marked(test="Stopped")
def test_rerun(): pass
"""
CHILDREN = {"error", "failure", "skipped", "rerunFailure", "rerunError", "flakyFailure", "flakyError", "system-out"}


def run(suite: Suite, *options: str) -> list[ET.Element]:
    """Run the tests, check the counts of the suite, and return its test cases."""
    suite.configure(LAB)
    suite.write(TESTS)
    suite.run(*options)
    element = ET.parse(suite.junit).getroot()[0]
    cases = element.findall("testcase")
    assert [element.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["9", "5", "3", "0"]
    assert len(cases) == 9
    return cases


@pytest.mark.parametrize(
    "options", [pytest.param((), id="alone"), pytest.param(("-n2",), id="workers", marks=pytest.mark.slow)]
)
def test_every_failure_and_error_has_its_report_url_and_earlier_attempts(
    suite: Suite, options: tuple[str, ...]
) -> None:
    """GitLab and GitHub show the text of these elements only. Messages are short."""
    cases = run(suite, *options)
    for case in cases:
        report = case_report(case)
        for element in case:
            if element.tag in {"failure", "error"}:
                assert report.properties["sipfront.report_url"] in (element.text or "")
                assert len(element.get("message", "")) < 500
    (flaky,), (rerun,) = ([case for case in cases if case.get("name") == f"test_{name}"] for name in ("flaky", "rerun"))
    assert [element.get("message", "").split(" - ")[0] for element in flaky.findall("flakyFailure")] == [
        "assert 1 > 2",
        "assert 2 > 2",
    ]
    assert flaky.find("failure") is None
    (error,), (attempt,) = rerun.findall("error"), rerun.findall("rerunError")
    urls = {element.get("message", "").split(" - ")[-1] for element in (*flaky.findall("flakyFailure"), attempt)}
    assert len(urls) == 3
    assert all(url.startswith(f"{suite.lab.url}/run/details/") for url in urls)
    assert f"attempt 1: {attempt.get('type')}: {attempt.get('message')}" in (error.text or "")


def test_properties_can_be_in_the_output_for_stricter_schemas(suite: Suite) -> None:
    """The schema of Jenkins' xUnit step has no properties in a test case, and only these attributes and elements."""
    suite.pytester.makeini("[pytest]\nsipfront_junit_properties = system-out\njunit_logging = system-out\n")
    for case in run(suite):
        assert set(case.attrib) == {"classname", "name", "time"}
        assert {element.tag for element in case} <= CHILDREN
        assert case.findtext("system-out", "").startswith(("sipfront.test: ", "sipfront.attempt.1: "))
        assert len(case.findall("system-out")) == 1
    assert suite.case("test_teardown").findtext("system-out", "").count("printed") == 1
