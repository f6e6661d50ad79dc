"""The terminal output: header lines and the closing section."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_sipfront.plugin.credentials import find_keys
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.plugin.reports.properties import FAULT_PARAMETER, PREFIX, RATE

if TYPE_CHECKING:
    from pytest_sipfront.clients.recordings import HttpRecording
    from pytest_sipfront.engine.resume import JournalEntry
    from pytest_sipfront.engine.run import Run
    from pytest_sipfront.plugin.reports.session_record import SessionRecord, TestRecord

_SCRIPTED = "(scripted verdict)"  # the lab marks the agent pool of a run without a call
_LABELS = {"failed": "FAILED", "error": "ERROR", "xfailed": "XFAIL"}
_MOST_STEPS, _MOST_SLOW = 10, 3
_SLOW_SECONDS = 1.0


def header(settings: Settings, lab_description: str = "", recording: HttpRecording | None = None) -> list[str]:
    """Return the header lines: target, credentials, concurrency, and the basis of the lab's verdicts."""
    if recording is not None:
        target = f"replay of {settings.replay}, recorded from {recording.base_url} at {recording.recorded_at}"
    elif settings.lab:
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


def summary(
    record: SessionRecord, settings: Settings, journal: SessionSummary, replay: Callable[[str], str] | None = None
) -> Iterator[str]:
    """Yield the lines of the closing section, or no line if no test used Sipfront or Sift.

    Args:
        record: The session.
        settings: Its settings.
        journal: Its launches.
        replay: Returns the command that places the call of a test again on the lab; None without a lab.
    """
    if not (record.tests or journal.launches or journal.left_behind):
        return
    runs = [run for test in record.tests for run in test.runs if run["service"]["name"] == "sipfront"]
    if runs or journal.launches:
        launched = [run for run in runs if _is_launched(run)]
        yield _totals(record, launched, len(runs), journal, "run" if settings.replay is None else "replayed run")
    if settings.replay is None:
        yield from _times(record)
    else:
        yield f"replayed from {settings.replay}: no run was launched, and no test counts as passed"
    if settings.lab:
        yield "ran against the lab, a simulation based on the platform's documentation"
    yield from _reused(record)
    yield from _scripted(runs)
    yield from _repeated(record)
    yield from _budget(journal.launches, settings)
    yield from _since_when(record)
    yield from _rows(record, replay)
    yield from _unfinished(journal)


def _is_launched(run: Mapping[str, Any]) -> bool:
    """Return whether a run was started, or may have been."""
    error = run["error"] or {}
    return run["times"]["launched_at"] is not None or error.get("type") == "LaunchOutcomeUnknown"


def _totals(
    record: SessionRecord, launched: Sequence[Mapping[str, Any]], claimed: int, journal: SessionSummary, noun: str
) -> str:
    """Return the totals of all runs that were started. `claimed` counts those that were not, too."""
    passed = sum(1 for run in launched if run["verdict"] == "passed")
    failed = [run for run in launched if run["verdict"] == "failed"]
    running = sum(entry.is_in_flight for entry in journal.launches)
    ended = sum(1 for run in journal.not_taken if run.status is not None and run.status.is_finished)
    urls = {entry.launched.report_url for entry in journal.launches if entry.is_in_flight and entry.launched}
    none = sum(run["verdict"] is None and run["report_url"] not in urls for run in launched)
    total: int = passed + len(failed) + none + running + ended
    good = [id(run) for test in record.tests if test.last.outcome in {"passed", "skipped"} for run in test.last.runs]
    expected = [run["as_expected"] for run in failed if id(run) in good]
    faulty = sum(
        not run["as_expected"] and FAULT_PARAMETER in run.get("spec", {}).get("overrides", {})
        for run in failed
        if id(run) in good
    )
    remarks = [
        f"{number} {word}"
        for number, word in (
            (sum(expected), "as expected"),
            (faulty, "with a faulty phone"),
            (len(expected) - sum(expected) - faulty, "tolerated"),
        )
        if number
    ]
    in_brackets = f" ({', '.join(remarks)})" if remarks else ""
    parts = [f"{passed} passed", f"{len(failed)} failed{in_brackets}", f"{none} without verdict"]
    parts += [f"{running} still running"] if running else []
    parts += [f"{ended} not used by a test"] if ended else []
    resumed = sorted(run["resumed_at"] for run in launched if run["resumed_at"])
    notes = [f"{claimed - len(launched)} not launched"] if claimed > len(launched) else []
    notes += [f"{len(resumed)} resumed from the session of {resumed[0]}"] if resumed else []
    return "; ".join([f"{total} {noun if total == 1 else f'{noun}s'}: {', '.join(parts)}", *notes])


def _times(record: SessionRecord) -> Iterator[str]:
    """Yield the minutes spent and saved, the concurrency, and the slowest tests."""
    figures = record.figures()
    if figures.launches > 1:
        saved = f", {_time(figures.saved_seconds)} saved" if figures.saved_seconds >= 1 else ""
        yield (
            f"{_time(figures.run_seconds)} of calls in {_time(figures.wall_seconds)}, "
            f"at most {figures.peak_concurrency} at the same time{saved}"
        )
    slowest = sorted(record.tests, key=lambda test: test.last.duration, reverse=True)[:_MOST_SLOW]
    slow = [test for test in slowest if test.last.duration >= _SLOW_SECONDS]
    if len(record.tests) > _MOST_SLOW and slow:
        yield "slowest: " + ", ".join(f"{test.nodeid} {_time(test.last.duration)}" for test in slow)


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"  # noqa: PLR2004 - seconds of a minute


def _since_when(record: SessionRecord) -> Iterator[str]:
    """Yield the changes since earlier sessions."""
    known = [(test, test.history) for test in record.tests if test.history is not None]
    if not known:
        return
    counts = Counter(history["status"] for _, history in known)
    counts["flaky"] = sum(history["flaky"] for _, history in known)
    words = ("newly failing", "still failing", "fixed", "flaky")
    parts = [f"{counts[word]} {word}" for word in words if counts[word]]
    yield f"since the last session: {', '.join(parts) or 'no test changed'}"
    for test, history in known:
        if test.last.outcome == "passed" and history["text"]:
            yield f"PASSED {test.nodeid} - {history['text']}"


def _rows(record: SessionRecord, replay: Callable[[str], str] | None) -> Iterator[str]:
    """Yield the tests that did not pass, by outcome and kind, with the next step for each of them."""
    groups: dict[tuple[str, str], list[TestRecord]] = defaultdict(list)
    for outcome in _LABELS:
        for test in record.tests:
            if test.last.outcome == outcome:
                groups[outcome, test.last.kind].append(test)
    steps = 0
    for (outcome, kind), tests in groups.items():
        if kind:
            yield f"{kind}: {len(tests)} {'test' if len(tests) == 1 else 'tests'}"
        for test in tests:
            yield from _row(_LABELS[outcome], test)
            if replay is not None and outcome != "xfailed" and steps < _MOST_STEPS:
                steps += 1
                yield f"  replay: {replay(test.nodeid)}"


def _row(label: str, test: TestRecord) -> Iterator[str]:
    runs = [run for run in test.last.runs if run["report_url"]]
    unexpected = [run for run in runs if not run["as_expected"]]
    from pytest_sipfront.plugin.reports.run_document import page_of  # noqa: PLC0415 - only for a failure

    shown = next(iter(unexpected or runs[-1:] or test.last.runs), None)
    url = page_of(shown) if shown is not None else ""
    words = difference = ""
    if test.history is not None:
        from pytest_sipfront.plugin.reports.history import difference_in_words  # noqa: PLC0415 - only with a history

        words, difference = test.history["text"], difference_in_words(test.history)
    yield " - ".join(part for part in (f"{label} {test.nodeid}", test.last.message, words, url) if part)
    if difference:
        yield f"  {difference}"


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


def _reused(record: SessionRecord) -> Iterator[str]:
    """Yield a line for each test whose verdict an interrupted session had already obtained."""
    for test in record.tests:
        for run in test.last.runs:
            if run["resumed_at"] and not run["polls"] and run["verdict"]:
                launched = run["resumed_at"]
                yield f"REUSED {test.nodeid} - {run['verdict']}, launched at {launched} - {run['report_url']}"


def _scripted(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    ended = [run for run in runs if _is_launched(run)]
    scripted = sum(run["pool"].endswith(_SCRIPTED) for run in ended)
    if scripted:
        yield f"{scripted} of {len(ended)} verdicts scripted by the lab file, without a call"


def _repeated(record: SessionRecord) -> Iterator[str]:
    """Yield the pass rate of each repeated test."""
    for test in record.tests:
        if rate := test.properties.get(PREFIX + RATE):
            yield f"REPEATED {test.nodeid} - {rate}, at least {test.properties[f'{PREFIX}pass_at_least']} required"
