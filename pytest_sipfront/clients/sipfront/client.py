"""The Sipfront API v2, asynchronously. Paths and bodies: the API page "basics" of the Sipfront documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_sipfront.clients.http import Closing, HttpClient, Response, complaint, one_line
from pytest_sipfront.clients.sipfront.models import Document, Endpoint, LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.errors import (
    InvalidResponse,
    LaunchOutcomeUnknown,
    NotFound,
    PlatformUnavailable,
    RequestRefused,
)

API = "/api/v2"


class SipfrontClient(Closing):
    """Speaks to one Sipfront account. Every method raises `SipfrontError` subclasses and nothing else."""

    def __init__(self, http: HttpClient) -> None:
        """Speak through `http`, whose base URL is the account's, without `/api/v2`."""
        self._http = http

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def explore(self) -> tuple[Endpoint, ...]:
        """List the API's endpoints (`GET /api/v2/`)."""
        return await self._http.get(f"{API}/", _endpoints)

    async def tests(self) -> Document:
        """Return the available tests and their parameters (`GET /tests`; the body's shape is not published)."""
        return await self._document("/tests")

    async def projects(self) -> Document:
        """Return the projects (`GET /projects`; the body's shape is not published)."""
        return await self._document("/projects")

    async def runs(self) -> Document:
        """Return the account's runs (`GET /runs`; the body's shape is not published)."""
        return await self._document("/runs")

    async def run_stats(self, run_id: str | int, measure: str | None = None) -> Document:
        """Return a run's measurements, or one of them (`GET /runs/:sid/stats[/:measure]`)."""
        return await self._document(f"/runs/{run_id}/stats" + (f"/{measure}" if measure else ""))

    async def test_stats(self, test_id: int, measure: str | None = None) -> Document:
        """Return a test's measurements over its runs, or one of them (`GET /tests/:tid/stats[/:measure]`)."""
        return await self._document(f"/tests/{test_id}/stats" + (f"/{measure}" if measure else ""))

    async def launch(self, request: RunRequest, *, form: bool = False) -> Launched:
        """Start a run (`POST /tests/run` or `/projects/run`).

        Args:
            request: What to run.
            form: Send the body form-encoded instead of as JSON; the API documents both.

        Raises:
            PlatformBusy: Not now; nothing was started, and when to ask again is the caller's to decide.
            RequestRefused: The platform refused, also where it does so inside a 2xx answer.
            LaunchOutcomeUnknown: A run may have been started: the answer was lost or says nothing of it.
        """
        path = f"{API}/projects/run" if request.is_project else f"{API}/tests/run"
        try:
            return _launched(await self._http.post(path, request.payload(), form=form, when_busy=False))
        except InvalidResponse as error:
            raise LaunchOutcomeUnknown(error) from None
        except PlatformUnavailable as error:
            if error.arrived:
                raise LaunchOutcomeUnknown(error) from None
            raise

    async def status(self, status_url: str, *, deadline: float | None = None) -> RunStatus:
        """Return a run's status from the `status_url` of its launch.

        An answer that is no status, and a 404 while the run is not yet known everywhere, are asked again for a while.
        """
        return await self._http.get(status_url, _run_status, deadline=deadline, patience=(InvalidResponse, NotFound))

    async def last_status_of_test(self, test_id: int) -> RunStatus:
        """Return the status of a test's last run (`GET /tests/:id/status/last`)."""
        return await self._http.get(f"{API}/tests/{test_id}/status/last", _run_status)

    async def last_status_of_project(self, project_id: int) -> tuple[LastStatus, ...]:
        """Return the last run of each test of a project (`GET /projects/:id/status/last`), whoever started it."""
        return await self._http.get(f"{API}/projects/{project_id}/status/last", _last_statuses)

    async def request(
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None
    ) -> Document:
        """Send anything that is not published, once, to a path below `/api/v2`, and return its JSON.

        Args:
            method: The HTTP method.
            path: Begins with "/", without `/api/v2`.
            body: Sent as JSON unless it is None.
            params: The query.
        """
        return _document(await self._http.request(method, API + path, body=body, params=params))

    async def _document(self, path: str) -> Document:
        return await self._http.get(API + path, _document)


def _document(answer: Response) -> Document:
    return Document(answer.data, answer.url)


def _endpoints(answer: Response) -> tuple[Endpoint, ...]:
    entries = answer.data.get("endpoints") if isinstance(answer.data, Mapping) else None
    if not isinstance(entries, list):
        raise _unreadable(answer, "a list of endpoints")
    return tuple(Endpoint.read(entry) for entry in entries if isinstance(entry, Mapping))


def _launched(answer: Response) -> Launched:
    data = answer.data.get("data") if isinstance(answer.data, Mapping) else None
    launched = Launched.read(data) if isinstance(data, Mapping) else None
    if launched is not None:
        return launched
    said = complaint(answer.data)
    if said and data is None:
        raise RequestRefused(f"Sipfront refused: {said}", evidence=_seen(answer))
    raise _unreadable(answer, "a launched run: it has no status_url")


def _run_status(answer: Response) -> RunStatus:
    run = answer.data.get("run") if isinstance(answer.data, Mapping) else None
    if not isinstance(run, Mapping):
        raise _unreadable(answer, "a run's status")
    return RunStatus.read(run, retry_after=answer.retry_after)


def _last_statuses(answer: Response) -> tuple[LastStatus, ...]:
    """The vendor's own scripts look for the list in `tests`, then `data`, then at the root."""
    data = answer.data
    entries = data.get("tests", data.get("data")) if isinstance(data, Mapping) else data
    if not isinstance(entries, list):
        raise _unreadable(answer, "a list of tests")
    return tuple(LastStatus.read(entry) for entry in entries if isinstance(entry, Mapping))


def _unreadable(answer: Response, wanted: str) -> InvalidResponse:
    said = complaint(answer.data)
    return InvalidResponse(f"Sipfront's answer is not {wanted}" + (f": {said}" if said else ""), evidence=_seen(answer))


def _seen(answer: Response) -> dict[str, object]:
    return {"request": answer.url, "answer": one_line(str(answer.data))}
