"""One lab: the stand-ins for Sipfront and Sift that serve one lab file."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from pytest_sipfront.lab.backend import Backend, in_words
from pytest_sipfront.lab.file.lab_file import LabFile
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.file.sift_section import SiftSpec
from pytest_sipfront.lab.platform.executor import Executor
from pytest_sipfront.lab.platform.http_requests import RequestLog
from pytest_sipfront.lab.platform.service import PlatformService
from pytest_sipfront.lab.run_record import RunRecords
from pytest_sipfront.lab.sift.service import SiftService


class Lab:
    """Both services of a lab file. `configure` replaces them; the backend and the start time stay."""

    def __init__(self, file: LabFile, backend: Backend, records: RunRecords | None = None) -> None:
        self.backend = backend
        self._records = None if backend.scripted_reason(file) else records
        self.started = monotonic()
        self._released = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._set_up(file, backend.executor(file))

    def _set_up(self, file: LabFile, executor: Executor) -> None:
        request_log = RequestLog(started=self.started)
        self.file = file
        self.sift = SiftService(
            file.sift or SiftSpec(),
            file.account,
            request_log,
            self.pause,
            started=self.started,
            telephony=getattr(executor, "switchboard", None),
        )
        self.platform = PlatformService(
            file,
            executor,
            request_log,
            self.pause,
            self.sift.called_by_run,
            records=self._records,
        )

    async def configure(self, text: str, directory: Path | None = None, *, name: str = "lab.yaml") -> None:
        """Replace the lab file by `text`, end everything that is open, and reset all counts.

        Args:
            text: The text of a lab file.
            directory: The directory where its relative paths start (default: as before).
            name: The name of the file in error messages.

        Raises:
            YamlFileError: The file has mistakes; nothing changes.
        """
        file = load(text, self.backend, name=name, directory=directory or self.file.directory)
        executor = self.backend.executor(file)
        async with self._reloading:
            await self.close()
            self.release()
            self._set_up(file, executor)

    @property
    def summary(self) -> str:
        """One line on how this lab reaches its verdicts."""
        return in_words(self.backend, self.file)

    @property
    def counts(self) -> dict[str, Any]:
        """The counts of the Sipfront side, those of Sift if the file has a `sift` section, and the lab's clock."""
        sift = self.sift.counts if self.file.sift else {}
        return {**self.platform.counts, "started": self.started, "now": monotonic() - self.started, **sift}

    async def pause(self, seconds: float) -> None:
        """Hold a response back, at most until the next `release`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._released.wait()

    def release(self) -> None:
        """Send every response that is held back, so that no client waits for a lab that stops."""
        self._released.set()
        self._released = asyncio.Event()

    async def close(self) -> None:
        """Cancel every open run, end every call at Sift, and close the executor."""
        await self.platform.close()
        await self.sift.close()
        await self.platform.executor.close()
