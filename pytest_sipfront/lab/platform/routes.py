"""Serves the platform's endpoints: logs the request, checks its credentials, applies a fault, sends the response."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_sipfront.lab.platform.endpoints import ENDPOINTS, EndpointRequest, LabEndpoint
from pytest_sipfront.lab.platform.faults import LabResponse, apply_fault, error_response
from pytest_sipfront.lab.platform.http_requests import (
    DROPPED,
    Dropped,
    LoggedRequest,
    Refusal,
    authorization_kind,
    authorized,
    read_fields,
)

if TYPE_CHECKING:
    from pytest_sipfront.lab.platform.service import PlatformService


def platform_routes(current: Callable[[], PlatformService]) -> list[Route]:
    """Return a route for every endpoint. `current` returns the service of the lab file that is in force."""
    return [
        Route(_pattern(endpoint.path), _serve(current, endpoint), methods=list(endpoint.methods))
        for endpoint in ENDPOINTS
    ]


def _pattern(path: str) -> str:
    parts = [f"{{{part[1:]}}}" if part.startswith(":") else part for part in path.split("/")]
    return "/".join(parts).replace("{rest}", "{rest:path}")


def _serve(current: Callable[[], PlatformService], endpoint: LabEndpoint) -> Any:
    async def serve(request: Request) -> Response:
        service = current()
        account = service.file.account
        headers = request.headers
        authorization = headers.get("authorization", "")
        entry = service.request_log.record(
            request.method, request.scope["path"], authorization_kind(authorization), headers.get("content-type", "")
        )
        service.request_log.count(endpoint.kind, endpoint.path)
        try:
            if not authorized(authorization, account.public_key, account.secret_key):
                raise Refusal(401, "Unauthorized", {"WWW-Authenticate": 'Basic realm="lab"'})  # noqa: TRY301
            if request.method == "POST":
                entry.body = await read_fields(request)
            origin = f"http://{headers.get('host', 'localhost')}"
            call = EndpointRequest(origin=origin, path=request.path_params, fields=entry.body)
            return await _respond(service, endpoint, call, entry)
        except Refusal as refusal:
            return _send(error_response(refusal.status, refusal.text, headers=refusal.headers), entry)

    return serve


async def _respond(
    service: PlatformService, endpoint: LabEndpoint, request: EndpointRequest, entry: LoggedRequest
) -> Response:
    result = endpoint.handler(service, request)
    hit = service.faults.hit(endpoint.kind, result.subject)
    if hit is None:
        return _send(result.execute(), entry)
    # without an await between the choice of the fault and the effect, counts stay exact when requests overlap
    response = result.execute() if hit.fault.takes_effect else LabResponse(body={})
    if hit.fault.latency:
        await service.pause(hit.fault.latency)
    if hit.fault.drop is not None:
        entry.status = DROPPED
        return Dropped()
    return _send(apply_fault(response, hit), entry)


def _send(response: LabResponse, entry: LoggedRequest) -> Response:
    entry.status = response.status
    is_json = response.media_type == "application/json"
    content = json.dumps(response.body) if is_json else response.body
    return Response(content, response.status, dict(response.headers), response.media_type)
