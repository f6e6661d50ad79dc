"""Job summary and annotations of GitHub Actions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path

from pytest_sipfront.plugin.reports.properties import PREFIX
from pytest_sipfront.plugin.reports.session_record import ERROR, FAILED, SessionRecord, TestRecord

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
MOST_ROWS, MOST_ANNOTATIONS = 100, 10
"""GitHub shows 10 errors per step, and a summary of at most 1 MiB."""
_HEADS = ("test", "outcome", "kind", "reason", "since when", "report")
_LONGEST_CELL = 300
_WORKFLOW_ESCAPES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY_ESCAPES = {**_WORKFLOW_ESCAPES, ":": "%3A", ",": "%2C"}


def job_summary(record: SessionRecord) -> str:
    """Return the session as Markdown: a sentence, and a table of the tests that did not pass or have changed."""
    broken = _broken(record)
    head = f"{len(broken)} of {len(record.tests)} voice tests did not pass" if broken else "All voice tests passed"
    if not record.tests:
        head = "No voice test ran"
    figures = record.figures()
    service = f"lab {Path(record.service.removeprefix('lab')).name}".strip() if record.lab else record.service
    lines = [
        f"## {head}",
        "",
        f"{_cell(service)}, {figures.launches} runs, {figures.run_seconds / 60:.1f} min of calls in "
        f"{figures.wall_seconds / 60:.1f} min" + (", interrupted" if record.interrupted else ""),
        "",
    ]
    changed = [test for test in record.tests if test not in broken and test.history and test.history["text"]]
    rows = sorted(broken, key=lambda test: test.last.kind) + changed
    if rows:
        table = [_row(test, is_local=bool(record.lab)) for test in rows[:MOST_ROWS]]
        columns = [column for column in zip(_HEADS, *table, strict=True) if any(column[1:])]
        lines += [f"| {' | '.join(row)} |" for row in zip(*_with_rule(columns), strict=True)]
    if len(rows) > MOST_ROWS:
        lines += ["", f"{len(rows) - MOST_ROWS} more tests are not listed."]
    if record.in_flight:
        lines += ["", f"{len(record.in_flight)} runs were still running at the end."]
    return "\n".join([*lines, "", ""])


def workflow_commands(record: SessionRecord, *, errors_only: bool) -> Iterator[str]:
    """Yield a workflow command for each failure and error, at the line of its test.

    Args:
        record: The session.
        errors_only: Whether another plugin annotates failures.
    """
    broken = [test for test in _broken(record) if test.last.outcome == ERROR or not errors_only]
    for test in broken[:MOST_ANNOTATIONS]:
        history = test.history or {}
        message = "\n".join(filter(None, (test.last.message, history.get("text", ""), *_urls(test))))
        title = f"{test.last.kind or test.last.outcome}: {test.nodeid}"
        place = f"file={_escaped(test.file, _PROPERTY_ESCAPES)},line={test.line}"
        yield f"::error {place},title={_escaped(title, _PROPERTY_ESCAPES)}::{_escaped(message, _WORKFLOW_ESCAPES)}"


def _broken(record: SessionRecord) -> list[TestRecord]:
    return [test for test in record.tests if test.last.outcome in {FAILED, ERROR}]


def _urls(test: TestRecord) -> list[str]:
    return [run["report_url"] for run in test.last.runs if run["report_url"]]


def _with_rule(columns: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    return ((head, "---", *cells) for head, *cells in columns)


def _row(test: TestRecord, *, is_local: bool) -> list[str]:
    """Return a row of the table. Report URLs of a lab lead to a machine that is gone, artifacts remain."""
    links = [f"[run {number}]({url})" for number, url in enumerate(_urls(test), 1)]
    artifacts = test.properties.get(f"{PREFIX}artifacts", "")
    report = (f"`{artifacts}`" if artifacts else "") if is_local else " ".join(links)
    history = (test.history or {}).get("text", "")
    last = test.last
    return [*(_cell(text) for text in (test.nodeid, last.outcome, last.kind, last.message, history)), report]


def _cell(text: str) -> str:
    """Return a text as the content of a table cell, without any markup."""
    shown = text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", escape(" ".join(shown.split()), quote=False))


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)
