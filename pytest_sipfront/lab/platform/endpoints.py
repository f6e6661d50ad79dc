"""The table of the platform's endpoints, as its documentation lists them, and that list's own endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform import launch_endpoints, status_endpoints
from pytest_sipfront.lab.platform.account import Refusal
from pytest_sipfront.lab.platform.handlers import EndpointRequest, EndpointResult, Handler, answering

API = "/api/v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabEndpoint:
    """One endpoint. `path` has variable parts as ":id"; `kind` is the word for it in faults and counts."""

    methods: tuple[str, ...]
    path: str
    kind: str
    handler: Handler
    name: str = ""
    listed: bool = True


def explore(lab: Lab, call: EndpointRequest) -> EndpointResult:  # noqa: ARG001 - one signature for all
    """GET /: the documented list, whose one named entry is the run status."""
    entries = []
    for endpoint in ENDPOINTS:
        if endpoint.listed:
            entry: dict[str, Any] = {"methods": list(endpoint.methods), "url": call.origin + endpoint.path}
            entries.append({**entry, "name": endpoint.name} if endpoint.name else entry)
    return answering("endpoints", entries)


def unknown(lab: Lab, call: EndpointRequest) -> EndpointResult:  # noqa: ARG001
    """Any other path of the API."""
    raise Refusal(404, "No such endpoint")


ENDPOINTS = (
    LabEndpoint(methods=("GET",), path=f"{API}/", kind="explore", handler=explore),
    LabEndpoint(
        methods=("GET",),
        path=f"{API}/runs/:id/status",
        kind="status",
        handler=status_endpoints.run_status,
        name="api_run_status",
    ),
    LabEndpoint(methods=("GET",), path=f"{API}/tests", kind="tests", handler=status_endpoints.list_tests),
    LabEndpoint(methods=("POST",), path=f"{API}/tests/run", kind="launch", handler=launch_endpoints.launch_test),
    LabEndpoint(
        methods=("GET",), path=f"{API}/tests/:id/status/last", kind="last", handler=status_endpoints.last_of_test
    ),
    LabEndpoint(methods=("GET",), path=f"{API}/tests/:tid/stats", kind="stats", handler=status_endpoints.stats_of_test),
    LabEndpoint(
        methods=("GET",), path=f"{API}/tests/:tid/stats/:measure", kind="stats", handler=status_endpoints.stats_of_test
    ),
    LabEndpoint(methods=("GET",), path=f"{API}/runs", kind="runs", handler=status_endpoints.list_runs),
    LabEndpoint(methods=("GET",), path=f"{API}/runs/:sid/stats", kind="stats", handler=status_endpoints.run_stats),
    LabEndpoint(
        methods=("GET",), path=f"{API}/runs/:sid/stats/:measure", kind="stats", handler=status_endpoints.run_stats
    ),
    LabEndpoint(methods=("GET",), path=f"{API}/projects", kind="projects", handler=status_endpoints.list_projects),
    LabEndpoint(methods=("POST",), path=f"{API}/projects/run", kind="launch", handler=launch_endpoints.launch_project),
    LabEndpoint(
        methods=("GET",), path=f"{API}/projects/:id/status/last", kind="last", handler=status_endpoints.last_of_project
    ),
    LabEndpoint(
        methods=("GET", "POST"), path=f"{API}/appimages", kind="appimages", handler=status_endpoints.app_images
    ),
    LabEndpoint(
        methods=("GET",),
        path=f"{API}/projectruns/:id/status",
        kind="status",
        handler=status_endpoints.project_run_status,
        listed=False,
    ),
    LabEndpoint(
        methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        path="/api/:rest",
        kind="unknown",
        handler=unknown,
        listed=False,
    ),
)
