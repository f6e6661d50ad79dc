"""What is known of the runs of a session that did not end by itself. Pure."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunStatus
from pytest_sipfront.engine import journal
from pytest_sipfront.engine.journal import Event
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.verdict import Verdict

_LONGEST = 1e9
"""Seconds; no run takes 30 years."""
_VERDICTS = (Verdict.PASSED.value, Verdict.FAILED.value)
_OVER = frozenset({journal.REFUSED, journal.VERDICT, journal.NO_VERDICT})


@dataclass(slots=True)
class JournalEntry:
    """One launch as the ledger knows it.

    Attributes:
        launch: Its id.
        at: When it was about to be sent (UTC).
        test: For whom.
        target: What was to run.
        digest: Of the request.
        state: The last event of it.
        launched: The platform's answer; None if none is known.
        end: The event with its verdict; None if there is none.
    """

    launch: str
    at: datetime
    test: str
    target: str
    digest: str
    state: str = journal.INTENT
    launched: Launched | None = None
    end: Event | None = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        """How long it took; 0 if that is not known."""
        return _duration(self.end) or 0.0 if self.end is not None else 0.0

    @property
    def is_uncertain(self) -> bool:
        """Whether nobody knows if it was started."""
        return self.state in {journal.INTENT, journal.UNCERTAIN}

    @property
    def is_in_flight(self) -> bool:
        """Whether it was started and its end is not known."""
        return self.launched is not None and self.state not in _OVER


def recorded(events: Iterable[Event], sessions: frozenset[str]) -> list[JournalEntry]:
    """Return the launches of `sessions` in the order in which they were to be sent; what makes no sense is left out."""
    launches: dict[str, JournalEntry] = {}
    for event in events:
        if str(event.get("session")) not in sessions:
            continue
        launch = str(event.get("launch", ""))
        if event["event"] == journal.INTENT and (entry := _read(event, launch)):
            launches[launch] = entry
        elif launch in launches:
            _apply(launches[launch], event)
    return list(launches.values())


def _read(event: Event, launch: str) -> JournalEntry | None:
    try:
        at = datetime.fromisoformat(event["at"])
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return JournalEntry(launch, at, str(event["test"]), str(event["target"]), str(event["digest"]))
    except (KeyError, TypeError, ValueError):
        return None


def _apply(entry: JournalEntry, event: Event) -> None:
    kind = event["event"]
    if kind == journal.LAUNCHED:
        entry.launched = Launched.read(event)
        if entry.launched is None:
            return
    entry.state = kind
    if kind == journal.VERDICT:
        entry.end = event


def unfinished(events: Iterable[Event]) -> str:
    """Return the id of the session that wrote last if it did not end by itself, "" otherwise."""
    last = ""
    for event in events:
        session = str(event.get("session", ""))
        if session and event["event"] != journal.END:
            last = session
        elif session == last:
            last = ""
    return last


def chain(events: Iterable[Event], session: str) -> frozenset[str]:
    """Return a session and those that it took up, one after another."""
    resumes = {
        str(event.get("session")): str(event.get("resumes") or "")
        for event in events
        if event["event"] == journal.SESSION
    }
    found: set[str] = set()
    while session and session not in found:
        found.add(session)
        session = resumes.get(session, "")
    return frozenset(found)


class ResumableRuns:
    """Gives each run of this session what an earlier one knows of it, once."""

    def __init__(self, entries: Iterable[JournalEntry] = ()) -> None:
        self._known: dict[tuple[str, str], deque[JournalEntry]] = defaultdict(deque)
        for entry in entries:
            if entry.state != journal.REFUSED:
                self._known[entry.test, entry.digest].append(entry)

    def take(self, run: Run) -> JournalEntry | None:
        """Return what is known of a run for the same test and the same request; None if it was never launched."""
        known = self._known.get((run.label, run.request.digest))
        return known.popleft() if known else None


def end_of(result: RunResult) -> dict[str, Any]:
    """Return what the ledger keeps of a verdict, from which `result_of` makes it again."""
    return {
        "verdict": result.verdict,
        "duration": result.duration,
        "run": dict(result.raw),
        "tests": [
            {"test": {"id": last.test_id, "name": last.test_name}, "run": dict(last.status.raw)}
            for last in result.tests
        ],
        "notes": list(result.notes),
    }


def result_of(run: Run, entry: JournalEntry) -> RunResult | None:
    """Make the result of a run whose verdict an earlier session wrote down; None if what it wrote makes no sense."""
    end, launched = entry.end, entry.launched
    if end is None or launched is None or end.get("verdict") not in _VERDICTS:
        return None
    raw, duration = end.get("run"), _duration(end)
    if not isinstance(raw, Mapping) or duration is None:
        return None
    run.status = RunStatus.read(raw)
    run.notes.extend(str(note) for note in _list(end.get("notes")))
    return RunResult(
        request=run.request,
        verdict=end["verdict"],
        result_description=run.status.result_description,
        duration=duration,
        session_id=launched.session_id,
        report_url=launched.report_url,
        status_url=launched.status_url,
        status=run.status,
        tests=tuple(LastStatus.read(test) for test in _list(end.get("tests")) if isinstance(test, Mapping)),
        notes=tuple(run.notes),
    )


def _duration(end: Event) -> float | None:
    duration = end.get("duration")
    return float(duration) if isinstance(duration, int | float) and 0 <= duration < _LONGEST else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
