"""The HTML report of a session: one page without network access, readable without scripts and styles.

The stylesheet is also written beside the page. Jenkins serves artifacts under a content policy that blocks what the
page contains except its markup, but allows that file.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pytest_sipfront.pages.call_audio import CallAudio, draw_call
from pytest_sipfront.pages.messages import Message, sip_messages, with_gaps
from pytest_sipfront.pages.rendering import SHARED_TEMPLATES, render
from pytest_sipfront.pages.run_chart import RunChart, Span, draw_runs
from pytest_sipfront.plugin.reports.reason_kinds import KINDS
from pytest_sipfront.plugin.reports.session_record import (
    ERROR,
    FAILED,
    PASSED,
    XPASSED,
    AttemptRecord,
    SessionRecord,
    TestRecord,
    moment,
)

TEMPLATES = Path(__file__).parent / "templates"
MOST_DETAILED = 200
"""The number of broken tests, and of other tests, that can be opened. The others are lines with a link."""
MOST_SHOWN_OF_KIND = 20
"""The number of tests of one kind that are shown at once; the others are folded."""
MOST_AUDIO = 6_000_000
"""The total size of the recordings in a page, in bytes."""
MOST_MESSAGES = 200
"""The number of SIP messages of a run that are shown."""
TONES = {FAILED: "bad", ERROR: "unclear", XPASSED: "good", PASSED: "good"}
_PAGE = "report.html"
_ENDS = ("caller", "callee")
_BROKEN = (FAILED, ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRow:
    """A measure by the end of the call, or "" for the whole call: values, and whether they violate a condition."""

    name: str
    unit: str
    values: Mapping[str, str]
    bound: str
    violated: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A recording: `source` is what a player loads, "" if the page does not contain it."""

    name: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run, or a Sift call, as the page shows it."""

    document: Mapping[str, Any]
    links: Sequence[tuple[str, str]] = ()
    measures: Sequence[MeasureRow] = ()
    messages: Sequence[Message] = ()
    omitted_messages: int = 0
    audio: CallAudio | None = None
    sounds: Sequence[Sound] = ()

    @property
    def is_call(self) -> bool:
        """Whether it is a Sift call."""
        return bool(self.document["service"]["name"] == "sift")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Name and value of what is known, without empty values."""
        run, times = self.document, self.document["times"]
        facts = [
            ("state", run["state"]),
            ("scenario", run["scenario"]),
            ("pool", run["pool"]),
            ("launched", clock(times["launched_at"])),
            ("waited", _between(times["queued_at"], times["launching_at"])),
            ("duration", "" if run["duration"] is None else length(run["duration"])),
            ("planned", "" if run["expected_duration"] is None else length(run["expected_duration"])),
            ("polls", run["polls"] or ""),
            ("session", run["session_id"]),
        ]
        return [(name, str(value)) for name, value in facts if value != ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestView:
    """A test as the page shows it. `has_details` is whether it can be opened."""

    __test__ = False

    record: TestRecord
    anchor: str
    attempts: Sequence[tuple[AttemptRecord, Sequence[RunView]]] = ()
    has_details: bool = True

    @property
    def tone(self) -> str:
        """The colour of its outcome."""
        return TONES.get(self.record.last.outcome, "open")

    @property
    def name(self) -> str:
        """The name without its file."""
        return self.record.nodeid.partition("::")[2] or self.record.nodeid

    @property
    def history(self) -> Mapping[str, Any]:
        """What earlier sessions say about the test; empty without a history."""
        return self.record.history or {}

    @property
    def links(self) -> Sequence[tuple[str, str]]:
        """The links of its last run."""
        runs = [run for _, of_attempt in self.attempts for run in of_attempt]
        return runs[-1].links if runs else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KindGroup:
    """The broken tests of one kind."""

    kind: str
    tests: Sequence[TestView]

    @property
    def title(self) -> str:
        """The kind in words."""
        return "DTMF" if self.kind == "dtmf" else self.kind.replace("-", " ") or "unknown"

    @property
    def meaning(self) -> str:
        """What the kind means."""
        return KINDS.get(self.kind, "")

    @property
    def shown(self) -> Sequence[TestView]:
        """The tests that are shown at once."""
        return self.tests[:MOST_SHOWN_OF_KIND]

    @property
    def folded(self) -> Sequence[TestView]:
        """The others."""
        return self.tests[MOST_SHOWN_OF_KIND:]


@dataclass(slots=True)
class _Files:
    """The files of runs: links to them, and recordings, as many as fit into the page.

    Args:
        base: The directory that the documents' directories are relative to.
        page: The directory of the page.
        left: How many bytes of recordings the page may still contain.
    """

    base: Path
    page: Path
    left: int

    def read(self, document: Mapping[str, Any]) -> dict[str, bytes]:
        """Return the recordings of a run by the end that heard them."""
        artifacts = document["artifacts"]
        if not artifacts:
            return {}
        paths = {end: self.base / artifacts["directory"] / f"{end}.wav" for end in _ENDS}
        return {end: path.read_bytes() for end, path in paths.items() if path.is_file()}

    def source(self, recording: bytes) -> str:
        """Return the URL that contains a recording, or "" if the page would become too large."""
        if len(recording) > self.left:
            return ""
        self.left -= len(recording)
        return f"data:audio/wav;base64,{b64encode(recording).decode()}"

    def links(self, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield the report of the run and its files. The page of a lab is gone when the session is over."""
        artifacts = document["artifacts"] or {}
        names = list(artifacts.get("files", ()))
        if _PAGE not in names and document["report_url"]:
            yield "report", document["report_url"]
        if not names:
            return
        directory = self.base / artifacts["directory"]
        try:
            url = quote(Path(os.path.relpath(directory, self.page)).as_posix())
        except ValueError:  # another drive
            url = directory.as_uri()
        for name in sorted(names, key=lambda name: name != _PAGE):
            yield "report" if name == _PAGE else name, f"{url}/{quote(name)}"


def html_page(record: SessionRecord, page: Path, base: Path) -> str:
    """Return the page.

    Args:
        record: The complete record of the session.
        page: The file of the page. Links to artifacts are relative to it.
        base: The directory that the directories of artifacts are relative to.
    """
    views = list(_views(record, _Files(base, page.parent, MOST_AUDIO)))
    broken = [view for view in views if view.record.last.outcome in _BROKEN]
    figures = record.figures()
    return render(
        TEMPLATES,
        "session.html",
        record=record,
        figures=figures,
        headline=headline(record),
        since=since(broken),
        groups=groups(broken),
        others=[view for view in views if view.record.last.outcome not in _BROKEN],
        chart=run_chart(views),
        facts=[(name, value) for name, value in _facts(record) if value],
        stylesheet=page.with_suffix(".css").name,
        css=stylesheet(),
        length=length,
        clock=clock,
        most_messages=MOST_MESSAGES,
    )


def stylesheet() -> str:
    """Return the stylesheet of the page."""
    files = (SHARED_TEMPLATES / "style.css", TEMPLATES / "session.css")
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def headline(record: SessionRecord) -> str:
    """Return the result of a session in one sentence."""
    total, counts = len(record.tests), record.counts
    broken = counts.get(FAILED, 0) + counts.get(ERROR, 0)
    if record.collection_errors and not total:
        return "The tests could not be collected"
    if not total:
        return "No voice test ran"
    noun = "voice test" if total == 1 else "voice tests"
    if broken:
        return f"{broken} of {total} {noun} broken"
    return f"{total} {noun} without a failure" if counts.get(PASSED, 0) < total else f"All {total} {noun} passed"


def since(broken: Iterable[TestView]) -> list[tuple[int, str]]:
    """Return how many of the broken tests have each label of the history, such as "newly failing"."""
    return [
        (count, label) for label, count in Counter(view.history.get("label", "") for view in broken).items() if label
    ]


def groups(broken: Iterable[TestView]) -> list[KindGroup]:
    """Return the broken tests by kind: failures before errors, then the most frequent kind first."""
    by_kind: dict[str, list[TestView]] = {}
    for view in broken:
        by_kind.setdefault(view.record.last.kind, []).append(view)
    order = list(KINDS)
    position = {kind: order.index(kind) if kind in KINDS else len(order) for kind in by_kind}
    first_error = order.index("infrastructure")

    def rank(item: tuple[str, list[TestView]]) -> tuple[bool, int, int]:
        kind, tests = item
        return position[kind] >= first_error, -len(tests), position[kind]

    return [KindGroup(kind=kind, tests=tests) for kind, tests in sorted(by_kind.items(), key=rank)]


def _facts(record: SessionRecord) -> Iterator[tuple[str, str]]:
    figures = record.figures()
    yield "Started (UTC)", record.started_at[:19].replace("T", " ")
    yield "Session", length(record.seconds)
    yield "Service", record.service
    yield "Runs", f"{figures.launches} launched" if figures.launches else ""
    yield "Duration of all runs", length(figures.run_seconds) if figures.run_seconds else ""
    yield "Planned from earlier runs", length(figures.expected_seconds) if figures.expected_seconds else ""
    yield "Saved by concurrency", length(figures.saved_seconds) if figures.saved_seconds >= 1 else ""
    yield "Concurrent runs", f"{figures.peak_concurrency} of at most {max(record.concurrency, record.workers)}"
    budget = [
        f"{figures.launches} of {record.max_runs} runs" if record.max_runs is not None else "",
        f"{figures.run_seconds / 60:.1f} of {record.max_minutes:g} min" if record.max_minutes is not None else "",
    ]
    yield "Budget", ", ".join(filter(None, budget))
    yield "Workers", str(record.workers or "")


# ---- tests and runs -------------------------------------------------------------------------------------------------


def _views(record: SessionRecord, files: _Files) -> Iterator[TestView]:
    """Yield the tests, the broken ones first, so that they get the room for evidence."""
    ordered = sorted(enumerate(record.tests, 1), key=lambda entry: entry[1].last.outcome not in _BROKEN)
    detailed: Counter[tuple[bool, bool]] = Counter()
    for number, test in ordered:
        # A test that passed in a rerun, or is expected to fail, must not stand behind those that just passed.
        group = test.last.outcome in _BROKEN, test.last.outcome == PASSED and len(test.attempts) == 1
        detailed[group] += 1
        has_evidence = detailed[group] <= MOST_DETAILED
        attempts = [
            (attempt, [_run_view(run, files, has_evidence=has_evidence) for run in attempt.runs])
            for attempt in test.attempts
        ]
        yield TestView(record=test, anchor=f"t{number}", attempts=attempts, has_details=has_evidence)


def _run_view(document: Mapping[str, Any], files: _Files, *, has_evidence: bool) -> RunView:
    links = list(files.links(document))
    if not has_evidence:
        return RunView(document=document, links=links)
    recordings = files.read(document)
    is_broken = bool(document["error"]) or document["as_expected"] is False
    ladder = [(m["seconds"], m["direction"], m["line"], m["retransmission"]) for m in document["messages"]]
    messages = sip_messages(ladder[:MOST_MESSAGES]) if ladder else _timeline(document["timeline"][:MOST_MESSAGES])
    return RunView(
        document=document,
        links=links,
        measures=_measures(document["measures"]),
        messages=messages,
        omitted_messages=max(len(ladder), len(document["timeline"])) - len(messages),
        audio=draw_call(recordings, list(_marks(document))),
        sounds=[Sound(name=end, source=files.source(file) if is_broken else "") for end, file in recordings.items()],
    )


def _measures(entries: Iterable[Mapping[str, Any]]) -> list[MeasureRow]:
    rows: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in entries:
        rows.setdefault((entry["name"], entry["unit"]), []).append(entry)
    return [
        MeasureRow(
            name=name.replace("_", " "),
            unit="" if unit in name else unit,
            values={entry["side"]: _value(entry["value"]) for entry in of_name},
            bound=next((entry["bound"] for entry in of_name if entry["bound"]), ""),
            violated=frozenset(entry["side"] for entry in of_name if entry["violated"]),
        )
        for (name, unit), of_name in rows.items()
    ]


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _marks(document: Mapping[str, Any]) -> Iterator[tuple[str, float, str]]:
    """Yield the digits and prompts that have a time: end, seconds, label. Of the prompts only the best match counts."""
    for dtmf in document["dtmf"]:
        for digit, at in zip(dtmf["digits"], dtmf.get("times", ()), strict=False):
            yield dtmf["side"], at, digit
    best = sorted((p for p in document["prompts"] if p["at"] is not None), key=lambda prompt: -prompt["score"])
    for prompt in best[:1]:
        yield prompt["side"], prompt["at"], f"'{prompt['prompt']}' {prompt['score']:.2f}"


def _timeline(entries: Iterable[Mapping[str, Any]]) -> list[Message]:
    return with_gaps(
        Message(entry["seconds"], entry["direction"] == "->", f"{entry['event']} {entry['details']}".strip()[:300])
        for entry in entries
    )


# ---- timeline -------------------------------------------------------------------------------------------------------


def run_chart(views: Iterable[TestView]) -> RunChart | None:
    """Return the timeline of all launched runs."""
    return draw_runs(span for view in views for attempt, runs in view.attempts for span in _spans(view, attempt, runs))


def _spans(view: TestView, attempt: AttemptRecord, runs: Sequence[RunView]) -> Iterator[Span]:
    is_broken = attempt.outcome in _BROKEN
    for run in runs:
        times = {name: None if at is None else moment(at).timestamp() for name, at in run.document["times"].items()}
        launched = times["launched_at"]
        if launched is None:
            continue
        launching = times["launching_at"] or launched
        ended = times["finished_at"] or launched + (run.document["duration"] or 0.0)
        polls = (event for event in run.document["events"] if event["name"] == "polled")
        yield Span(
            queued=times["queued_at"] or launching,
            launching=launching,
            launched=launched,
            ended=max(ended, launched),
            polls=[moment(event["at"]).timestamp() for event in polls],
            tone=TONES.get(attempt.outcome, "open"),
            title=f"{view.name}: {attempt.outcome}{f', {attempt.kind}' if attempt.kind else ''}, "
            f"{length(ended - launched)}",
            label=view.name if is_broken else "",
            anchor=view.anchor if is_broken else "",
            needs_slot=not run.is_call,
        )


# ---- texts ----------------------------------------------------------------------------------------------------------


def length(seconds: float) -> str:
    """Return a duration for a reader."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def clock(text: str | None) -> str:
    """Return the time of day of an ISO 8601 text, UTC, or ""."""
    return "" if text is None else text[11:19]


def _between(start: str | None, end: str | None) -> str:
    if start is None or end is None:
        return ""
    seconds = (moment(end) - moment(start)).total_seconds()
    return length(seconds) if seconds >= 0.1 else ""  # noqa: PLR2004 - too short to show
