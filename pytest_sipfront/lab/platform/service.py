"""The Sipfront side of one lab: its account, faults and request log, and the tasks that execute its runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from pytest_sipfront.lab.file.lab_file import LabFile
from pytest_sipfront.lab.platform.account import Account, LabProjectRun, LabRun
from pytest_sipfront.lab.platform.executor import Executor, LabRunResult
from pytest_sipfront.lab.platform.faults import FaultBook
from pytest_sipfront.lab.platform.http_requests import RequestLog
from pytest_sipfront.lab.run_record import RunRecord, RunRecords

MAX_APP_IMAGES = 100


class PlatformService:
    """Everything behind the platform's endpoints, for one lab file."""

    def __init__(
        self,
        file: LabFile,
        executor: Executor,
        request_log: RequestLog,
        pause: Callable[[float], Awaitable[None]],
        during_run: Callable[[Mapping[str, str]], AbstractAsyncContextManager[None]],
        *,
        records: RunRecords | None = None,
    ) -> None:
        """Create the service without a run.

        Args:
            file: The lab file.
            executor: Executes the runs.
            request_log: Receives every request.
            pause: Holds a response back for some seconds.
            during_run: Returns a context that is entered, with the run's parameters, for as long as a run lasts.
            records: Where runs with calls are recorded; None to record none.
        """
        self.file = file
        self.executor = executor
        self.request_log = request_log
        self.pause = pause
        self.account = Account(file=file)
        self.faults = FaultBook(file.faults)
        self.app_images: deque[Any] = deque(maxlen=MAX_APP_IMAGES)
        self._during_run = during_run
        self._records = records
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def counts(self) -> dict[str, Any]:
        """Numbers of launches, polls and requests, and of runs in flight: now and at most."""
        account, log = self.account, self.request_log
        return {
            "launches": account.launches,
            "launch_requests": log.by_kind["launch"],
            "polls": log.by_kind["status"],
            "in_flight": account.in_flight,
            "peak_in_flight": account.peak_in_flight,
            "requests": log.requests,
            "by_path": dict(log.by_path),
        }

    def begin(self, run: LabRun) -> None:
        """Execute a run in the background."""
        self._spawn(self._execute(run))

    def begin_project(self, run: LabProjectRun) -> None:
        """Execute all runs of a project run in the background, at the same time."""
        self._spawn(self._execute_project(run))

    async def close(self) -> None:
        """Cancel every open run."""
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _execute(self, run: LabRun) -> None:
        result = LabRunResult(state="stopped", description="The lab was stopped")
        record = self._open_record(run)
        try:
            async with self._during_run(run.parameters):
                result = await self.executor.execute(run.test, run.parameters, record)
        except Exception as error:  # noqa: BLE001 - an executor's error is the result of its run
            result = LabRunResult(state="errored", description=f"{type(error).__name__}: {error}")
        finally:
            if record is not None:
                ended = replace(run, result=result, stopped=self.account.clock(), stopped_at=self.account.utcnow())
                await asyncio.to_thread(record.finish, self.account, ended)
            self.account.finish(run, result)

    def _open_record(self, run: LabRun) -> RunRecord | None:
        """Return the record of a run with calls. The runs of a project have directories in that of the project run."""
        if self._records is None or run.test.steps is None:
            return None
        record = self._records.open(*((run.project_run, run.uuid) if run.project_run else (run.uuid,)))
        record.begin(self.account, run)
        return record

    async def _execute_project(self, run: LabProjectRun) -> None:
        least_seconds = run.project.takes.high if run.project.takes else 0.0
        try:
            await asyncio.gather(asyncio.sleep(least_seconds), *map(self._execute, run.runs))
        finally:
            self.account.finish_project(run)
