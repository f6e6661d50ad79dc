"""Serves Sift v0 over HTTP: checks credentials and bodies, applies faults, answers as the pages say."""

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

from pytest_sipfront.lab.platform.account import Refusal
from pytest_sipfront.lab.platform.faults import LabResponse, Subject, apply_fault, error_response
from pytest_sipfront.lab.platform.http_requests import (
    DROPPED,
    Dropped,
    authorization_kind,
    authorized,
    read_fields,
)
from pytest_sipfront.lab.sift.commands import objection
from pytest_sipfront.lab.sift.connections import LabConnection
from pytest_sipfront.lab.sift.service import SiftService

PREFIX = "/v0"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_NUMBER = re.compile(r"\+[1-9][0-9]{4,14}")
_NO_LEG = Subject()

Handler: TypeAlias = Callable[[SiftService, Request], Awaitable[LabResponse]]


def sift_routes(stand: Callable[[], SiftService]) -> list[Route]:
    """Return Sift's routes; `stand` returns what is behind them now, since a lab can be given another file."""
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
        Route(PREFIX + path, _served(stand, kind, _pattern(path), handler), methods=[method])
        for method, path, kind, handler in table
    ]
    unknown = Route(PREFIX + "/{rest:path}", _served(stand, "unknown", f"{PREFIX}/:rest", _unknown), methods=_METHODS)
    recordings = Route("/lab/sift/{id}/{name}.wav", _recording(stand))
    return [*routes, unknown, Route("/lab/sift", _shown(stand)), recordings]


def _pattern(path: str) -> str:
    return PREFIX + re.sub(r"{(\w+)}", r":\1", path)


def _served(stand: Callable[[], SiftService], kind: str, pattern: str, handler: Handler) -> Any:
    async def serve(request: Request) -> Response:
        now = stand()
        header = request.headers.get("authorization", "")
        entry = now.recorder.record(
            request.method, request.url.path, authorization_kind(header), request.headers.get("content-type", "")
        )
        now.recorder.count(f"sift-{kind}", pattern)
        try:
            if not _let_in(now, header):
                raise Refusal(401, "Invalid account_id or auth_token")  # noqa: TRY301
            if request.method == "POST":
                request.state.fields = entry.body = await read_fields(request)
            answer = await _answered(now, kind, handler, request)
        except Refusal as refusal:
            entry.status = refusal.status
            return _response(LabResponse(body={"error": refusal.text}, status=refusal.status))
        entry.status = DROPPED if isinstance(answer, Dropped) else answer.status_code
        return answer

    return serve


async def _answered(stand: SiftService, kind: str, handler: Handler, request: Request) -> Response:
    leg = stand.exchange.connections.find(request.path_params.get("id", ""))
    hit = stand.faults.hit(kind, _subject(leg, request))
    if hit is None:
        return _response(await handler(stand, request))
    answer = await handler(stand, request) if hit.fault.takes_effect else LabResponse(body={})
    await stand.pause(hit.fault.latency)
    if hit.fault.drop is not None:
        return Dropped()
    answer = apply_fault(answer, hit)
    if isinstance(answer.body, dict) and "error" in answer.body:
        answer = error_response(answer.status, answer.body["error"], headers=answer.headers)
        answer.body.pop("status")  # Sift's errors hold nothing else
    return _response(answer)


def _subject(leg: LabConnection | None, request: Request) -> Subject:
    if leg is not None:
        return Subject(parameters={"to": leg.to}, finished=leg.is_over, key=leg.id)
    fields = getattr(request.state, "fields", None)
    return Subject(parameters={"to": _endpoint(fields)}) if isinstance(fields, Mapping) else _NO_LEG


def _let_in(stand: SiftService, header: str) -> bool:
    kind, _, token = header.partition(" ")
    if kind.lower() == "bearer":
        return bool(token) and stand.account.secret_key in (None, token)
    return authorized(stand.account, header)


def _response(answer: LabResponse) -> Response:
    if answer.media_type != "application/json" or answer.body is None:
        return Response(answer.body or b"", answer.status, dict(answer.headers), answer.media_type)
    return Response(json.dumps(answer.body), answer.status, dict(answer.headers), answer.media_type)


# ---- connections


async def _list(stand: SiftService, request: Request) -> LabResponse:
    page = stand.exchange.connections.page(str(request.url.replace(query="")), request.query_params.get("cursor", ""))
    if page is None:
        raise Refusal(400, "Invalid cursor")
    return LabResponse(body=page)


async def _retrieve(stand: SiftService, request: Request) -> LabResponse:
    return LabResponse(body=_leg(stand, request).as_json())


async def _create(stand: SiftService, request: Request) -> LabResponse:
    fields = _fields(request)
    url = fields.get("status_url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise Refusal(400, "status_url is required")
    if len({"phone_number", "client_name"} & {key for key, value in fields.items() if value}) != 1:
        raise Refusal(400, "One of phone_number and client_name must be provided")
    if "phone_number" in fields and not _NUMBER.fullmatch(str(fields["phone_number"])):
        raise Refusal(400, f"{fields['phone_number']} is not a valid phone number")
    leg = await stand.exchange.create(_endpoint(fields), url)
    bodies: dict[str, Any] = {
        "bare": leg.as_json(),
        "wrapped": {"connection": leg.as_json()},
        "id": {"connection_id": leg.id},
        "empty": None,
    }
    return LabResponse(body=bodies[stand.spec.created])


async def _set_routine(stand: SiftService, request: Request) -> LabResponse:
    leg = _leg(stand, request)
    routine: Any = _fields(request).get("routine")
    if why := objection(routine):
        raise Refusal(400, why)
    if leg.is_over:
        raise Refusal(400, "The connection is no longer active")
    stand.exchange.set_routine(leg, routine)
    return LabResponse(body=None)


def _leg(stand: SiftService, request: Request) -> LabConnection:
    leg = stand.exchange.connections.find(request.path_params["id"])
    if leg is None:
        raise Refusal(404, "Connection not found")
    return leg


async def _unknown(_: SiftService, request: Request) -> LabResponse:
    raise Refusal(404, f"No such resource: {request.method} {request.url.path}")


def _fields(request: Request) -> Mapping[str, Any]:
    if not isinstance(request.state.fields, Mapping):
        raise Refusal(400, "The request body must be an object")
    return request.state.fields


def _endpoint(fields: Mapping[str, Any]) -> str:
    return str(fields.get("phone_number") or f"webrtc:{fields.get('client_name')}")


# ---- what is around them


async def _applications(stand: SiftService, _: Request) -> LabResponse:
    return LabResponse(body=_page(stand.applications))


async def _create_application(stand: SiftService, request: Request) -> LabResponse:
    fields = _fields(request)
    if not isinstance(fields.get("name"), str):
        raise Refusal(400, "name is required")
    application = {"application_id": secrets.token_hex(8), "phone_numbers": [], **fields}
    stand.answer_with(application)
    return LabResponse(body=application)


async def _conversations(stand: SiftService, request: Request) -> LabResponse:
    least, most = _moment(request, "min_created"), _moment(request, "max_created")
    changed = _moment(request, "updated_after")
    talks = [
        talk
        for talk in stand.exchange.conversations.talks
        if (least is None or talk.start >= least)
        and (most is None or talk.start <= most)
        and (changed is None or (talk.end or talk.start) >= changed)
    ]
    return LabResponse(body=_page([talk.as_json() for talk in talks]))


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(400, f"{name} must be an ISO 8601 time") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


async def _conversation(stand: SiftService, request: Request) -> LabResponse:
    for talk in stand.exchange.conversations.talks:
        if talk.id == request.path_params["id"]:
            return LabResponse(body=talk.as_json())
    raise Refusal(404, "Conversation not found")


async def _upload(_: SiftService, request: Request) -> LabResponse:
    if not isinstance(_fields(request).get("audio"), dict):
        raise Refusal(400, "audio is required")
    return LabResponse(body={"audio_id": secrets.token_hex(8)})


async def _numbers(stand: SiftService, _: Request) -> LabResponse:
    return LabResponse(body=_page([{"phone_number": number} for number in stand.spec.numbers]))


async def _available(stand: SiftService, request: Request) -> LabResponse:
    if not re.fullmatch("[A-Za-z]{2}", request.path_params["country"]):
        raise Refusal(400, "country_code must be ISO 3166-1 alpha-2")
    return LabResponse(body=_page(list(stand.spec.numbers)))


def _page(results: list[Any]) -> dict[str, Any]:
    return {"next": None, "previous": None, "results": results}


def _shown(stand: Callable[[], SiftService]) -> Any:
    async def show(_: Request) -> Response:
        return Response(json.dumps(stand().as_json()), media_type="application/json")

    return show


def _recording(stand: Callable[[], SiftService]) -> Any:
    async def send(request: Request) -> Response:
        leg = stand().exchange.connections.find(request.path_params["id"])
        sound = leg.far.recordings.get(request.path_params["name"]) if leg is not None else None
        return Response(sound, media_type="audio/wav") if sound is not None else Response(status_code=404)

    return send
