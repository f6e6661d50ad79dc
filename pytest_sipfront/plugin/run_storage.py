"""The files of a session: its journal and the durations of runs."""

from __future__ import annotations

import contextlib
from functools import cached_property
from pathlib import Path

import pytest

from pytest_sipfront.engine import journal as events
from pytest_sipfront.engine.budget import Budget
from pytest_sipfront.engine.durations import Durations
from pytest_sipfront.engine.journal import Journal, read_journal
from pytest_sipfront.engine.resume import (
    JournalEntry,
    ResumableRuns,
    load_left_behind,
    load_resumable,
    recorded,
)
from pytest_sipfront.engine.slots import LocalSlots, SharedSlots, Slots
from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.plugin.xdist import XdistSession

_DURATIONS = "durations.json"
_JOURNAL = "ledger.jsonl"
_FALLBACK = ".sipfront-ledger.jsonl"


class RunStorage:
    """Journal, durations, slots and budget of one process."""

    def __init__(self, config: pytest.Config, settings: Settings, workers: XdistSession) -> None:
        """Read the interrupted sessions if they are to be resumed. Nothing is written before the first launch.

        Raises:
            ConfigurationError: The journal cannot be read.
        """
        self._settings, self._workers = settings, workers
        self._cache = getattr(config, "cache", None)
        self._path = self._journal_path(config.rootpath)
        self.resumable = ResumableRuns()
        if settings.resume:
            self.resumable = load_resumable(self._path, own_session=workers.session, max_age=settings.resume_max_age)
        self.journal = Journal(
            self._path, workers.session, resumes=self.resumable.sessions, max_age=settings.resume_max_age
        )

    def _journal_path(self, root: Path) -> Path:
        if self._settings.ledger is not None:
            return self._settings.ledger
        return root / _FALLBACK if self._cache is None else self._cache.mkdir("sipfront") / _JOURNAL

    @cached_property
    def durations(self) -> Durations:
        """The durations of earlier runs."""
        return Durations.load(self._durations_path)

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
        launches = recorded(read_journal(self._path).events)
        return [entry for entry in launches if entry.session == self._workers.session]

    def left_behind(self) -> list[JournalEntry]:
        """Return the runs of interrupted sessions that may be in flight and that this session did not resume."""
        if self._settings.resume:
            return self.resumable.left_behind
        session, max_age = self._workers.session, self._settings.resume_max_age
        return load_left_behind(self._path, own_session=session, max_age=max_age)

    def end(self, *, finished: bool) -> None:
        """Close the journal. A session that `finished` by itself has nothing to resume."""
        if finished and not self._workers.is_worker:
            with contextlib.suppress(ConfigurationError):  # each launch has reported it already
                self.journal.append(events.END, superseded=self.resumable.superseded)
        self.journal.close()

    def learn(self) -> None:
        """Keep the durations of this session's runs for later sessions."""
        if self._durations_path is not None:
            self.durations.save(self._durations_path)
