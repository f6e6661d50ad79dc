"""The write-ahead record of launches and verdicts: one line of JSON an event, on disk before what it announces.

It holds what a killed session needs to be taken up again and no credentials; of a request it holds the digest.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pytest_sipfront.errors import ConfigurationError

SESSION, END = "session", "end"
INTENT, LAUNCHED, REFUSED, UNCERTAIN = "intent", "launched", "refused", "uncertain"
VERDICT, NO_VERDICT = "verdict", "no_verdict"
_LARGEST = 8 * 1024 * 1024
_HINT = "Set --sipfront-ledger, SIPFRONT_LEDGER or sipfront_ledger to a file that can be written."
Event = Mapping[str, Any]


class Journal:
    """Appends the events of one process of a session. Several processes may write one file."""

    def __init__(
        self,
        path: Path,
        session: str,
        *,
        worker: str = "",
        resumes: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Write to `path`; nothing is opened before the first event.

        Args:
            path: The file.
            session: The session's id.
            worker: Which process of the session writes; "" for the only one.
            resumes: The id of the session that this one takes up; "" if none.
            now: The UTC time.
        """
        self.path = path
        self.session = session
        self.resumes = resumes
        self._worker, self._now = worker, now
        self._turn = threading.Lock()
        self._file_lock = FileLock(_beside(path, ".lock"), thread_local=False)
        self._presence = FileLock(_presence(path, session, worker), thread_local=False)
        self._opened = False

    @property
    def is_open(self) -> bool:
        """Whether anything was written."""
        return self._opened

    def append(self, event: str, /, **fields: Any) -> None:
        """Write one event and return once it is on disk.

        Raises:
            ConfigurationError: It cannot be written.
        """
        self.write([self.line(event, **fields)])

    def line(self, event: str, /, **fields: Any) -> str:
        """Return the line of an event that happens now, for `write`."""
        told = {"at": self._now().isoformat(timespec="milliseconds"), "event": event, "session": self.session}
        return json.dumps({**told, "worker": self._worker, **fields}, default=str) + "\n"

    def write(self, lines: Iterable[str]) -> None:
        """Write the lines of several events and return once they are on disk, together: one sync takes long enough.

        Raises:
            ConfigurationError: They cannot be written.
        """
        with self._turn:
            try:
                if not self._opened:
                    self._open()
                self._put("".join(lines))
            except OSError as error:
                raise ConfigurationError(
                    f"the ledger {self.path} cannot be written: {error.strerror or error}", hint=_HINT
                ) from None

    def close(self) -> None:
        """Let others see that this process writes no more."""
        with self._turn:
            if self._opened:
                self._presence.release(force=True)
                with contextlib.suppress(OSError):
                    Path(self._presence.lock_file).unlink()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._presence.acquire(timeout=0)
        with self._file_lock, contextlib.suppress(FileNotFoundError):
            if self._is_outgrown():
                self.path.replace(_beside(self.path, ".old"))
        self._put(self.line(SESSION, resumes=self.resumes, pid=os.getpid()))
        self._opened = True

    def _is_outgrown(self) -> bool:
        """Whether the file is large and holds nothing that anybody is going to ask for."""
        if self.resumes or self.path.stat().st_size <= _LARGEST or self.session.encode() in self.path.read_bytes():
            return False
        own = Path(self._presence.lock_file)
        return all(mark == own for mark in self.path.parent.glob(f"{glob.escape(self.path.name)}.*.alive"))

    def _put(self, text: str) -> None:
        with self._file_lock, self.path.open("a+b") as file:
            if _is_torn(file):
                text = "\n" + text  # a killed process left half a line: it must not spoil the next
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


def _is_torn(file: Any) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) != b"\n")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _presence(path: Path, session: str, worker: str) -> Path:
    return _beside(path, f".{session}{'-' if worker else ''}{worker}.alive")


def read_events(path: Path) -> list[Event]:
    """Return what a ledger holds, in order; torn lines, and a file that does not exist, hold nothing.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return list(_events(file))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(f"the ledger {path} cannot be read: {error.strerror or error}", hint=_HINT) from None


def _events(lines: Any) -> Iterator[Event]:
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            event = json.loads(line)
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                yield event


def still_running(path: Path, session: str) -> list[Path]:
    """Return the marks of processes of a session that live; those of dead ones are removed.

    Raises:
        ConfigurationError: That cannot be seen.
    """
    alive = []
    for mark in path.parent.glob(glob.escape(f"{path.name}.{session}") + "*.alive"):
        try:
            with FileLock(mark, thread_local=False).acquire(timeout=0):
                pass
            mark.unlink(missing_ok=True)
        except Timeout:
            alive.append(mark)
        except OSError as error:
            raise ConfigurationError(f"{mark} cannot be locked: {error.strerror or error}", hint=_HINT) from None
    return alive
