"""Serves one endpoint of the platform: records the request, checks credentials, applies a fault, answers."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform.account import Refusal
from pytest_sipfront.lab.platform.endpoints import ENDPOINTS, LabEndpoint
from pytest_sipfront.lab.platform.faults import LabResponse, error_answer, spoil
from pytest_sipfront.lab.platform.handlers import EndpointRequest
from pytest_sipfront.lab.platform.request_log import LoggedRequest
from pytest_sipfront.lab.platform.request_parsing import authorization_kind, authorized, read_fields

DROPPED = "dropped"


class Dropped(Response):
    """No answer at all: closes the TCP connection, which the server's protocol lends in the request's state."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Close the connection and return once the server has noticed."""
        scope["state"]["transport"].abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def platform_routes(lab: Lab) -> list[Route]:
    """Return a route for every endpoint of the platform."""
    return [
        Route(_pattern(endpoint.path), _served(lab, endpoint), methods=list(endpoint.methods)) for endpoint in ENDPOINTS
    ]


def _pattern(path: str) -> str:
    parts = [f"{{{part[1:]}}}" if part.startswith(":") else part for part in path.split("/")]
    return "/".join(parts).replace("{rest}", "{rest:path}")


def _served(lab: Lab, endpoint: LabEndpoint) -> Any:
    async def serve(request: Request) -> Response:
        headers = request.headers
        authorization = headers.get("authorization", "")
        entry = lab.recorder.record(
            request.method,
            request.scope["path"],
            authorization_kind(authorization),
            headers.get("content-type", ""),
        )
        lab.recorder.count(endpoint.kind, endpoint.path)
        try:
            if not authorized(lab.file.account, authorization):
                raise Refusal(401, "Unauthorized", {"WWW-Authenticate": 'Basic realm="lab"'})  # noqa: TRY301
            if request.method == "POST":
                entry.body = await read_fields(request)
            call = EndpointRequest(
                origin=f"http://{headers.get('host', 'localhost')}", path=request.path_params, fields=entry.body
            )
            return await _answered(lab, endpoint, call, entry)
        except Refusal as refusal:
            entry.status = refusal.status
            return _response(error_answer(refusal.status, refusal.text, headers=refusal.headers))

    return serve


async def _answered(lab: Lab, endpoint: LabEndpoint, call: EndpointRequest, entry: LoggedRequest) -> Response:
    step = endpoint.handler(lab, call)
    hit = lab.faults.hit(endpoint.kind, step.subject)
    if hit is None:
        return _recorded(entry, step.carry_out())
    # no await between choosing the fault and carrying out: counts stay exact when requests overlap
    answer = step.carry_out() if hit.fault.takes_effect else LabResponse(body={})
    if hit.fault.latency:
        await lab.pause(hit.fault.latency)
    if hit.fault.drop is not None:
        entry.status = DROPPED
        return Dropped()
    return _recorded(entry, spoil(answer, hit))


def _recorded(entry: LoggedRequest, answer: LabResponse) -> Response:
    entry.status = answer.status
    return _response(answer)


def _response(answer: LabResponse) -> Response:
    is_json = answer.media_type == "application/json"
    content = json.dumps(answer.body) if is_json else answer.body
    return Response(content, answer.status, dict(answer.headers), answer.media_type)
