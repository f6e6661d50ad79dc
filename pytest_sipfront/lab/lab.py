"""One lab: a file's account, its faults and counts, and the tasks that carry out its runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from pytest_sipfront.lab.backend import Backend
from pytest_sipfront.lab.file.lab_file import LabFile
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.file.sift_section import SiftSpec
from pytest_sipfront.lab.platform.account import Account, LabProjectRun, LabRun
from pytest_sipfront.lab.platform.executor import Executor, LabRunResult
from pytest_sipfront.lab.platform.faults import FaultBook
from pytest_sipfront.lab.platform.request_log import RequestLog
from pytest_sipfront.lab.sift.service import SiftService

APP_IMAGES_KEPT = 100


class Lab:
    """What is behind the lab's endpoints. `configure` replaces all of it but the engine and the clock's origin."""

    def __init__(self, file: LabFile, engine: Backend) -> None:
        self.engine = engine
        self.started = monotonic()
        self._released = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._set_up(file, engine.executor(file))

    def _set_up(self, file: LabFile, executor: Executor) -> None:
        self.executor = executor
        self.file = file
        self.app_images: deque[Any] = deque(maxlen=APP_IMAGES_KEPT)
        self.account = Account(file=file)
        self.faults = FaultBook(file.faults)
        self.recorder = RequestLog(started=self.started)
        self.sift = SiftService(
            file.sift or SiftSpec(),
            file.account,
            self.recorder,
            self.pause,
            started=self.started,
            telephony=getattr(executor, "exchange", None),
        )

    async def configure(self, text: str, directory: Path | None = None) -> None:
        """Replace the file by `text`, cancel what is open and start counting anew.

        Raises:
            LabFileError: The text is not valid; everything stays as it was.
        """
        file = load(text, self.engine, directory=directory or self.file.directory)
        executor = self.engine.executor(file)
        async with self._reloading:
            await self.close()
            self.release()
            self._set_up(file, executor)

    async def pause(self, seconds: float) -> None:
        """Hold an answer back, but not beyond the next `release`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._released.wait()

    def release(self) -> None:
        """Let every answer go that is held back, so that nobody waits for a lab that is no more."""
        self._released.set()
        self._released = asyncio.Event()

    async def close(self) -> None:
        """Cancel every open run and every call at Sift, and let the executor end what it has open."""
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self.sift.close()
        await self.executor.close()

    def begin(self, run: LabRun) -> None:
        """Carry out a run in the background."""
        self._spawn(self._perform(self.account, run))

    def begin_project(self, run: LabProjectRun) -> None:
        """Carry out a project run in the background: all its tests at once."""
        self._spawn(self._perform_project(self.account, run))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _perform(self, account: Account, run: LabRun) -> None:
        finding = LabRunResult(state="stopped", description="The lab was stopped")
        try:
            async with self.sift.called_by_run(run.parameters):
                finding = await self.executor.execute(run.test, run.parameters)
        except Exception as error:  # noqa: BLE001 - whatever breaks in an executor is this run's result
            finding = LabRunResult(state="errored", description=f"{type(error).__name__}: {error}")
        finally:
            account.finish(run, finding)

    async def _perform_project(self, account: Account, run: LabProjectRun) -> None:
        least = run.project.takes.high if run.project.takes else 0.0
        try:
            await asyncio.gather(asyncio.sleep(least), *(self._perform(account, one) for one in run.runs))
        finally:
            account.finish_project(run)
