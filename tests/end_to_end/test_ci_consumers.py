"""The files for CI systems and other reporters, each read with the real package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.suite import Suite

LAB = "tests:\n  Good: {takes: 0.02}\n  Bad: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
TESTS = (
    "@marked(test='Good')\ndef test_good(): pass\n@marked(test='Bad')\ndef test_bad(): pass\ndef test_plain(): pass\n"
)


@pytest.fixture
def mixed(suite: Suite) -> Suite:
    """A suite with a passing test, a failing one, and one without a run."""
    suite.configure(LAB)
    suite.write(TESTS)
    return suite


def test_github_gets_a_job_summary_and_annotations(mixed: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other steps of the job may have written to the summary, too."""
    path = mixed.pytester.path / "summary.md"
    path.write_text("before\n")
    mixed.run()
    assert path.read_text() == "before\n"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = mixed.run("-pno:pytest_github_actions_annotate_failures")
    assert path.read_text().startswith("before\n## 1 of 2 voice tests did not pass\n")
    assert "| test\\_it.py::test\\_bad | failed | busy | 486 Busy Here |" in path.read_text()
    title = "busy%3A test_it.py%3A%3Atest_bad"
    result.stdout.fnmatch_lines([f"::error file=test_it.py,line=5,title={title}::486 Busy Here%0Ahttp://*"])


def test_prometheus_can_read_the_metrics(mixed: Suite) -> None:
    """The file has one sample for each test and measure."""
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client comes with the extra 'test'")
    mixed.run("--sipfront-prometheus=out/voice.prom")
    text = (mixed.pytester.path / "out" / "voice.prom").read_text()
    samples = {
        (sample.name, sample.labels.get("test", ""), sample.labels.get("kind", "")): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["sipfront_test_passed", "test_it.py::test_good", ""] == 1
    assert samples["sipfront_test_passed", "test_it.py::test_bad", ""] == 0
    assert samples["sipfront_test_failure", "test_it.py::test_bad", "busy"] == 1
    assert ("sipfront_test_passed", "test_it.py::test_plain", "") not in samples


def test_pytest_html_links_the_runs(mixed: Suite) -> None:
    """Each row has a link to the report page and the run document."""
    pytest.importorskip("pytest_html", reason="pytest-html comes with the extra 'test'")
    mixed.run_in_subprocess("--html=report.html", "--self-contained-html")
    page = (mixed.pytester.path / "report.html").read_text()
    assert page.count(f"{mixed.lab.url}/run/details/") >= 2
    assert "Bad (failed)" in page
    assert "Good (passed)" in page


def test_allure_gets_links_attachments_and_labels(mixed: Suite) -> None:
    """Allure groups by label."""
    pytest.importorskip("allure_pytest", reason="allure-pytest comes with the extra 'test'")
    mixed.run_in_subprocess("--alluredir=allure")
    results = {
        content["name"]: content
        for path in Path(mixed.pytester.path, "allure").glob("*-result.json")
        for content in [json.loads(path.read_text())]
    }
    bad = results["test_bad"]
    assert bad["status"] == "failed"
    assert [link["name"] for link in bad["links"]] == ["Bad (failed)"]
    assert bad["links"][0]["url"].startswith(f"{mixed.lab.url}/run/details/")
    assert {"name": "sipfront.kind", "value": "busy"} in bad["labels"]
    attached = {each["name"]: mixed.pytester.path / "allure" / each["source"] for each in bad["attachments"]}
    assert attached.keys() == {"run 1", "report.html"}
    assert "486 Busy Here" in attached["report.html"].read_text()
    document = json.loads(attached["run 1"].read_text())
    assert document["verdict"] == "failed"
    assert "links" not in results["test_plain"]


def test_documents_for_other_reporters_have_masked_numbers(suite: Suite) -> None:
    """pytest-html gets them from each process."""
    pytest.importorskip("pytest_html", reason="pytest-html comes with the extra 'test'")
    suite.write(
        "@pytest.mark.parametrize('number', ['4312398765432'])\n"
        "@marked(test='Basic call', step_1_0_dial_destination='{number}')\ndef test_call(number): pass\n"
    )
    suite.run_in_subprocess("--html=report.html", "--self-contained-html", "--sipfront-mask-numbers=on")
    page = (suite.pytester.path / "report.html").read_text()
    assert "Basic call (passed)" in page
    assert "98765432" not in page


def test_open_telemetry_spans_can_be_printed(mixed: Suite) -> None:
    """One span each for the session, and for two attempts with their runs."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="it comes with the extra 'otel'")
    result = mixed.run_in_subprocess("--sipfront-otel=console")
    assert result.stdout.str().count('"span_id"') == 5
