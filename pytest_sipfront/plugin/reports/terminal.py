"""What the terminal shows: a line at the head, a section at the end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.plugin.credentials import find_keys
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.plugin.reports.properties import NO_VERDICT, POOL, REPORT_URL, RESUMED, VERDICT

if TYPE_CHECKING:
    from pytest_sipfront.engine.resume import JournalEntry
    from pytest_sipfront.engine.run import Run

_PROPERTY = re.compile(r"sipfront\.((?:\d+\.)?)(.*)", re.DOTALL)
_SCRIPTED = "(scripted verdict)"  # how the lab marks the agent pool of a run that placed no call
_OUTCOMES = {"failed": "FAILED", "error": "ERROR", "xfailed": "XFAIL"}


def header(settings: Settings, lab_in_words: str = "") -> list[str]:
    """Say where runs go, with whose credentials, how many at once, and what a lab's verdicts rest on."""
    if settings.lab:
        where = f"the lab on this machine ({settings.lab_file or 'its built-in file'}), needs no credentials"
    else:
        keys = find_keys()
        credentials = keys if isinstance(keys, str) else f"credentials from {keys.source}"
        where = f"{settings.base_url} ({settings.sources['base_url']}), {credentials}"
    lines = [f"sipfront: {where}, concurrency {settings.concurrency}"]
    return [*lines, f"sipfront: {lab_in_words}"] if lab_in_words else lines


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """What the session's books say at its end.

    Attributes:
        launches: What this session launched, in all of its processes.
        left_behind: What may be going on of an interrupted session that was not taken up.
        not_taken: What was launched ahead for tests that did not come to their setup.
    """

    launches: Sequence[JournalEntry] = ()
    left_behind: Sequence[JournalEntry] = ()
    not_taken: Sequence[Run] = ()


def summary(stats: dict[str, list[object]], settings: Settings, books: SessionSummary) -> Iterator[str]:
    """Yield the lines of the closing section; none if no test had a run."""
    runs = {report.nodeid: _runs(report) for report in _reports(stats.values())}
    if not (runs or books.launches):
        return
    every_run = [run for of_test in runs.values() for run in of_test]
    passing = {getattr(report, "nodeid", "") for report in stats.get("passed", [])}
    as_expected = [run for nodeid in passing & runs.keys() for run in runs[nodeid] if run[VERDICT] == "failed"]
    yield _totals(every_run, len(as_expected))
    if settings.lab:
        yield "on the lab, which is modelled on the platform's documentation and is not the platform"
    yield from _scripted(every_run)
    yield from _spent(books.launches, settings)
    for outcome, word in _OUTCOMES.items():
        for report in _reports([stats.get(outcome, [])]):
            yield _row(word, report)
    yield from _loose_ends(books)


def _totals(runs: list[dict[str, object]], expected: int) -> str:
    """`expected` runs failed in tests that passed."""
    verdicts = Counter(run[VERDICT] for run in runs)
    passed, failed, none = (verdicts[name] for name in ("passed", "failed", NO_VERDICT))
    runs_of = "run" if verdicts.total() == 1 else "runs"
    resumed = sorted(str(run[RESUMED]) for run in runs if RESUMED in run)
    taken_up = f"; {len(resumed)} taken up from a session of {resumed[0]}" if resumed else ""
    as_expected = f" ({expected} as expected)" if expected else ""
    return (
        f"{verdicts.total()} {runs_of}: {passed} passed, {failed} failed{as_expected}, {none} without verdict{taken_up}"
    )


def _spent(launches: Sequence[JournalEntry], settings: Settings) -> Iterator[str]:
    if settings.max_runs is None and settings.max_minutes is None:
        return
    started = [one for one in launches if one.launched is not None or one.is_uncertain]
    minutes = sum(one.seconds for one in started) / 60
    of_runs = "" if settings.max_runs is None else f" of {settings.max_runs}"
    of_minutes = "" if settings.max_minutes is None else f" of {settings.max_minutes:g}"
    yield f"budget: {len(started)}{of_runs} runs, {minutes:.1f}{of_minutes} min spent"


def _loose_ends(books: SessionSummary) -> Iterator[str]:
    flying = [one for one in books.launches if one.is_in_flight]
    if flying:
        yield f"{len(flying)} still in flight, which the API offers no way to stop:"
        yield from map(_place, flying)
    done = [run for run in books.not_taken if run.status is not None and run.status.is_finished]
    if done:
        yield f"{len(done)} launched ahead and over, but their tests did not run:"
        yield from (f"  {run.label} - {run.status.state if run.status else ''} - {run.report_url}" for run in done)
    if books.left_behind:
        yield f"{len(books.left_behind)} left by an interrupted session; --sipfront-resume would have taken them up:"
        yield from map(_place, books.left_behind)


def _place(one: JournalEntry) -> str:
    where = one.launched.report_url if one.launched else "may have been started"
    return f"  {one.test} - {one.target} - {one.at:%Y-%m-%d %H:%M:%S} UTC - {where}"


def _scripted(runs: Sequence[dict[str, object]]) -> Iterator[str]:
    scripted = sum(str(run.get(POOL, "")).endswith(_SCRIPTED) for run in runs)
    if scripted:
        are, them = ("is", "it") if scripted == 1 else ("are", "them")
        yield f"{scripted} of {len(runs)} verdicts {are} scripted by the lab file: no call was placed for {them}"


def _reports(lists: Iterable[list[object]]) -> Iterator[pytest.TestReport]:
    for reports in lists:
        for report in reports:
            if isinstance(report, pytest.TestReport) and _runs(report):
                yield report


def _runs(report: pytest.TestReport) -> list[dict[str, object]]:
    """The properties of each run of a test, without their prefix; a property of the user's own makes no run."""
    runs: dict[str, dict[str, object]] = {}
    for full, value in report.user_properties:
        if match := _PROPERTY.fullmatch(str(full)):
            runs.setdefault(match[1], {})[match[2]] = value
    return [run for run in runs.values() if VERDICT in run]


def _row(word: str, report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(getattr(crash, "message", "")).split("\n", 1)[0]
    url = str(_runs(report)[-1].get(REPORT_URL, ""))
    return " - ".join(part for part in (f"{word} {report.nodeid}", message, url) if part)
