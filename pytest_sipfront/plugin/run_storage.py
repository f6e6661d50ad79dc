"""What a session keeps on disk - ledger and history - and what it takes over from an interrupted one."""

from __future__ import annotations

import contextlib
import time
from functools import cached_property
from pathlib import Path

import pytest

from pytest_sipfront.engine import journal as events
from pytest_sipfront.engine.budget import Budget
from pytest_sipfront.engine.durations import Durations
from pytest_sipfront.engine.journal import Journal, read_events, still_running
from pytest_sipfront.engine.resume import JournalEntry, ResumableRuns, chain, recorded, unfinished
from pytest_sipfront.engine.slots import LocalSlots, SharedSlots, Slots
from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.plugin.xdist import XdistSession

_DURATIONS = "durations.json"
_LEDGER = "ledger.jsonl"
_FALLBACK = ".sipfront-ledger.jsonl"
_ENDING_SECONDS = 30.0


class RunStorage:
    """The ledger, history, places and budget of one process."""

    def __init__(self, config: pytest.Config, settings: Settings, workers: XdistSession) -> None:
        """Open the books of this process; nothing is written before the first launch.

        Raises:
            ConfigurationError: The session to take up is still running, or its ledger cannot be read.
        """
        self._settings, self._workers = settings, workers
        self._cache = getattr(config, "cache", None)
        self._path = self._ledger_path(config.rootpath)
        resumes = workers.resumes
        if resumes is None:
            resumes = _resumable(self._path) if settings.resume else ""
        self.ledger = Journal(self._path, workers.session, worker=workers.worker, resumes=resumes)

    def _ledger_path(self, root: Path) -> Path:
        if self._settings.ledger is not None:
            return self._settings.ledger
        return root / _FALLBACK if self._cache is None else self._cache.mkdir("sipfront") / _LEDGER

    def recovery(self) -> ResumableRuns:
        """Return what is known of the session to take up."""
        resumes = self.ledger.resumes
        if not resumes:
            return ResumableRuns()
        known = read_events(self._path)
        return ResumableRuns(recorded(known, chain(known, resumes)))

    @cached_property
    def durations(self) -> Durations:
        """The durations of earlier runs."""
        return Durations.load(self._durations_path, self._settings.service)

    @property
    def _durations_path(self) -> Path | None:
        return None if self._cache is None else self._cache.mkdir("sipfront") / _DURATIONS

    def places(self) -> Slots:
        """Return where this process takes its runs' places from."""
        if not self._workers.is_worker or self._workers.directory is None:
            return LocalSlots()
        explicit = self._settings.sources["concurrency"] != "default"
        return SharedSlots(self._workers.directory, self._settings.concurrency if explicit else None)

    def budget(self) -> Budget:
        """Return the budget of this process."""
        return Budget(self._settings.max_runs, self._settings.max_minutes)

    def launches(self) -> list[JournalEntry]:
        """Return the launches of this session, of all its processes."""
        return recorded(read_events(self._path), frozenset({self._workers.session}))

    def left_behind(self) -> list[JournalEntry]:
        """Return the runs of an interrupted session that may be going on and that nobody takes up."""
        if self._settings.resume:
            return []
        known = [event for event in read_events(self._path) if event.get("session") != self._workers.session]
        interrupted = recorded(known, chain(known, unfinished(known)))
        return [one for one in interrupted if one.is_in_flight or one.is_uncertain]

    def end(self, *, finished: bool) -> None:
        """Close the books; a session that has `finished` by itself has nothing that could be taken up."""
        if finished and not self._workers.is_worker:
            with contextlib.suppress(ConfigurationError):  # each launch has told of it already
                self.ledger.append(events.END)
        self.ledger.close()

    def learn(self) -> None:
        """Keep the durations of this session's runs for later sessions."""
        if self._durations_path is not None:
            self.durations.save(self._durations_path)


def _resumable(path: Path) -> str:
    """Return the id of the session to take up, once all its processes are gone; "" if there is none.

    Raises:
        ConfigurationError: It is still running.
    """
    known = read_events(path)
    session = unfinished(known)
    deadline = time.monotonic() + _ENDING_SECONDS
    for one in chain(known, session):
        while alive := still_running(path, one):
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"the session to resume is still running: {', '.join(mark.name for mark in alive)} is held",
                    hint="Wait for it, or end it; without --sipfront-resume a session of its own begins.",
                )
            time.sleep(0.1)  # a process that is being killed tells nobody when it is gone
    return session
