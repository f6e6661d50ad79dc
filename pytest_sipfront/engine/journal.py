"""The write-ahead log of launches and verdicts: one line of JSON per event, on disk before the action it announces.

A later session reads it to resume an interrupted one. It holds no credentials, and of a request only a digest. Each
line ends with a checksum, so that a damaged line is never mistaken for another event.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import shutil
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Any, TypeAlias

from filelock import FileLock, Timeout

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.masking import mask_data

SESSION, CLOSING, END = "session", "closing", "end"
INTENT, LAUNCHED, REFUSED, UNCERTAIN = "intent", "launched", "refused", "uncertain"
VERDICT, NO_VERDICT = "verdict", "no_verdict"
REPAIR = "repair"
"""Ends a line that a killed session or a full disk left incomplete: what that line was to announce never happened."""

Event: TypeAlias = Mapping[str, Any]
_MAX_BYTES = 8 * 1024 * 1024
_CHECKSUM = re.compile(rb', "crc32": "([0-9a-f]{8})"}')
_CHECKSUM_BYTES = 22
_LOCK_SECONDS = 30.0
_SESSION_ID = re.compile(r"[\w-]{1,64}", re.ASCII)  # part of a file name
_HINT = "Set --sipfront-ledger, SIPFRONT_LEDGER or sipfront_ledger to a file that can be written."


def utcnow() -> datetime:
    """Return the wall-clock time."""
    return datetime.now(UTC)


class Journal:
    """Appends the events of one session. Other sessions may append to the same file at the same time."""

    def __init__(
        self,
        path: Path,
        session: str,
        *,
        resumes: Sequence[str] = (),
        max_age: float = 12 * 3600.0,
        utcnow: Callable[[], datetime] = utcnow,
        masks: bool = False,
    ) -> None:
        """Prepare; the file is opened with the first event.

        Args:
            path: The file.
            session: The session's id.
            resumes: The ids of the sessions that this one resumes.
            max_age: Age in seconds from which the events of other sessions are dropped when the file has become large.
            utcnow: The wall clock.
            masks: Whether phone numbers are masked.
        """
        self._masks = masks
        self.path = path
        self.session = session
        self._resumes, self._max_age, self._utcnow = list(resumes), max_age, utcnow
        self._turn = threading.Lock()
        self._presence = FileLock(_presence_path(path, session), thread_local=False)
        self._has_begun = False

    @property
    def is_open(self) -> bool:
        """Whether an event was written."""
        return self._has_begun

    def append(self, event: str, /, **fields: Any) -> None:
        """Write one event and return when it is on disk.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        self.write([self.line(event, **fields)])

    def line(self, event: str, /, **fields: Any) -> str:
        """Return the line of an event that happens now, for `write`."""
        at = self._utcnow().isoformat(timespec="milliseconds")
        known = mask_data(fields) if self._masks else fields
        return format_line({"at": at, "event": event, "session": self.session, **known})

    def write(self, lines: Iterable[str]) -> None:
        """Write the lines of several events and return when all of them are on disk.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        with self._turn:
            try:
                if not self._presence.is_locked:
                    self._begin()
                first = [] if self._has_begun else [self.line(SESSION, resumes=self._resumes, pid=os.getpid())]
                self._append("".join([*first, *lines]))
                self._has_begun = True
            except OSError as error:
                raise ConfigurationError(
                    f"cannot write the journal {self.path} (--sipfront-ledger): {error.strerror or error}", hint=_HINT
                ) from None

    def close(self) -> None:
        """Let other sessions see that this one runs no more."""
        with self._turn:
            if self._presence.is_locked:
                self._presence.release(force=True)
                with contextlib.suppress(OSError):
                    Path(self._presence.lock_file).unlink()

    def _begin(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open("ab").close()  # where no file can be created, a lock would be waited for without end
        with _opening_lock(self.path):
            self._presence.acquire(timeout=0)
            if self.path.exists() and self.path.stat().st_size > _MAX_BYTES and not self._others_run():
                self._drop_old_sessions()

    def _append(self, text: str) -> None:
        with FileIO(self.path, "a+") as file:
            if _is_incomplete(file):
                text = self.line(REPAIR) + text
            data = memoryview(text.encode())
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())

    def _others_run(self) -> bool:
        marks = self.path.parent.glob(f"{glob.escape(self.path.name)}.*.alive")
        return any(_is_locked(mark) for mark in marks if mark != Path(self._presence.lock_file))

    def _drop_old_sessions(self) -> None:
        """Keep the events of sessions that can still be resumed. A copy of the whole file stays beside it."""
        oldest = self._utcnow() - timedelta(seconds=self._max_age)
        lines = list(_read_lines(self.path.read_bytes()))
        events = [event for _, _, found in lines for event in found or ()]
        recent = {event.get("session") for event in events if not is_older(event, oldest)}
        kept = [
            line + b"\n"
            for _, line, found in lines
            if found is None or any(event.get("session") in recent for event in found)
        ]
        shutil.copyfile(self.path, _beside(self.path, ".old"))
        new = _beside(self.path, ".new")
        new.write_bytes(b"".join(kept))
        new.replace(self.path)


def format_line(fields: Mapping[str, Any]) -> str:
    """Return the line of an event with its checksum."""
    text = json.dumps(fields, default=str)
    return f'{text[:-1]}, "crc32": "{zlib.crc32(text.encode()):08x}"}}\n'


def _read_lines(content: bytes) -> Iterator[tuple[int, bytes, list[Event] | None]]:
    """Yield number, text and events of each line: one event, none if it is incomplete, or None if it is damaged."""
    lines = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        if line:
            yield number, line, _read_line(line, is_last=number == len(lines))


def _read_line(line: bytes, *, is_last: bool) -> list[Event] | None:
    if (event := _parse(line)) is not None:
        return [event]
    text, start, rest = line.rpartition(b'{"at": ')
    repair = _parse(start + rest)
    if repair is not None and repair["event"] == REPAIR:
        if (event := _parse(text)) is not None:  # only its line end was missing
            return [event, repair]
        return None if _CHECKSUM.search(text) else [repair]  # an incomplete line has no checksum yet
    return [] if is_last and not _CHECKSUM.search(line) else None


def _parse(line: bytes) -> Event | None:
    """Return the event of a line; None if the line is damaged or incomplete."""
    text, checksum = line[:-_CHECKSUM_BYTES] + b"}", _CHECKSUM.fullmatch(line[-_CHECKSUM_BYTES:])
    if checksum is None or zlib.crc32(text) != int(checksum[1], 16):
        return None
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _is_incomplete(file: FileIO) -> bool:
    """Return whether the last line of the file has no end."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


# ---- reading ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DamagedLine:
    """A line that cannot be read and that is not known to be incomplete.

    Attributes:
        number: Its number in the file, from 1.
        position: The number of readable events before it.
    """

    number: int
    position: int


@dataclass(frozen=True, slots=True)
class JournalContents:
    """The events of a journal in their order, and its damaged lines."""

    events: Sequence[Event] = ()
    damaged: Sequence[DamagedLine] = ()


def read_journal(path: Path) -> JournalContents:
    """Read a journal. A file that does not exist is empty.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return JournalContents()
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the journal {path} (--sipfront-ledger): {error.strerror or error}", hint=_HINT
        ) from None
    events: list[Event] = []
    damaged: list[DamagedLine] = []
    for number, _, found in _read_lines(content):
        if found is None:
            damaged.append(DamagedLine(number, len(events)))
        else:
            events += found
    return JournalContents(events, damaged)


def event_time(event: Event) -> datetime | None:
    """Return when an event was written (UTC); None if it does not say."""
    try:
        at = datetime.fromisoformat(event["at"])
    except (KeyError, TypeError, ValueError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def is_older(event: Event, oldest: datetime) -> bool:
    """Return whether an event was written before `oldest`, or at an unknown time."""
    at = event_time(event)
    return at is None or at < oldest


# ---- running sessions -------------------------------------------------------------------------------------------


def is_running(path: Path, session: str) -> bool:
    """Return whether the process of a session lives. The mark that a dead one left is removed.

    Raises:
        ConfigurationError: The mark cannot be locked.
    """
    if not _SESSION_ID.fullmatch(session):
        return False
    mark = _presence_path(path, session)
    if not mark.exists():
        return False
    try:
        with _opening_lock(path):
            return _is_locked(mark)
    except OSError as error:
        raise ConfigurationError(f"cannot lock {mark}: {error.strerror or error}", hint=_HINT) from None


def _is_locked(mark: Path) -> bool:
    try:
        with FileLock(mark, thread_local=False).acquire(timeout=0):
            pass
    except Timeout:
        return True
    mark.unlink(missing_ok=True)
    return False


def _opening_lock(path: Path) -> FileLock:
    """Return the lock that keeps sessions from opening the journal while others look for them."""
    return FileLock(_beside(path, ".lock"), timeout=_LOCK_SECONDS, thread_local=False)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _presence_path(path: Path, session: str) -> Path:
    return _beside(path, f".{session}.alive")
