"""The runs of interrupted sessions, as the journal records them."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunStatus
from pytest_sipfront.engine import journal
from pytest_sipfront.engine.journal import (
    Event,
    JournalContents,
    event_time,
    is_older,
    is_running,
    read_journal,
    utcnow,
)
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.verdict import Verdict
from pytest_sipfront.errors import ConfigurationError

CLOSING_SECONDS = 15.0
"""Maximum time to wait for a session that is closing: it waits for the answers of its last launches."""
_LONGEST = 1e9
"""Maximum plausible duration of a run in seconds: 30 years."""
_VERDICTS = (Verdict.PASSED.value, Verdict.FAILED.value)
_ENDED = frozenset({journal.REFUSED, journal.VERDICT, journal.NO_VERDICT})


@dataclass(slots=True)
class JournalEntry:
    """One launch according to the journal.

    Attributes:
        launch: The id of the launch.
        session: The session that launched it.
        at: When the launch was about to be sent (UTC).
        test: The id of the test.
        target: The name of the Sipfront test or project.
        digest: The key of the run.
        changed_at: The time of the last event (UTC).
        state: The kind of the last event.
        launched: The platform's answer; None if it is unknown.
        end: The event with the verdict; None without a verdict.
    """

    launch: str
    session: str
    at: datetime
    test: str
    target: str
    digest: str
    changed_at: datetime
    state: str = journal.INTENT
    launched: Launched | None = None
    end: Event | None = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        """The duration of the run in seconds; 0 if it is unknown."""
        return _duration(self.end) or 0.0 if self.end is not None else 0.0

    @property
    def is_uncertain(self) -> bool:
        """Whether the platform may have started the run or not."""
        return self.state in {journal.INTENT, journal.UNCERTAIN}

    @property
    def is_in_flight(self) -> bool:
        """Whether the run was started and its end is unknown."""
        return self.launched is not None and self.state not in _ENDED


def recorded(events: Iterable[Event]) -> list[JournalEntry]:
    """Return all launches in the order in which they were to be sent. Events without a readable launch are ignored."""
    launches: dict[str, JournalEntry] = {}
    for event in events:
        launch = str(event.get("launch", ""))
        if event["event"] == journal.INTENT and (entry := _read_intent(event, launch)):
            launches[launch] = entry
        elif launch in launches:
            _apply(launches[launch], event)
    return list(launches.values())


def _read_intent(event: Event, launch: str) -> JournalEntry | None:
    at = event_time(event)
    try:
        session, test, target, digest = (str(event[name]) for name in ("session", "test", "target", "digest"))
    except KeyError:
        return None
    return None if at is None else JournalEntry(launch, session, at, test, target, digest, changed_at=at)


def _apply(entry: JournalEntry, event: Event) -> None:
    kind = event["event"]
    if kind == journal.LAUNCHED:
        entry.launched = Launched.read(event)
        if entry.launched is None:
            return
    entry.state, entry.changed_at = kind, event_time(event) or entry.changed_at
    if kind == journal.VERDICT:
        entry.end = event


# ---- interrupted sessions ---------------------------------------------------------------------------------------


class ResumableRuns:
    """Gives each run of this session what interrupted sessions know about it, once."""

    def __init__(self, entries: Iterable[JournalEntry] = ()) -> None:
        """Keep the launches of interrupted sessions, the oldest first."""
        self._entries: dict[tuple[str, str], list[JournalEntry]] = defaultdict(list)
        for entry in entries:
            if entry.state != journal.REFUSED:
                self._entries[entry.test, entry.digest].append(entry)
        self._waiting = {key: deque(known) for key, known in self._entries.items()}
        self._resumed: set[tuple[str, str]] = set()

    @property
    def sessions(self) -> list[str]:
        """The sessions that can be resumed."""
        return list(dict.fromkeys(entry.session for known in self._entries.values() for entry in known))

    def take(self, run: Run) -> JournalEntry | None:
        """Return what is known about a run of the same test and request; None if it was never launched."""
        key = run.label, run.key
        waiting = self._waiting.get(key)
        if not waiting:
            return None
        self._resumed.add(key)
        return waiting.popleft()

    @property
    def superseded(self) -> list[str]:
        """The launches that have a successor in this session. They are written at its end, and never resumed again."""
        return [entry.launch for key in self._resumed for entry in self._entries[key]]

    @property
    def left_behind(self) -> list[JournalEntry]:
        """The runs that may be in flight and that this session did not resume."""
        left = [entry for key, known in self._entries.items() if key not in self._resumed for entry in known]
        return [entry for entry in left if entry.is_in_flight or entry.is_uncertain]


def load_resumable(
    path: Path,
    *,
    own_session: str,
    max_age: float,
    utcnow: Callable[[], datetime] = utcnow,
    is_running: Callable[[Path, str], bool] = is_running,
    closing_seconds: float = CLOSING_SECONDS,
) -> ResumableRuns:
    """Return the runs of all interrupted sessions. Sessions that still run are skipped.

    A session that is closing is waited for, so call this in a thread.

    Args:
        path: The journal.
        own_session: The session that resumes.
        max_age: Maximum age of launches and verdicts in seconds.
        utcnow: The wall clock.
        is_running: Tells whether a session runs.
        closing_seconds: Maximum time to wait for closing sessions, in seconds.

    Raises:
        ConfigurationError: The journal cannot be read, or damaged lines may belong to an interrupted session.
    """
    deadline = time.monotonic() + closing_seconds
    while closing := _closing_sessions(contents := read_journal(path), path, own_session, is_running):
        if time.monotonic() >= deadline:
            raise ConfigurationError(
                f"session {closing[0]} in the journal {path} (--sipfront-ledger) is still closing",
                hint="Try again when its process has ended.",
            )
        time.sleep(0.05)
    oldest = utcnow() - timedelta(seconds=max_age)
    sessions = _interrupted_sessions(contents, path, own_session, oldest, is_running)
    _check_damage(contents, path, sessions)
    return ResumableRuns(_launches(contents, sessions, oldest))


def load_left_behind(
    path: Path,
    *,
    own_session: str,
    max_age: float,
    utcnow: Callable[[], datetime] = utcnow,
    is_running: Callable[[Path, str], bool] = is_running,
) -> list[JournalEntry]:
    """Return the runs of interrupted sessions that may be in flight. The arguments are those of `load_resumable`."""
    contents, oldest = read_journal(path), utcnow() - timedelta(seconds=max_age)
    sessions = _interrupted_sessions(contents, path, own_session, oldest, is_running)
    return ResumableRuns(_launches(contents, sessions, oldest)).left_behind


def load_session(path: Path, *, session: str, max_age: float) -> tuple[list[JournalEntry], list[JournalEntry]]:
    """Return the launches of a session, and the runs of interrupted sessions that may be in flight.

    Raises:
        ConfigurationError: The journal cannot be read.
    """
    launches = [entry for entry in recorded(read_journal(path).events) if entry.session == session]
    return launches, load_left_behind(path, own_session=session, max_age=max_age)


def _interrupted_sessions(
    contents: JournalContents, path: Path, own_session: str, oldest: datetime, is_running: Callable[[Path, str], bool]
) -> set[str]:
    recent = {_session(event) for event in contents.events if not is_older(event, oldest)}
    return {
        session
        for session in recent - _sessions_with(journal.END, contents) - {own_session}
        if not is_running(path, session)
    }


def _closing_sessions(
    contents: JournalContents, path: Path, own_session: str, is_running: Callable[[Path, str], bool]
) -> list[str]:
    closing = _sessions_with(journal.CLOSING, contents) - _sessions_with(journal.END, contents) - {own_session}
    return [session for session in sorted(closing) if is_running(path, session)]


def _launches(contents: JournalContents, sessions: set[str], oldest: datetime) -> list[JournalEntry]:
    ends = [event for event in contents.events if event["event"] == journal.END]
    superseded = {str(launch) for event in ends for launch in _list(event.get("superseded"))}
    return [
        entry
        for entry in recorded(contents.events)
        if entry.session in sessions and entry.launch not in superseded and entry.changed_at >= oldest
    ]


def _check_damage(contents: JournalContents, path: Path, sessions: set[str]) -> None:
    """Refuse to resume if a damaged line may hold the intent of a launch, which would then be sent again."""
    begins = dict.fromkeys(sessions, -1)  # a session whose first line is damaged may begin anywhere
    for index, event in enumerate(contents.events):
        if event["event"] == journal.SESSION and begins.get(_session(event)) == -1:
            begins[_session(event)] = index
    for line in contents.damaged:
        if any(line.position > begin for begin in begins.values()):
            raise ConfigurationError(
                f"line {line.number} of the journal {path} (--sipfront-ledger) is damaged, so a run that was already "
                "launched could be launched again",
                hint="Check on the platform which runs were started. Then delete the line, or start without "
                "--sipfront-resume.",
            )


def _session(event: Event) -> str:
    return str(event.get("session"))


def _sessions_with(kind: str, contents: JournalContents) -> set[str]:
    return {_session(event) for event in contents.events if event["event"] == kind}


# ---- verdicts ---------------------------------------------------------------------------------------------------


def end_of(result: RunResult) -> dict[str, Any]:
    """Return the fields of a verdict's event, from which `result_of` restores the result."""
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
    """Restore the result of a run from the verdict of an earlier session; None if there is no readable verdict."""
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
