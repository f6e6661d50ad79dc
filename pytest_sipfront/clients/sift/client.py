"""A client for the Sift API v0. Paths and bodies follow Gridspace's REST reference."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from pytest_sipfront.clients.http import Closable, HttpClient, Response, error_message
from pytest_sipfront.clients.json_fields import mapping, objects, text, texts
from pytest_sipfront.clients.sift.models import (
    Application,
    Connection,
    Conversation,
    PhoneNumber,
    find_connection,
)
from pytest_sipfront.clients.sift.routine import Step, as_json, check_endpoint, check_routine
from pytest_sipfront.errors import RequestRefused

T = TypeVar("T")
BASE_URL = "https://api.gridspace.com/v0"


class SiftClient(Closable):
    """One Sift account. Every method raises subclasses of `SipfrontError` only."""

    def __init__(self, http: HttpClient) -> None:
        """Use `http`, whose base URL ends in `/v0`."""
        self._http = http

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    def connections(self) -> AsyncIterator[Connection]:
        """Iterate over the account's connections, and request pages when they are needed (`GET /connections`)."""
        return self._objects("/connections", Connection.read)

    async def connection(self, connection_id: str, *, deadline: float | None = None) -> Connection:
        """Retrieve one connection (`GET /connections/:connection_id`).

        Raises:
            NotFound: The connection is unknown.
            InvalidResponse: The response is another connection, or is not a connection.
        """
        return await self._http.get(
            f"/connections/{quote(connection_id, safe='')}",
            lambda response: _connection(response, connection_id),
            deadline=deadline,
        )

    async def create_connection(
        self, *, status_url: str, phone_number: str | None = None, client_name: str | None = None
    ) -> Connection | None:
        """Call a phone number or a VoIP client (`POST /connections`). The request is sent at most once.

        Returns:
            The connection if the response names it, else None. The response is not documented, so an empty body, a bare
            connection, `{"connection": {...}}` and `{"connection_id": ...}` are accepted. The first status callback
            completes the connection.

        Raises:
            ConfigurationError: Not exactly one of phone_number and client_name is given, or it is invalid.
            PlatformUnavailable: If `arrived` is set, the call may have been placed.
        """
        endpoint = check_endpoint(phone_number, client_name)
        response = await self._http.post("/connections", {"status_url": status_url, **endpoint})
        return find_connection(response.data)

    async def set_routine(self, connection_id: str, routine: Iterable[Step]) -> None:
        """Replace the routine of a connection (`POST /connections/:connection_id`).

        Raises:
            ConfigurationError: The routine is not a list of commands; no request was sent.
            RequestRefused: Sift rejected the routine; the message is Sift's `error`.
        """
        await self.send_commands(connection_id, [as_json(step) for step in check_routine(routine)])

    async def send_commands(self, connection_id: str, commands: list[dict[str, Any]]) -> None:
        """Replace the routine of a connection by commands in the form of the API, see `set_routine`."""
        response = await self._http.post(f"/connections/{quote(connection_id, safe='')}", {"routine": commands})
        if message := error_message(response.data):
            raise RequestRefused(f"Sift refused: {message}", evidence=response.evidence)

    def conversations(
        self, *, min_created: str | None = None, max_created: str | None = None, updated_after: str | None = None
    ) -> AsyncIterator[Conversation]:
        """Iterate over conversations (`GET /conversations`); times are ISO 8601 strings."""
        times = {"min_created": min_created, "max_created": max_created, "updated_after": updated_after}
        query = urlencode({name: value for name, value in times.items() if value is not None})
        return self._objects("/conversations" + (f"?{query}" if query else ""), Conversation.read)

    async def conversation(self, conversation_id: str) -> Conversation:
        """Retrieve one conversation (`GET /conversations/:conversation_id`)."""
        data = await self._http.get(f"/conversations/{quote(conversation_id, safe='')}", _object)
        return Conversation.read(data)

    async def upload_media(self, content: bytes, *, filename: str = "audio.wav") -> str:
        """Upload a .wav file (`POST /media/upload`) and return its `audio_id`."""
        response = await self._http.upload("/media/upload", "audio", filename, content)
        audio_id = text(mapping(response.data).get("audio_id"))
        if not audio_id:
            raise response.is_not("Sift", "an uploaded file: it has no audio_id")
        return audio_id

    def applications(self) -> AsyncIterator[Application]:
        """Iterate over the account's applications (`GET /applications`; a bare list is accepted, too)."""
        return self._objects("/applications", Application.read)

    async def create_application(
        self,
        name: str,
        on_incoming: str,
        *,
        phone_numbers: Iterable[str] = (),
        default_routine: Iterable[Step] | None = None,
    ) -> Application:
        """Create an application that receives calls to `phone_numbers` (`POST /applications`).

        That this request binds the numbers is an assumption, since its documentation is not available. The response is
        not documented either: fields that it lacks are taken from the request.
        """
        body: dict[str, Any] = {"name": name, "on_incoming": on_incoming}
        if numbers := list(phone_numbers):
            body["phone_numbers"] = numbers
        if default_routine is not None:
            body["default_routine"] = [as_json(step) for step in check_routine(default_routine)]
        response = await self._http.post("/applications", body)
        return Application.read({**body, **mapping(response.data)})

    def phone_numbers(self) -> AsyncIterator[PhoneNumber]:
        """Iterate over the account's numbers (`GET /phonenumbers`)."""
        return self._objects("/phonenumbers", PhoneNumber.read)

    async def available_numbers(self, country_code: str) -> AsyncIterator[str]:
        """Iterate over the available numbers of a country, by its ISO 3166-1 code (`GET /availablenumbers/:code`)."""
        async for page in self._pages(f"/availablenumbers/{quote(country_code, safe='')}"):
            for number in texts(mapping(page.data).get("results")):
                yield number

    async def request(
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None
    ) -> Any:
        """Send any request once to a path below `/v0`, and return its JSON; None for an empty body."""
        return (await self._http.request(method, path, body=body, params=params)).data

    async def _objects(self, path: str, read: Callable[[Mapping[str, Any]], T]) -> AsyncIterator[T]:
        async for page in self._pages(path):
            results = page.data if isinstance(page.data, list) else page.data.get("results")
            for entry in objects(results):
                yield read(entry)

    async def _pages(self, path: str) -> AsyncIterator[Response]:
        """Follow `next` unchanged, within the origin, until it is null."""
        requested: set[str] = set()
        url = path
        while url:
            requested.add(self._http.resolve(url))
            page = await self._http.get(url, _page)
            yield page
            url = text(mapping(page.data).get("next"))
            if url and self._http.resolve(url) in requested:
                raise page.is_not("Sift", "the last page of a list: its `next` leads back to an earlier page")


def _page(response: Response) -> Response:
    if isinstance(response.data, list) or isinstance(mapping(response.data).get("results"), list):
        return response
    raise response.is_not("Sift", "a page of results")


def _object(response: Response) -> Mapping[str, Any]:
    if isinstance(response.data, Mapping):
        return response.data
    raise response.is_not("Sift", "an object")


def _connection(response: Response, connection_id: str) -> Connection:
    connection = Connection.read(_object(response))
    if connection.connection_id != connection_id:
        raise response.is_not("Sift", f"connection {connection_id}")
    return connection
