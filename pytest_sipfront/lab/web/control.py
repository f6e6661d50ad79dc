"""The control plane under `/lab/`: what happened so far, and another file. Its requests are not counted."""

from __future__ import annotations

import json
from time import monotonic
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pytest_sipfront.lab.file.schema import LabFileError
from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform.account import LabRun


def control_routes(lab: Lab) -> list[Route]:
    """Return the control plane's routes."""

    async def counts(_: Request) -> Response:
        return _json(counts_of(lab))

    async def requests(_: Request) -> Response:
        return _json([entry.as_json() for entry in lab.recorder.entries])

    async def runs(_: Request) -> Response:
        return _json([_run(lab, run) for run in lab.account.runs.values()])

    async def configure(request: Request) -> Response:
        try:
            await lab.configure((await request.body()).decode("utf-8"))
        except UnicodeDecodeError:
            return PlainTextResponse("lab.yaml: it is not UTF-8 text", 400)
        except LabFileError as error:
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


def counts_of(lab: Lab) -> dict[str, Any]:
    """Return how many requests there were, how many runs are and were in flight, and what Sift did if it is used."""
    account, recorder = lab.account, lab.recorder
    return {
        "launches": account.launches,
        "launch_requests": recorder.by_kind["launch"],
        "polls": recorder.by_kind["status"],
        "in_flight": account.in_flight,
        "peak_in_flight": account.peak_in_flight,
        "requests": recorder.requests,
        "started": lab.started,
        "now": monotonic() - lab.started,
        "by_path": dict(recorder.by_path),
        **(lab.sift.counts if lab.file.sift else {}),
    }


def _run(lab: Lab, run: LabRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "uuid": run.uuid,
        "session_id": run.session_id,
        "project_run": run.project_run,
        "test": run.test.name,
        "overrides": dict(run.overrides),
        "report_mode": run.mode,
        "state": lab.account.state(run),
        "description": run.finding.description if run.finding else "",
        "scripted": run.finding.scripted if run.finding else None,
        "started": run.started - lab.started,
        "stopped": None if run.stopped is None else run.stopped - lab.started,
    }
