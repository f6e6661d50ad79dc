"""What the terminal shows: a line at the head, a section at the end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

from pytest_sipfront.options import Settings, find_keys
from pytest_sipfront.reports.properties import NO_VERDICT, POOL, REPORT_URL, VERDICT

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


def summary(stats: dict[str, list[object]], settings: Settings) -> Iterator[str]:
    """Yield the lines of the closing section; none if no test had a run."""
    runs = {report.nodeid: _runs(report) for report in _reports(stats.values())}
    if not runs:
        return
    verdicts = Counter(run[VERDICT] for of_test in runs.values() for run in of_test)
    passed, failed, none = (verdicts[name] for name in ("passed", "failed", NO_VERDICT))
    runs_of = "run" if verdicts.total() == 1 else "runs"
    yield f"{verdicts.total()} {runs_of}: {passed} passed, {failed} failed, {none} without verdict"
    if settings.lab:
        yield "on the lab, which is modelled on the platform's documentation and is not the platform"
    scripted = sum(str(run.get(POOL, "")).endswith(_SCRIPTED) for of_test in runs.values() for run in of_test)
    if scripted:
        yield f"{scripted} of {verdicts.total()} verdicts are scripted by the lab file: no call was placed for them"
    for outcome, word in _OUTCOMES.items():
        for report in _reports([stats.get(outcome, [])]):
            yield _row(word, report)


def _reports(lists: Iterable[list[object]]) -> Iterator[pytest.TestReport]:
    for reports in lists:
        for report in reports:
            if isinstance(report, pytest.TestReport) and _runs(report):
                yield report


def _runs(report: pytest.TestReport) -> list[dict[str, object]]:
    """The properties of each run of a test, without their prefix."""
    runs: dict[str, dict[str, object]] = {}
    for full, value in report.user_properties:
        if match := _PROPERTY.fullmatch(str(full)):
            runs.setdefault(match[1], {})[match[2]] = value
    return list(runs.values())


def _row(word: str, report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(getattr(crash, "message", "")).split("\n", 1)[0]
    url = str(_runs(report)[-1].get(REPORT_URL, ""))
    return " - ".join(part for part in (f"{word} {report.nodeid}", message, url) if part)
