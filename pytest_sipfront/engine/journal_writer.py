"""Writes down what happens to a run, off the event loop: a disk may take its time, and the other runs should not."""

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
    """Puts the events of runs into a ledger.

    An intent must be written, or nothing is launched. What comes after it has happened already: it is written whoever
    cancels, and a run goes on though it cannot be. Events are written in the order in which they happened, so that runs
    are launched in the order in which they were admitted; what happens while the disk is busy is then written at once.
    """

    def __init__(self, ledger: Journal) -> None:
        self._ledger = ledger
        self._turn = anyio.Lock()
        self._page = _Batch()

    async def intent(self, launch: str, run: Run) -> None:
        """Write that `run` is about to be sent as `launch`.

        Raises:
            ConfigurationError: It cannot be written.
        """
        request = run.request
        told = {"launch": launch, "test": run.label, "target": request.target, "digest": request.digest}
        await self._write(events.INTENT, told)

    async def launched(self, launch: str, run: Run) -> None:
        """Write what the platform answered."""
        answer = run.launched
        if answer is not None:
            urls = {"status_url": answer.status_url, "report_url": answer.report_url, "session_id": answer.session_id}
            await self._tell(run, events.LAUNCHED, launch=launch, **urls)

    async def not_launched(self, launch: str, run: Run, error: SipfrontError) -> None:
        """Write that the run was not started, or that nobody knows whether it was."""
        event = events.UNCERTAIN if isinstance(error, LaunchOutcomeUnknown) else events.REFUSED
        await self._tell(run, event, launch=launch, error=str(error))

    async def verdict(self, launch: str, run: Run, result: RunResult) -> None:
        """Write the verdict, with all that its result is made of."""
        await self._tell(run, events.VERDICT, launch=launch, **end_of(result))

    async def no_verdict(self, launch: str, run: Run, error: SipfrontError) -> None:
        """Write why there is no verdict."""
        await self._tell(run, events.NO_VERDICT, launch=launch, kind=type(error).__name__, error=str(error))

    async def _tell(self, run: Run, event: str, /, **fields: Any) -> None:
        with anyio.CancelScope(shield=True):
            try:
                await self._write(event, fields)
            except ConfigurationError as error:
                run.notes.append(str(error))

    async def _write(self, event: str, fields: Mapping[str, Any]) -> None:
        page = self._page
        page.lines.append(self._ledger.line(event, **fields))
        async with self._turn:  # the first of a page writes it for all
            if not page.is_done:
                self._page = _Batch()
                await page.write(self._ledger)
        if page.error is not None:
            raise copy.copy(page.error)  # each run adds evidence of its own


class _Batch:
    """Events that reach the disk together."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.is_done = False
        self.error: ConfigurationError | None = None

    async def write(self, ledger: Journal) -> None:
        """Write them, or note why that cannot be."""
        try:
            await anyio.to_thread.run_sync(ledger.write, self.lines)
        except ConfigurationError as error:
            self.error = error
        self.is_done = True
