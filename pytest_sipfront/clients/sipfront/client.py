"""A client for the Sipfront API v2. Paths and bodies follow the API page "basics" of the Sipfront documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_sipfront.clients.http import Closable, HttpClient, Response, error_message
from pytest_sipfront.clients.sipfront.models import Document, Endpoint, LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.errors import (
    InvalidResponse,
    LaunchOutcomeUnknown,
    NotFound,
    PlatformUnavailable,
    RequestRefused,
)

API = "/api/v2"


class SipfrontClient(Closable):
    """One Sipfront account. Every method raises subclasses of `SipfrontError` only."""

    def __init__(self, http: HttpClient, *, form: bool = False) -> None:
        """Create a client.

        Args:
            http: Its base URL is that of the platform, without `/api/v2`.
            form: Whether launches are form-encoded instead of JSON; the API documents both.
        """
        self._http = http
        self._form = form

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def explore(self) -> tuple[Endpoint, ...]:
        """Return the API's endpoints (`GET /api/v2/`)."""
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
        """Return all measurements of a run, or one (`GET /runs/:sid/stats[/:measure]`)."""
        return await self._document(f"/runs/{run_id}/stats" + (f"/{measure}" if measure else ""))

    async def test_stats(self, test_id: int, measure: str | None = None) -> Document:
        """Return all measurements of a test over its runs, or one (`GET /tests/:tid/stats[/:measure]`)."""
        return await self._document(f"/tests/{test_id}/stats" + (f"/{measure}" if measure else ""))

    async def launch(self, request: RunRequest) -> Launched:
        """Start a run (`POST /tests/run` or `/projects/run`).

        Args:
            request: The test or project to run.

        Raises:
            PlatformBusy: No run was started. The caller decides when to try again.
            RequestRefused: The platform refused, possibly inside a 2xx response.
            LaunchOutcomeUnknown: A run may have been started: the response was lost or has no `status_url`.
        """
        path = f"{API}/projects/run" if request.is_project else f"{API}/tests/run"
        try:
            return _launched(await self._http.post(path, request.payload(), form=self._form, when_busy=False))
        except InvalidResponse as error:
            raise LaunchOutcomeUnknown(error) from None
        except PlatformUnavailable as error:
            if error.arrived:
                raise LaunchOutcomeUnknown(error) from None
            raise

    async def status(self, status_url: str, *, deadline: float | None = None, is_new: bool = True) -> RunStatus:
        """Return a run's status from the `status_url` of its launch.

        Args:
            status_url: The URL.
            deadline: The end of the last attempt, on the monotonic clock.
            is_new: Whether the run was just launched. Then an unreadable response and a 404 count as transient, since
                the run may not be known everywhere at once.
        """
        patience = (InvalidResponse, NotFound) if is_new else ()
        return await self._http.get(status_url, _run_status, deadline=deadline, patience=patience)

    async def last_status_of_test(self, test_id: int) -> RunStatus:
        """Return the status of a test's last run (`GET /tests/:id/status/last`)."""
        return await self._http.get(f"{API}/tests/{test_id}/status/last", _run_status)

    async def last_status_of_project(self, project_id: int) -> tuple[LastStatus, ...]:
        """Return the last run of each test of a project (`GET /projects/:id/status/last`).

        Some of them may have been started by another project run, or by hand.
        """
        return await self._http.get(f"{API}/projects/{project_id}/status/last", _last_statuses)

    async def request(
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None
    ) -> Document:
        """Send any request once, for endpoints without a method here, and return its JSON.

        Args:
            method: The HTTP method.
            path: A path below `/api/v2` that begins with "/".
            body: Sent as JSON unless it is None.
            params: The query.
        """
        response = await self._http.request(method, API + path, body=body, params=params)
        return Document(response.data, response.url)

    async def _document(self, path: str) -> Document:
        return await self._http.get(API + path, _document)


def _document(response: Response) -> Document:
    if response.data is None:
        raise response.is_not("Sipfront", "a JSON document")
    return Document(response.data, response.url)


def _endpoints(response: Response) -> tuple[Endpoint, ...]:
    entries = response.data.get("endpoints") if isinstance(response.data, Mapping) else None
    if not isinstance(entries, list):
        raise response.is_not("Sipfront", "a list of endpoints")
    return tuple(Endpoint.read(entry) for entry in entries if isinstance(entry, Mapping))


def _launched(response: Response) -> Launched:
    data = response.data.get("data") if isinstance(response.data, Mapping) else None
    launched = Launched.read(data) if isinstance(data, Mapping) else None
    if launched is not None:
        return launched
    message = error_message(response.data)
    if message and data is None:
        raise RequestRefused(f"Sipfront refused: {message}", evidence=response.evidence)
    raise response.is_not("Sipfront", "a launched run: it has no status_url")


def _run_status(response: Response) -> RunStatus:
    run = response.data.get("run") if isinstance(response.data, Mapping) else None
    if not isinstance(run, Mapping):
        raise response.is_not("Sipfront", "a run's status")
    return RunStatus.read(run, retry_after=response.retry_after)


def _last_statuses(response: Response) -> tuple[LastStatus, ...]:
    """The vendor's scripts look for the list in `tests`, then `data`, then at the root."""
    data = response.data
    entries = data.get("tests", data.get("data")) if isinstance(data, Mapping) else data
    if not isinstance(entries, list):
        raise response.is_not("Sipfront", "a list of tests")
    return tuple(LastStatus.read(entry) for entry in entries if isinstance(entry, Mapping))
