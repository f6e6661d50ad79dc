"""The run document: its content, its JSON Schema, and the reports that carry it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pytest_sipfront.clients.sipfront.models import Launched, RunRequest, RunStatus
from pytest_sipfront.engine.run import MOST_EVENTS, Run, RunEvent, RunResult
from pytest_sipfront.engine.verdict import Expectation, Verdict
from pytest_sipfront.errors import RunTimeout
from pytest_sipfront.plugin.reports.run_document import LONGEST_RAW, SCHEMA, run_document

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
REQUEST = RunRequest(test="Basic call", overrides={"step.1.0.dial_destination": "43123100"})
STATUS = {"status": "failed", "session_status": "failed", "is_failed": 1, "result_description": "486 Busy Here"}


def event(name: str, seconds: float, state: str = "") -> RunEvent:
    """Return an event so many seconds after noon."""
    return RunEvent(name, NOON.timestamp() + seconds, 1000 + seconds, state)


def launched_run(raw: dict[str, Any] | None = None, **fields: Any) -> Run:
    """Return a run that was queued, launched and polled twice."""
    run = Run(request=REQUEST, timeout=60, label="test_it.py::test_it", service="https://app.sipfront.com", **fields)
    run.launched = Launched(status_url="https://app.sipfront.com/api/v2/runs/77/status", report_url="https://r/77")
    run.status = RunStatus.read(STATUS if raw is None else raw)
    run.polls = 2
    events = [("queued", 0), ("launching", 1), ("launched", 1.5), ("polled", 3, "running"), ("polled", 5, "failed")]
    for name, seconds, *state in events:
        run.record(event(str(name), float(seconds), *map(str, state)))
    run.record(event("finished", 5))
    return run


def result_of(run: Run, verdict: Verdict) -> RunResult:
    """Return the result of a run."""
    assert run.launched is not None
    return RunResult.of(run, run.launched, verdict, elapsed=4)


def valid(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as JSON holds it, after a check with the schema."""
    jsonschema: Any = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra 'test'")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(json.dumps(document))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document.keys() == schema["properties"].keys(), "every key is documented"
    return dict(document)


def test_a_failed_run_names_its_verdict_its_times_and_the_failure() -> None:
    """Times are UTC, and each event has wall-clock and monotonic time."""
    run = launched_run()
    document = valid(run_document(run, nodeid="n", result=result_of(run, Verdict.FAILED)))
    assert document["verdict"] == "failed"
    assert document["as_expected"] is False
    assert document["message"] == document["result_description"] == "486 Busy Here"
    assert document["spec"]["overrides"] == {"step.1.0.dial_destination": "43123100"}
    assert (document["run_id"], document["report_url"]) == ("77", "https://r/77")
    assert document["times"]["launched_at"] == "2026-01-15T12:00:01.500Z"
    assert document["times"]["running_at"] == "2026-01-15T12:00:03.000Z"
    assert [(e["name"], e["seconds"], e["state"]) for e in document["events"]][3] == ("polled", 1003, "running")
    assert document["raw"] == STATUS


def test_an_expected_failure_is_as_expected() -> None:
    """The verdict stays the platform's; there is no failure message."""
    run = launched_run(expectation=Expectation(verdict=Verdict.FAILED, match="486"))
    document = valid(run_document(run, nodeid="n", result=result_of(run, Verdict.FAILED)))
    assert (document["verdict"], document["as_expected"], document["message"]) == ("failed", True, "")


def test_a_run_without_verdict_names_its_error() -> None:
    """The verdict is null."""
    error = RunTimeout("not finished after 60 s", hint="Raise timeout=.")
    document = valid(run_document(launched_run(), nodeid="n", error=error, attempt=2, number=3, on_lab=True))
    assert (document["verdict"], document["as_expected"]) == (None, None)
    assert document["error"] == {"type": "RunTimeout", "message": "not finished after 60 s", "hint": "Raise timeout=."}
    assert (document["attempt"], document["number"], document["service"]["lab"]) == (2, 3, True)


def test_a_run_that_was_not_launched_has_a_document() -> None:
    """Everything unknown is empty."""
    run = Run(request=RunRequest(project=7, test_ids=(1, 2)), timeout=0)
    document = valid(run_document(run, nodeid="n"))
    assert (document["session_id"], document["raw"], document["times"]["launched_at"]) == ("", None, None)


def test_events_and_raw_status_are_bounded() -> None:
    """Of many polls the first and the latest are kept; a very long status is left out."""
    run = launched_run({**STATUS, "log": "x" * LONGEST_RAW})
    for number in range(1000):
        run.record(event("polled", 10 + number))
    run.record(event("finished", 2000))
    document = valid(run_document(run, nodeid="n"))
    assert len(document["events"]) == MOST_EVENTS
    assert [entry["name"] for entry in document["events"]][:: MOST_EVENTS - 1] == ["queued", "finished"]
    assert document["raw"] is None


def test_evidence_of_the_lab_is_part_of_the_document() -> None:
    """Keys that the schema does not know are not taken over."""
    measure = {"name": "jitter", "side": "caller", "value": 3.2, "unit": "ms", "source": "packet capture"}
    evidence = {"measures": [{**measure, "bound": "at most 2 ms", "violated": True}], "other": 1}
    document = valid(run_document(launched_run(), nodeid="n", evidence=evidence))
    assert document["measures"] == evidence["measures"]


CONFTEST = """
import json
class Writer:
    def pytest_runtest_logreport(self, report):
        with open("reports.jsonl", "a") as file:
            for document in getattr(report, "sipfront_runs", []):
                print(json.dumps([report.when, document]), file=file)
def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Writer())
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["one process", "xdist"])
def test_reports_carry_the_documents_of_their_test(
    pytester: pytest.Pytester, workers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marked tests, runs of a body, Sift calls and reruns, also through pytest-xdist."""
    monkeypatch.delenv("SIPFRONT_BASE_URL", raising=False)
    pytester.makeconftest(CONFTEST)
    pytester.makefile(
        ".yaml",
        lab="tests:\n  Good: {takes: 0.05}\n  Bad: {takes: 0.05, verdict: failed, description: 486 Busy Here}\n"
        'sift:\n  callees:\n    "+15550100200": {}\n',
    )
    pytester.makepyfile("""
        import pytest
        @pytest.mark.sipfront(test="Good")
        def test_good(): ...
        @pytest.mark.flaky(reruns=1)
        @pytest.mark.sipfront(test="Bad")
        def test_bad(): ...
        @pytest.mark.sipfront(test="Unknown")
        def test_unknown(): ...
        def test_two(sipfront):
            sipfront.run(test="Good")
            sipfront.launch(test="Bad")
        @pytest.mark.sift(phone_number="+15550100200")
        def test_sift(sift_connection): ...
        """)
    pytester.runpytest_subprocess("--sipfront-lab", *workers, timeout=300)
    reports = [json.loads(line) for line in (pytester.path / "reports.jsonl").read_text().splitlines()]
    documents = [(when, valid(document)) for when, document in reports]
    names = [(when, d["nodeid"].partition("::")[2], d["attempt"], d["number"], d["verdict"]) for when, d in documents]
    assert sorted(names, key=str) == sorted(
        [
            ("call", "test_good", 1, 1, "passed"),
            ("call", "test_bad", 1, 1, "failed"),
            ("call", "test_bad", 2, 1, "failed"),
            ("setup", "test_unknown", 1, 1, None),
            ("call", "test_two", 1, 1, "passed"),
            ("call", "test_two", 1, 2, None),
            ("call", "test_sift", 1, 1, None),
        ],
        key=str,
    )
    good = next(d for _, d in documents if d["spec"].get("test") == "Good")
    assert [*dict.fromkeys(entry["name"] for entry in good["events"])] == [
        *("queued", "launching", "launched", "polled", "finished")
    ]
    (call,) = (d for _, d in documents if d["service"]["name"] == "sift")
    assert any(entry["event"].startswith("status") for entry in call["timeline"])
