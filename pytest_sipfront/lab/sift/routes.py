"""The routes of Sift v0: check credentials and bodies, apply faults, respond as documented."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_sipfront.lab.platform.faults import LabResponse, Subject, apply_fault, error_response
from pytest_sipfront.lab.platform.http_requests import (
    DROPPED,
    Dropped,
    Refusal,
    authorization_kind,
    authorized,
    read_fields,
)
from pytest_sipfront.lab.sift.commands import routine_error
from pytest_sipfront.lab.sift.connections import LabConnection
from pytest_sipfront.lab.sift.service import SiftService

PREFIX = "/v0"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_NUMBER = re.compile(r"\+[1-9][0-9]{4,14}")
_NO_SUBJECT = Subject()

Handler: TypeAlias = Callable[[SiftService, Request], Awaitable[LabResponse]]


def sift_routes(current: Callable[[], SiftService]) -> list[Route]:
    """Return Sift's routes. `current` returns the service of the lab's current file."""
    table: tuple[tuple[str, str, str, Handler], ...] = (
        ("GET", "/connections", "list", _list),
        ("POST", "/connections", "create", _create),
        ("GET", "/connections/{id}", "retrieve", _retrieve),
        ("POST", "/connections/{id}", "routine", _set_routine),
        ("GET", "/applications", "applications", _applications),
        ("POST", "/applications", "applications", _create_application),
        ("GET", "/conversations", "conversations", _conversations),
        ("GET", "/conversations/{id}", "conversations", _conversation),
        ("POST", "/media/upload", "media", _upload),
        ("GET", "/phonenumbers", "numbers", _numbers),
        ("GET", "/availablenumbers/{country}", "numbers", _available),
    )
    routes = [
        Route(PREFIX + path, _served(current, kind, _pattern(path), handler), methods=[method])
        for method, path, kind, handler in table
    ]
    unknown = Route(PREFIX + "/{rest:path}", _served(current, "unknown", f"{PREFIX}/:rest", _unknown), methods=_METHODS)
    recordings = Route("/sift/{id}/{name}.wav", _recording(current))
    return [*routes, unknown, Route("/lab/sift", _state(current)), recordings]


def _pattern(path: str) -> str:
    return PREFIX + re.sub(r"{(\w+)}", r":\1", path)


def _served(current: Callable[[], SiftService], kind: str, pattern: str, handler: Handler) -> Any:
    async def serve(request: Request) -> Response:
        service = current()
        header = request.headers.get("authorization", "")
        entry = service.recorder.record(
            request.method, request.url.path, authorization_kind(header), request.headers.get("content-type", "")
        )
        service.recorder.count(f"sift-{kind}", pattern)
        try:
            if not _is_authorized(service, header):
                raise Refusal(401, "Invalid account_id or auth_token")  # noqa: TRY301
            if request.method == "POST":
                request.state.fields = entry.body = await read_fields(request)
            answer = await _answered(service, kind, handler, request)
        except Refusal as refusal:
            entry.status = refusal.status
            return _response(LabResponse(body={"error": refusal.text}, status=refusal.status))
        entry.status = DROPPED if isinstance(answer, Dropped) else answer.status_code
        return answer

    return serve


async def _answered(service: SiftService, kind: str, handler: Handler, request: Request) -> Response:
    connection = service.calls.connections.find(request.path_params.get("id", ""))
    hit = service.faults.hit(kind, _subject(connection, request))
    if hit is None:
        return _response(await handler(service, request))
    answer = await handler(service, request) if hit.fault.takes_effect else LabResponse(body={})
    await service.pause(hit.fault.latency)
    if hit.fault.drop is not None:
        return Dropped()
    answer = apply_fault(answer, hit)
    if isinstance(answer.body, dict) and "error" in answer.body:
        answer = error_response(answer.status, answer.body["error"], headers=answer.headers)
        answer.body.pop("status")  # Sift's errors have the single key 'error'
    return _response(answer)


def _subject(connection: LabConnection | None, request: Request) -> Subject:
    if connection is not None:
        return Subject(parameters={"to": connection.to}, finished=connection.is_over, key=connection.id)
    fields = getattr(request.state, "fields", None)
    return Subject(parameters={"to": _endpoint(fields)}) if isinstance(fields, Mapping) else _NO_SUBJECT


def _is_authorized(service: SiftService, header: str) -> bool:
    kind, _, token = header.partition(" ")
    if kind.lower() == "bearer":
        return bool(token) and service.account.secret_key in (None, token)
    return authorized(header, service.account.public_key, service.account.secret_key)


def _response(answer: LabResponse) -> Response:
    if answer.media_type != "application/json" or answer.body is None:
        return Response(answer.body or b"", answer.status, dict(answer.headers), answer.media_type)
    return Response(json.dumps(answer.body), answer.status, dict(answer.headers), answer.media_type)


# ---- connections


async def _list(service: SiftService, request: Request) -> LabResponse:
    page = service.calls.connections.page(str(request.url.replace(query="")), request.query_params.get("cursor", ""))
    if page is None:
        raise Refusal(400, "Invalid cursor")
    return LabResponse(body=page)


async def _retrieve(service: SiftService, request: Request) -> LabResponse:
    return LabResponse(body=_connection(service, request).as_json())


async def _create(service: SiftService, request: Request) -> LabResponse:
    fields = _fields(request)
    url = fields.get("status_url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise Refusal(400, "status_url is required")
    if len({"phone_number", "client_name"} & {key for key, value in fields.items() if value}) != 1:
        raise Refusal(400, "One of phone_number and client_name must be provided")
    if "phone_number" in fields and not _NUMBER.fullmatch(str(fields["phone_number"])):
        raise Refusal(400, f"{fields['phone_number']} is not a valid phone number")
    connection = await service.calls.create(_endpoint(fields), url)
    bodies: dict[str, Any] = {
        "bare": connection.as_json(),
        "wrapped": {"connection": connection.as_json()},
        "id": {"connection_id": connection.id},
        "empty": None,
    }
    return LabResponse(body=bodies[service.spec.created])


async def _set_routine(service: SiftService, request: Request) -> LabResponse:
    connection = _connection(service, request)
    routine: Any = _fields(request).get("routine")
    if error := routine_error(routine):
        raise Refusal(400, error)
    if connection.is_over:
        raise Refusal(400, "The connection is no longer active")
    service.calls.set_routine(connection, routine)
    return LabResponse(body=None)


def _connection(service: SiftService, request: Request) -> LabConnection:
    connection = service.calls.connections.find(request.path_params["id"])
    if connection is None:
        raise Refusal(404, "Connection not found")
    return connection


async def _unknown(_: SiftService, request: Request) -> LabResponse:
    raise Refusal(404, f"No such resource: {request.method} {request.url.path}")


def _fields(request: Request) -> Mapping[str, Any]:
    if not isinstance(request.state.fields, Mapping):
        raise Refusal(400, "The request body must be an object")
    return request.state.fields


def _endpoint(fields: Mapping[str, Any]) -> str:
    return str(fields.get("phone_number") or f"webrtc:{fields.get('client_name')}")


# ---- applications, conversations, media and numbers


async def _applications(service: SiftService, _: Request) -> LabResponse:
    return LabResponse(body=_page(service.applications))


async def _create_application(service: SiftService, request: Request) -> LabResponse:
    fields = _fields(request)
    if not isinstance(fields.get("name"), str):
        raise Refusal(400, "name is required")
    application = {"application_id": secrets.token_hex(8), "phone_numbers": [], **fields}
    service.add_application(application)
    return LabResponse(body=application)


async def _conversations(service: SiftService, request: Request) -> LabResponse:
    least, most = _moment(request, "min_created"), _moment(request, "max_created")
    changed = _moment(request, "updated_after")
    conversations = [
        conversation
        for conversation in service.calls.conversations.all
        if (least is None or conversation.start >= least)
        and (most is None or conversation.start <= most)
        and (changed is None or (conversation.end or conversation.start) >= changed)
    ]
    return LabResponse(body=_page([conversation.as_json() for conversation in conversations]))


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(400, f"{name} must be an ISO 8601 time") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


async def _conversation(service: SiftService, request: Request) -> LabResponse:
    for conversation in service.calls.conversations.all:
        if conversation.id == request.path_params["id"]:
            return LabResponse(body=conversation.as_json())
    raise Refusal(404, "Conversation not found")


async def _upload(_: SiftService, request: Request) -> LabResponse:
    if not isinstance(_fields(request).get("audio"), dict):
        raise Refusal(400, "audio is required")
    return LabResponse(body={"audio_id": secrets.token_hex(8)})


async def _numbers(service: SiftService, _: Request) -> LabResponse:
    return LabResponse(body=_page([{"phone_number": number} for number in service.spec.numbers]))


async def _available(service: SiftService, request: Request) -> LabResponse:
    if not re.fullmatch("[A-Za-z]{2}", request.path_params["country"]):
        raise Refusal(400, "country_code must be ISO 3166-1 alpha-2")
    return LabResponse(body=_page(list(service.spec.numbers)))


def _page(results: list[Any]) -> dict[str, Any]:
    return {"next": None, "previous": None, "results": results}


def _state(current: Callable[[], SiftService]) -> Any:
    async def serve(_: Request) -> Response:
        return Response(json.dumps(current().as_json()), media_type="application/json")

    return serve


def _recording(current: Callable[[], SiftService]) -> Any:
    async def serve(request: Request) -> Response:
        connection = current().calls.connections.find(request.path_params["id"])
        recording = connection.remote.recordings.get(request.path_params["name"]) if connection is not None else None
        return Response(recording, media_type="audio/wav") if recording is not None else Response(status_code=404)

    return serve
