"""The runs of one session, for its pytest processes: launches, polls, and requests to the platform."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import anyio

from pytest_sipfront.clients.http import Basic, HttpClient, Timeouts
from pytest_sipfront.clients.http.recorder_transport import HttpRecorder
from pytest_sipfront.clients.http.replay_transport import Replay
from pytest_sipfront.clients.http.transport import Connect, Transport
from pytest_sipfront.clients.recordings import read_recordings
from pytest_sipfront.clients.sipfront.client import SipfrontClient
from pytest_sipfront.engine import journal as events
from pytest_sipfront.engine import wire
from pytest_sipfront.engine.budget import Budget
from pytest_sipfront.engine.durations import Durations
from pytest_sipfront.engine.journal import Journal
from pytest_sipfront.engine.platform_history import PlatformHistory
from pytest_sipfront.engine.resume import ResumableRuns, load_resumable
from pytest_sipfront.engine.run import Run
from pytest_sipfront.engine.runner import Runner
from pytest_sipfront.engine.scheduler import Scheduler
from pytest_sipfront.errors import ConfigurationError, PlatformUnavailable, SipfrontError
from pytest_sipfront.secret import Secret

Fields: TypeAlias = dict[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Sends a progress message to the process whose request is being answered."""
CLIENT_METHODS = frozenset(
    {"explore", "tests", "projects", "runs", "run_stats", "last_status_of_test", "request", "status"}
)
_PROGRESS_SECONDS = 0.4
_LAST_ANSWERS_SECONDS = 3.0
"""How long pytest waits at its end for the answers to launches that are under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """The settings of a session. Times are in seconds.

    Attributes:
        session: The session's id.
        base_url, public_key, secret_key: The platform, or the lab, and its key pair.
        service: The name of the service in messages.
        trust_env: Whether proxies and certificate authorities of the environment apply.
        ca_bundle: A file of certificate authorities; None for the usual ones.
        form: Whether launches are form-encoded instead of JSON.
        concurrency: Maximum number of concurrent runs.
        max_runs, max_minutes: The budget; None for no limit.
        max_failures: Unexpected verdicts after which no run starts ahead of its test; 0 for no limit.
        journal: Path of the journal.
        durations: Path of the file with known durations; None to keep none.
        resume: Whether interrupted sessions are resumed.
        resume_max_age: Age beyond which their runs are not resumed.
        record: Directory for a recording of the session; None to record nothing.
        replay: Directory of recordings to replay instead of requests to the platform; None to send them.
        mask_numbers: Whether phone numbers are masked in the journal.
    """

    session: str
    base_url: str
    public_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    service: str
    trust_env: bool
    ca_bundle: str | None
    form: bool
    connect_timeout: float
    read_timeout: float
    retry_for: float
    poll_interval: float
    concurrency: int
    max_runs: int | None
    max_minutes: float | None
    max_failures: int
    journal: str
    durations: str | None
    resume: bool
    resume_max_age: float
    record: str | None = None
    replay: str | None = None
    mask_numbers: bool = False


class RunService:
    """The runs of one session. Every public coroutine is an operation of the channel."""

    def __init__(self) -> None:
        self._open: _Open | None = None
        self._opening = asyncio.Lock()
        self._runs: dict[str, Run] = {}
        self._unclaimed: dict[str, str] = {}
        self._known: set[str] = set()
        self._numbers = itertools.count(1)
        self._has_shared_list = False
        self._draining = False
        self._interrupted = asyncio.Event()

    # ---- operations ---------------------------------------------------------------------------------------------

    async def open(self, settings: Fields) -> None:
        """Connect to the platform and open the journal; the first process of a session decides the settings.

        Raises:
            ConfigurationError: A file cannot be read or written.
        """
        async with self._opening:
            if self._open is None:
                given = EngineSettings(**settings)
                self._open = _Open(given, await _resumable(given), lambda: self._draining)

    async def ahead(self, runs: list[Fields], shared: bool) -> None:
        """Queue runs whose tests come later. A run that is known by its key is not queued again.

        Args:
            runs: Each with `key`, `run` and `veto`.
            shared: Whether this is the list that all workers of the session share.
        """
        self._has_shared_list = self._has_shared_list or shared
        for entry in runs:
            if entry["key"] not in self._known:
                await self._submit(entry["key"], entry["run"], entry["veto"], needs_slot=True)

    async def claim(self, key: str) -> Fields:
        """Return the unclaimed run that was queued ahead for a test; its `run` is None if there is none."""
        return self._claimed(key) or {"run": None, "wants_list": not self._has_shared_list}

    async def submit(self, key: str, run: Fields, veto: Fields | None, needs_slot: bool) -> Fields:
        """Queue a run for a test that is about to wait for it, and return its id and state.

        A further request for the same key is a rerun of the test and gets another run.
        """
        claimed = self._claimed(key)
        if claimed is None:
            await self._submit(key, run, veto, needs_slot=needs_slot)
            claimed = self._claimed(key) or {}
        return claimed

    async def follow(self, run: str, until: str, send: Send) -> Fields:
        """Return once a run is launched, or finished, with what is known about it.

        Args:
            run: The run's id.
            until: "launched" or "done".
            send: Receives the run's progress meanwhile.
        """
        session, followed = self._session, self._runs[run]
        wait = session.scheduler.launched if until == "launched" else session.scheduler.finished
        answer: Fields = {}
        try:
            result = await self._waited(asyncio.ensure_future(wait(followed)), followed, send)
        except SipfrontError as error:
            answer = {"error": wire.error_to_wire(error)}
        except InterruptedError:
            answer = {"interrupted": True}
        else:
            answer = {} if result is None else {"result": wire.result_to_wire(result)}
        if until == "done":
            del self._runs[run]
            session.scheduler.forget(followed)
        snapshot = session.scheduler.snapshot()
        return {
            **answer,
            "run": wire.progress_to_wire(followed),
            "is_live": snapshot.running + snapshot.waiting > 0,
        }

    async def ask(self, method: str, arguments: list[Any], options: Fields, limit: float | None) -> Any:
        """Return what a method of the Sipfront client returns within `limit` seconds."""
        if method not in CLIENT_METHODS:
            raise SipfrontError(f"the client has no method {method!r}")
        try:
            with anyio.fail_after(limit):
                return wire.value_to_wire(await getattr(self._session.client, method)(*arguments, **options))
        except TimeoutError:
            raise PlatformUnavailable(f"no response within {limit:g} s", arrived=True) from None

    async def drain(self) -> None:
        """Start no more runs ahead of their tests: pytest is about to stop."""
        self._draining = True

    async def interrupt(self) -> None:
        """Stop launching, and let every process stop waiting: the session was interrupted."""
        self._draining = True
        self._interrupted.set()
        if self._open is not None:
            self._open.scheduler.stop()

    async def untaken(self) -> list[Fields]:
        """Return the runs that were launched ahead and that no test claimed."""
        runs = [self._runs[number] for number in self._unclaimed.values()]
        return [wire.run_to_wire(run) for run in runs if run.launched is not None]

    async def awaited(self) -> list[Fields]:
        """Return the runs that tests have claimed and that are not over."""
        unclaimed = set(self._unclaimed.values())
        return [wire.run_to_wire(run) for number, run in self._runs.items() if number not in unclaimed]

    async def close(self) -> None:
        """Stop launching, and return when the launches under way are answered, or after 3 seconds."""
        self._draining = True
        if self._open is not None:
            await self._open.scheduler.close(_LAST_ANSWERS_SECONDS)

    async def finish(self) -> None:
        """Note that the session ended by itself, so that it is not resumed."""
        if self._open is not None:
            self._open.finish()

    # ---- for the server -----------------------------------------------------------------------------------------

    async def end(self, seconds: float) -> None:
        """Wait up to `seconds` for the answers to launches that are under way, record them, and close everything."""
        if self._open is not None:
            await self._open.end(seconds)

    # ---- helpers ------------------------------------------------------------------------------------------------

    @property
    def _session(self) -> _Open:
        if self._open is None:
            raise SipfrontError("internal error: the engine was not opened")
        return self._open

    async def _submit(self, key: str, data: Fields, veto: Fields | None, *, needs_slot: bool) -> None:
        number, run = str(next(self._numbers)), wire.run_from_wire(data)
        self._known.add(key)
        self._runs[number], self._unclaimed[key] = run, number
        error = wire.error_from_wire(veto) if veto else None
        await self._session.scheduler.submit(run, error if isinstance(error, SipfrontError) else None, needs_slot)

    def _claimed(self, key: str) -> Fields | None:
        number = self._unclaimed.pop(key, None)
        if number is None:
            return None
        run = wire.run_to_wire(self._runs[number])
        return {"run": number, "state": run, "wants_list": not self._has_shared_list}

    async def _waited(self, waiting: asyncio.Future[Any], run: Run, send: Send) -> Any:
        interrupted = asyncio.ensure_future(self._interrupted.wait())
        session = self._session
        try:
            while True:
                await asyncio.wait(
                    {waiting, interrupted, session.serving},
                    timeout=_PROGRESS_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if waiting.done():
                    return waiting.result()
                if interrupted.done():
                    raise InterruptedError
                if session.serving.done():  # a defect of the scheduler must not leave a test waiting for ever
                    raise SipfrontError(f"internal error: {session.serving.exception()!r}")
                snapshot = asdict(session.scheduler.snapshot())
                await send({"snapshot": snapshot, "run": wire.progress_to_wire(run)})
        finally:
            waiting.cancel()
            interrupted.cancel()


class _Open:
    """The open client, journal and scheduler of a session."""

    def __init__(self, settings: EngineSettings, resumable: ResumableRuns, is_draining: Callable[[], bool]) -> None:
        self._settings = settings
        self._resumable = resumable
        self._journal = journal = Journal(
            Path(settings.journal),
            settings.session,
            resumes=resumable.sessions,
            max_age=settings.resume_max_age,
            masks=settings.mask_numbers,
        )
        self._durations = Durations.load(_path(settings.durations))
        self.client = SipfrontClient(_http(settings), form=settings.form)
        self.scheduler = Scheduler(
            Runner(self.client, poll_interval=settings.poll_interval, durations=self._durations),
            limit=settings.concurrency,
            journal=journal,
            budget=Budget(settings.max_runs, settings.max_minutes),
            durations=self._durations,
            platform_history=None if settings.replay else PlatformHistory(self.client, self._durations),
            resumable=resumable,
            retry_for=settings.retry_for,
            is_draining=is_draining,
            max_failures=settings.max_failures,
        )
        self.serving = asyncio.ensure_future(self.scheduler.serve())

    def finish(self) -> None:
        """Write the session's end into the journal, if it has launched or resumed anything."""
        with contextlib.suppress(ConfigurationError):  # each launch has reported it
            if self._journal.is_open or self._resumable.superseded:
                self._journal.append(events.END, superseded=self._resumable.superseded)

    async def end(self, seconds: float) -> None:
        """Close everything, after waiting up to `seconds` for answers to launches."""
        if self.scheduler.is_launching:
            with contextlib.suppress(ConfigurationError):
                self._journal.append(events.CLOSING)
        await self.scheduler.close(seconds)
        self.serving.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self.serving
        await self.client.close()
        if self._settings.durations is not None and self._journal.is_open:
            self._durations.save(Path(self._settings.durations))
        self._journal.close()


async def _resumable(settings: EngineSettings) -> ResumableRuns:
    if not settings.resume:
        return ResumableRuns()
    return await asyncio.to_thread(
        load_resumable, Path(settings.journal), own_session=settings.session, max_age=settings.resume_max_age
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _http(settings: EngineSettings) -> HttpClient:
    credentials = Basic(Secret(settings.public_key), Secret(settings.secret_key))
    connect: Connect = Transport
    if settings.replay is not None:
        connect = Replay(read_recordings(Path(settings.replay))).connect
    elif settings.record is not None:
        path = Path(settings.record, f"{settings.session}.jsonl")
        scrub = credentials.scrub
        connect = HttpRecorder(path, service=settings.service, base_url=settings.base_url, scrub=scrub).connect
    return HttpClient(
        settings.base_url,
        credentials,
        service=settings.service,
        limits=Timeouts(
            connect=settings.connect_timeout,
            read=settings.read_timeout,
            retry=settings.retry_for,
            first_wait=min(0.5, settings.poll_interval),
        ),
        ca_bundle=settings.ca_bundle,
        trust_env=settings.trust_env,
        connect=connect,
    )
