"""The session as metrics in the text format of Prometheus, for the textfile collector of its node exporter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from pytest_sipfront.plugin.reports.properties import PREFIX, RATE
from pytest_sipfront.plugin.reports.session_record import PASSED, SKIPPED, SessionRecord, TestRecord, moment

Sample = tuple[Mapping[str, str], float]


def metrics_text(record: SessionRecord) -> str:
    """Return the metrics. Names, types and labels are documented in `docs/reports.md`."""
    tests = [test for test in record.tests if test.last.outcome != SKIPPED]
    figures = record.figures()
    verdicts = Counter(
        run["verdict"] or "none" for test in tests for run in test.runs if run["times"]["launched_at"] is not None
    )
    families: list[tuple[str, str, list[Sample]]] = [
        (
            "test_passed",
            "Whether the last attempt at a test passed.",
            [(_labels(test), _passed(test)) for test in tests],
        ),
        (
            "test_failure",
            "1 for each test that did not pass, with the kind of its failure or error.",
            [({**_labels(test), "kind": test.last.kind}, 1) for test in tests if not _passed(test)],
        ),
        ("test_attempts", "Attempts at a test.", [(_labels(test), len(test.attempts)) for test in tests]),
        (
            "test_duration_seconds",
            "Duration of the last attempt.",
            [(_labels(test), test.last.duration) for test in tests],
        ),
        (
            "test_pass_rate",
            "Rate of the runs of a repeated test with the expected verdict, among those with a verdict.",
            [(_labels(test), _rate(test)) for test in tests if f"{PREFIX}{RATE}" in test.properties],
        ),
        ("measure", "Measured values of the last attempt.", list(_measures(tests))),
        ("runs", "Launched runs by verdict.", [({"verdict": verdict}, count) for verdict, count in verdicts.items()]),
        ("run_seconds", "Sum of the durations of all runs.", [({}, figures.run_seconds)]),
        ("peak_concurrency", "Largest number of runs at the same time.", [({}, figures.peak_concurrency)]),
        ("session_duration_seconds", "Duration of the session.", [({}, record.seconds)]),
        ("session_interrupted", "Whether the session was interrupted.", [({}, int(record.interrupted))]),
        (
            "session_end_time_seconds",
            "End of the session (POSIX time).",
            [({}, moment(record.finished_at).timestamp())],
        ),
    ]
    common = {"service": record.service}
    return "".join(
        f"# HELP sipfront_{name} {text}\n# TYPE sipfront_{name} gauge\n"
        + "".join(f"sipfront_{name}{{{_rendered({**common, **labels})}}} {value:.15g}\n" for labels, value in samples)
        for name, text, samples in families
        if samples
    )


def _labels(test: TestRecord) -> dict[str, str]:
    return {"test": test.nodeid}


def _passed(test: TestRecord) -> int:
    return int(test.last.outcome == PASSED)


def _rate(test: TestRecord) -> float:
    ended = [run["as_expected"] for run in test.last.runs if run["as_expected"] is not None]
    return sum(ended) / len(ended) if ended else 0.0


def _measures(tests: list[TestRecord]) -> Iterator[Sample]:
    for test in tests:
        for run in test.last.runs:
            for measure in run["measures"]:
                value = measure["value"]
                if isinstance(value, int | float) and not isinstance(value, bool):
                    names = {"measure": measure["name"], "side": measure["side"], "unit": measure["unit"]}
                    yield {**_labels(test), "run": str(run["number"]), **names}, value


def _rendered(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
