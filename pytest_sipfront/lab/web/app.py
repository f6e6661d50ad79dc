"""The lab's web application: both services, the control endpoints under `/lab/`, and the pages.

Control endpoints show what has happened and replace the lab file. They need the token of the lab and are not counted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.lab_file_watch import LabFileWatch
from pytest_sipfront.lab.platform.account import LabRun
from pytest_sipfront.lab.platform.routes import platform_routes
from pytest_sipfront.lab.sift.routes import sift_routes
from pytest_sipfront.lab.web.pages import page_routes
from pytest_sipfront.lab.web.request_guard import RequestGuard
from pytest_sipfront.yaml_models import YamlFileError


def build_app(lab: Lab, token: str, watch: LabFileWatch | None = None) -> Starlette:
    """Return the application of a lab. Its shutdown ends every open run.

    Args:
        lab: The lab.
        token: The token that its control endpoints require.
        watch: Reloads the lab file while the application runs; None to load it once.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        watching = None if watch is None else asyncio.create_task(watch.run())
        yield
        if watching is not None:
            watching.cancel()
        await lab.close()

    services = [*platform_routes(lambda: lab.platform), *sift_routes(lambda: lab.sift)]
    mistakes = None if watch is None else lambda: watch.mistakes
    pages = page_routes(lambda: lab.platform, lambda: lab.sift, lambda: lab.summary, mistakes)
    routes = [*services, *_control_routes(lab), *pages]
    return Starlette(routes=routes, middleware=[Middleware(RequestGuard, token=token)], lifespan=lifespan)


def _control_routes(lab: Lab) -> list[Route]:
    async def counts(_: Request) -> Response:
        return _json(lab.counts)

    async def requests(_: Request) -> Response:
        return _json([entry.as_json() for entry in lab.platform.request_log.entries])

    async def runs(_: Request) -> Response:
        return _json([_run(lab, run) for run in lab.platform.account.runs.values()])

    async def configure(request: Request) -> Response:
        try:
            await lab.configure((await request.body()).decode("utf-8"))
        except UnicodeDecodeError:
            return PlainTextResponse("lab.yaml: not UTF-8 text", 400)
        except YamlFileError as error:
            return PlainTextResponse(str(error), 400)
        return _json({"tests": list(lab.file.tests)})

    return [
        Route("/lab/counts", counts),
        Route("/lab/requests", requests),
        Route("/lab/runs", runs),
        Route("/lab/config", configure, methods=["PUT"]),
    ]


def _json(content: Any) -> Response:
    return Response(json.dumps(content), media_type="application/json")


def _run(lab: Lab, run: LabRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "uuid": run.uuid,
        "session_id": run.session_id,
        "project_run": run.project_run,
        "test": run.test.name,
        "overrides": dict(run.overrides),
        "report_mode": run.mode,
        "state": lab.platform.account.state(run),
        "description": run.result.description if run.result else "",
        "scripted": run.result.scripted if run.result else None,
        "started": run.started - lab.started,
        "stopped": None if run.stopped is None else run.stopped - lab.started,
    }
