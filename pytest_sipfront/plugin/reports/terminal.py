"""The terminal output: header lines and the closing section."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.plugin.credentials import find_keys
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.plugin.reports.properties import NO_VERDICT, POOL, RATE, REPORT_URL, RESUMED, REUSED, VERDICT

if TYPE_CHECKING:
    from pytest_sipfront.engine.resume import JournalEntry
    from pytest_sipfront.engine.run import Run

_PROPERTY = re.compile(r"sipfront\.((?:\d+\.)?)(.*)", re.DOTALL)
_SCRIPTED = "(scripted verdict)"  # the lab marks the agent pool of a run without a call
_OUTCOMES = {"failed": "FAILED", "error": "ERROR", "xfailed": "XFAIL"}


def header(settings: Settings, lab_description: str = "") -> list[str]:
    """Return the header lines: target, credentials, concurrency, and the basis of the lab's verdicts."""
    if settings.lab:
        target = f"lab on this machine ({settings.lab_file or 'built-in lab file'})"
    else:
        keys = find_keys()
        credentials = keys if isinstance(keys, str) else f"credentials from {keys.source}"
        target = f"{settings.base_url} ({settings.sources['base_url']}), {credentials}"
    lines = [f"sipfront: {target}, concurrency {settings.concurrency}"]
    return [*lines, f"sipfront: {lab_description}"] if lab_description else lines


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """The contents of the journal at the end of a session.

    Attributes:
        launches: Launches of this session, in all of its processes.
        left_behind: Runs of an interrupted session that may still be running and were not resumed.
        not_taken: Runs that look-ahead launched for tests that did not reach their setup.
    """

    launches: Sequence[JournalEntry] = ()
    left_behind: Sequence[JournalEntry] = ()
    not_taken: Sequence[Run] = ()


def summary(stats: dict[str, list[object]], settings: Settings, journal: SessionSummary) -> Iterator[str]:
    """Yield the lines of the closing section, or no line if no test had a run."""
    runs = {report.nodeid: _runs(report) for report in _reports(stats.values())}
    if not (runs or journal.launches):
        return
    all_runs = [run for runs_of_test in runs.values() for run in runs_of_test]
    passed = {getattr(report, "nodeid", "") for report in stats.get("passed", [])}
    expected = [run for nodeid in passed & runs.keys() for run in runs[nodeid] if run[VERDICT] == "failed"]
    yield _totals(all_runs, len(expected))
    if settings.lab:
        yield "ran against the lab, a simulation based on the platform's documentation"
    yield from _reused(runs)
    yield from _scripted(all_runs)
    yield from _repeated(runs)
    yield from _budget(journal.launches, settings)
    for outcome, label in _OUTCOMES.items():
        for report in _reports([stats.get(outcome, [])]):
            yield _row(label, report)
    yield from _unfinished(journal)


def _totals(runs: list[dict[str, object]], expected: int) -> str:
    """Return the totals. `expected` runs failed in tests that passed."""
    verdicts = Counter(run[VERDICT] for run in runs)
    passed, failed, none = (verdicts[name] for name in ("passed", "failed", NO_VERDICT))
    noun = "run" if verdicts.total() == 1 else "runs"
    sessions = sorted(str(run[RESUMED]) for run in runs if RESUMED in run)
    resumed = f"; {len(sessions)} resumed from the session of {sessions[0]}" if sessions else ""
    as_expected = f" ({expected} as expected)" if expected else ""
    return f"{verdicts.total()} {noun}: {passed} passed, {failed} failed{as_expected}, {none} without verdict{resumed}"


def _budget(launches: Sequence[JournalEntry], settings: Settings) -> Iterator[str]:
    if settings.max_runs is None and settings.max_minutes is None:
        return
    started = [entry for entry in launches if entry.launched is not None or entry.is_uncertain]
    minutes = sum(entry.seconds for entry in started) / 60
    max_runs = "" if settings.max_runs is None else f" of {settings.max_runs}"
    max_minutes = "" if settings.max_minutes is None else f" of {settings.max_minutes:g}"
    yield f"budget: {len(started)}{max_runs} runs, {minutes:.1f}{max_minutes} min used"


def _unfinished(journal: SessionSummary) -> Iterator[str]:
    running = [entry for entry in journal.launches if entry.is_in_flight]
    if running:
        yield f"{len(running)} still running (the API cannot stop runs):"
        yield from map(_entry, running)
    done = [run for run in journal.not_taken if run.status is not None and run.status.is_finished]
    if done:
        yield f"{len(done)} launched ahead of tests that did not run:"
        yield from (f"  {run.label} - {run.status.state if run.status else ''} - {run.report_url}" for run in done)
    if journal.left_behind:
        yield f"{len(journal.left_behind)} left by an interrupted session (--sipfront-resume resumes such runs):"
        yield from map(_entry, journal.left_behind)


def _entry(entry: JournalEntry) -> str:
    url = entry.launched.report_url if entry.launched else "may have been started"
    return f"  {entry.test} - {entry.target} - {entry.at:%Y-%m-%d %H:%M:%S} UTC - {url}"


def _reused(runs: Mapping[str, list[dict[str, object]]]) -> Iterator[str]:
    """Yield a line for each test whose verdict an interrupted session had already obtained."""
    for nodeid, runs_of_test in runs.items():
        for run in runs_of_test:
            if run.get(REUSED) == "yes":
                yield f"REUSED {nodeid} - {run[VERDICT]}, launched at {run[RESUMED]} - {run.get(REPORT_URL, '')}"


def _repeated(runs: Mapping[str, list[dict[str, object]]]) -> Iterator[str]:
    """Yield the pass rate of each repeated test."""
    for nodeid, runs_of_test in runs.items():
        if rate := runs_of_test[0].get(RATE):
            yield f"REPEATED {nodeid} - {rate}, at least {runs_of_test[0].get('pass_at_least')} required"


def _scripted(runs: Sequence[dict[str, object]]) -> Iterator[str]:
    scripted = sum(str(run.get(POOL, "")).endswith(_SCRIPTED) for run in runs)
    if scripted:
        yield f"{scripted} of {len(runs)} verdicts scripted by the lab file, without a call"


def _reports(lists: Iterable[list[object]]) -> Iterator[pytest.TestReport]:
    for reports in lists:
        for report in reports:
            if isinstance(report, pytest.TestReport) and _runs(report):
                yield report


def _runs(report: pytest.TestReport) -> list[dict[str, object]]:
    """Return the properties of each run of a test, without prefix. Other properties named `sipfront.*` are ignored."""
    runs: dict[str, dict[str, object]] = {}
    for name, value in report.user_properties:
        if match := _PROPERTY.fullmatch(str(name)):
            runs.setdefault(match[1], {})[match[2]] = value
    return [run for run in runs.values() if VERDICT in run]


def _row(label: str, report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(getattr(crash, "message", "")).split("\n", 1)[0]
    runs = _runs(report)
    run = next((run for run in runs if run[VERDICT] != "passed"), runs[-1])
    url = str(run.get(REPORT_URL, ""))
    return " - ".join(part for part in (f"{label} {report.nodeid}", message, url) if part)
