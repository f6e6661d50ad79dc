"""Writes the events of runs to the journal in a thread, so that a slow disk delays no other run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread

from pytest_sipfront.engine import journal as events
from pytest_sipfront.engine.journal import Journal
from pytest_sipfront.engine.resume import end_of
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.errors import ConfigurationError, LaunchOutcomeUnknown, SipfrontError


class JournalWriter:
    """Writes events in the order in which they happen. Events that happen during one write are written together.

    Nothing is launched unless its intent is on disk. Later events have already happened. They are written even if the
    task is cancelled, and the run continues even if they cannot be written.
    """

    def __init__(self, journal: Journal) -> None:
        """Write to `journal`."""
        self._journal = journal
        self._turn = anyio.Lock()
        self._next_batch = _Batch()

    async def intent(self, launch: str, run: Run) -> None:
        """Write that `run` is about to be sent as `launch`.

        Raises:
            ConfigurationError: The journal cannot be written.
        """
        fields = {"launch": launch, "test": run.label, "target": run.request.target, "digest": run.key}
        await self._write(events.INTENT, fields)

    async def launched(self, launch: str, run: Run) -> None:
        """Write the platform's answer to a launch."""
        answer = run.launched
        if answer is not None:
            urls = {"status_url": answer.status_url, "report_url": answer.report_url, "session_id": answer.session_id}
            await self._write_or_note(run, events.LAUNCHED, launch=launch, **urls)

    async def not_launched(self, launch: str, run: Run, error: SipfrontError) -> None:
        """Write that the run was not started, or that it may have been."""
        event = events.UNCERTAIN if isinstance(error, LaunchOutcomeUnknown) else events.REFUSED
        await self._write_or_note(run, event, launch=launch, error=str(error))

    async def verdict(self, launch: str, run: Run, result: RunResult) -> None:
        """Write the verdict with everything that restores the result."""
        await self._write_or_note(run, events.VERDICT, launch=launch, **end_of(result))

    async def no_verdict(self, launch: str, run: Run, error: SipfrontError) -> None:
        """Write why there is no verdict."""
        await self._write_or_note(run, events.NO_VERDICT, launch=launch, kind=type(error).__name__, error=str(error))

    async def _write_or_note(self, run: Run, event: str, /, **fields: Any) -> None:
        with anyio.CancelScope(shield=True):
            try:
                await self._write(event, fields)
            except ConfigurationError as error:
                run.notes.append(str(error))

    async def _write(self, event: str, fields: Mapping[str, Any]) -> None:
        batch = self._next_batch
        batch.lines.append(self._journal.line(event, **fields))
        async with self._turn:  # the first task of a batch writes for all of them
            if not batch.is_done:
                self._next_batch = _Batch()
                await batch.write(self._journal)
        if batch.error is not None:
            raise copy.copy(batch.error)  # each run adds its own evidence


class _Batch:
    """Events that are written together."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.is_done = False
        self.error: ConfigurationError | None = None

    async def write(self, journal: Journal) -> None:
        """Write the events, or keep the error."""
        try:
            await anyio.to_thread.run_sync(journal.write, self.lines)
        except ConfigurationError as error:
            self.error = error
        self.is_done = True
