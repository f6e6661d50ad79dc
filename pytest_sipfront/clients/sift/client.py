"""The Sift API v0, asynchronously. Paths and bodies: Gridspace's REST reference, one page for each resource."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx

from pytest_sipfront.clients.http import Closing, HttpClient, Response, complaint, one_line
from pytest_sipfront.clients.sift.json_fields import mapping, objects, text, texts
from pytest_sipfront.clients.sift.models import (
    Application,
    Connection,
    Conversation,
    PhoneNumber,
    find_connection,
)
from pytest_sipfront.clients.sift.routine import Step, as_json, check_endpoint, check_routine
from pytest_sipfront.errors import InvalidResponse, RequestRefused

T = TypeVar("T")
BASE_URL = "https://api.gridspace.com/v0"


class SiftHttpClient(HttpClient):
    """Sift's manners: an empty body is an answer, and a file travels as multipart form data."""

    async def upload(self, path: str, field: str, filename: str, content: bytes) -> Response:
        """POST one file, once."""
        files = {field: (filename, content, "application/octet-stream")}
        return await self._send("POST", self.resolve(path), self._fresh, files=files)

    def _json(self, response: httpx.Response, told: dict[str, str]) -> Any:
        return super()._json(response, told) if response.content.strip() else None


class SiftClient(Closing):
    """Speaks to one Sift account. Every method raises `SipfrontError` subclasses and nothing else."""

    def __init__(self, http: SiftHttpClient) -> None:
        """Speak through `http`, whose base URL ends in `/v0`."""
        self._http = http

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    def connections(self) -> AsyncIterator[Connection]:
        """Iterate over the account's connections, page by page as they are needed (`GET /connections`)."""
        return self._objects("/connections", Connection.read)

    async def connection(self, connection_id: str, *, deadline: float | None = None) -> Connection:
        """Retrieve one connection (`GET /connections/:connection_id`).

        Raises:
            NotFound: Sift does not know it.
            InvalidResponse: What comes back is no connection, or another one.
        """
        return await self._http.get(
            f"/connections/{quote(connection_id, safe='')}",
            lambda answer: _connection(answer, connection_id),
            deadline=deadline,
        )

    async def create_connection(
        self, *, status_url: str, phone_number: str | None = None, client_name: str | None = None
    ) -> Connection | None:
        """Call a phone number or a VOIP client (`POST /connections`). A call is placed at most once.

        Returns:
            The connection as far as the answer tells of it; None where it tells nothing. What is answered is on no
            page, so an empty body, a bare connection, `{"connection": {...}}` and `{"connection_id": ...}` are all
            understood; the first status callback tells the rest.

        Raises:
            ConfigurationError: Both or neither of phone_number and client_name are given, or the number is none.
            PlatformUnavailable: With `arrived`, the call may have been placed.
        """
        endpoint = check_endpoint(phone_number, client_name)
        answer = await self._http.post("/connections", {"status_url": status_url, **endpoint})
        return find_connection(answer.data)

    async def set_routine(self, connection_id: str, routine: Iterable[Step]) -> None:
        """Stop what a connection is doing and let it do `routine` instead (`POST /connections/:connection_id`).

        Raises:
            ConfigurationError: It is no list of commands; nothing was sent.
            RequestRefused: Sift rejected it; the text is Sift's `error`.
        """
        steps = [as_json(step) for step in check_routine(routine)]
        answer = await self._http.post(f"/connections/{quote(connection_id, safe='')}", {"routine": steps})
        if said := complaint(answer.data):
            raise RequestRefused(f"Sift refused: {said}", evidence=_seen(answer))

    def conversations(
        self, *, min_created: str | None = None, max_created: str | None = None, updated_after: str | None = None
    ) -> AsyncIterator[Conversation]:
        """Iterate over conversations (`GET /conversations`); the times are ISO 8601 texts."""
        given = {"min_created": min_created, "max_created": max_created, "updated_after": updated_after}
        query = urlencode({name: value for name, value in given.items() if value is not None})
        return self._objects("/conversations" + (f"?{query}" if query else ""), Conversation.read)

    async def conversation(self, conversation_id: str) -> Conversation:
        """Retrieve one conversation (`GET /conversations/:conversation_id`)."""
        data = await self._http.get(f"/conversations/{quote(conversation_id, safe='')}", _object)
        return Conversation.read(data)

    async def upload_media(self, content: bytes, *, filename: str = "audio.wav") -> str:
        """Upload a .wav file (`POST /media/upload`) and return its `audio_id`."""
        answer = await self._http.upload("/media/upload", "audio", filename, content)
        audio_id = text(mapping(answer.data).get("audio_id"))
        if not audio_id:
            raise _unreadable(answer, "an upload's: it has no audio_id")
        return audio_id

    def applications(self) -> AsyncIterator[Application]:
        """Iterate over the account's applications (`GET /applications`; a bare list is understood as well)."""
        return self._objects("/applications", Application.read)

    async def create_application(
        self,
        name: str,
        on_incoming: str,
        *,
        phone_numbers: Iterable[str] = (),
        default_routine: Iterable[Step] | None = None,
    ) -> Application:
        """Create what answers calls to `phone_numbers` (`POST /applications`).

        Binding numbers by this request is an assumption: the page that says how is not known. What is answered is on
        no page either; fields that the answer lacks are those sent.
        """
        body: dict[str, Any] = {"name": name, "on_incoming": on_incoming}
        if numbers := list(phone_numbers):
            body["phone_numbers"] = numbers
        if default_routine is not None:
            body["default_routine"] = [as_json(step) for step in check_routine(default_routine)]
        answer = await self._http.post("/applications", body)
        return Application.read({**body, **mapping(answer.data)})

    def phone_numbers(self) -> AsyncIterator[PhoneNumber]:
        """Iterate over the account's numbers (`GET /phonenumbers`)."""
        return self._objects("/phonenumbers", PhoneNumber.read)

    async def available_numbers(self, country_code: str) -> AsyncIterator[str]:
        """Iterate over numbers that can be had in a country, ISO 3166-1 alpha-2 (`GET /availablenumbers/:code`)."""
        async for answer in self._pages(f"/availablenumbers/{quote(country_code, safe='')}"):
            for found in texts(mapping(answer.data).get("results")):
                yield found

    async def request(
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None
    ) -> Any:
        """Send anything else, once, to a path below `/v0`, and return its JSON; None for an empty body."""
        return (await self._http.request(method, path, body=body, params=params)).data

    async def _objects(self, path: str, read: Callable[[Mapping[str, Any]], T]) -> AsyncIterator[T]:
        async for answer in self._pages(path):
            results = answer.data if isinstance(answer.data, list) else answer.data.get("results")
            for entry in objects(results):
                yield read(entry)

    async def _pages(self, path: str) -> AsyncIterator[Response]:
        """Follow `next` verbatim, within the origin, until it is null."""
        seen: set[str] = set()
        url = path
        while url:
            seen.add(self._http.resolve(url))
            answer = await self._http.get(url, _page)
            yield answer
            url = text(mapping(answer.data).get("next"))
            if url and self._http.resolve(url) in seen:
                raise _unreadable(answer, "the next page: its `next` leads back to a page before")


def _page(answer: Response) -> Response:
    if isinstance(answer.data, list) or isinstance(mapping(answer.data).get("results"), list):
        return answer
    raise _unreadable(answer, "a page of results")


def _object(answer: Response) -> Mapping[str, Any]:
    if isinstance(answer.data, Mapping):
        return answer.data
    raise _unreadable(answer, "an object")


def _connection(answer: Response, connection_id: str) -> Connection:
    connection = Connection.read(_object(answer))
    if connection.connection_id != connection_id:
        raise _unreadable(answer, f"connection {connection_id}")
    return connection


def _unreadable(answer: Response, wanted: str) -> InvalidResponse:
    said = complaint(answer.data)
    return InvalidResponse(f"Sift's answer is not {wanted}" + (f": {said}" if said else ""), evidence=_seen(answer))


def _seen(answer: Response) -> dict[str, object]:
    return {"request": answer.url, "answer": one_line(str(answer.data))}
