"""The endpoints that tell: statuses, lists, stats, and the app images that were sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform import responses
from pytest_sipfront.lab.platform.account import LabRun, Refusal
from pytest_sipfront.lab.platform.faults import LabResponse, Subject
from pytest_sipfront.lab.platform.handlers import (
    NOTHING,
    EndpointRequest,
    EndpointResult,
    answer,
    answering,
    find_project,
    find_test,
)

RUNS_SHOWN = 1000


def run_status(lab: Lab, call: EndpointRequest) -> EndpointResult:
    """GET /runs/:id/status, where :id is the UUID of the `status_url` and nothing else."""
    run = lab.account.runs.get(call.path["id"])
    if run is None:
        raise Refusal(404, "Run not found")
    return _status_step(lab, run)


def project_run_status(lab: Lab, call: EndpointRequest) -> EndpointResult:
    """GET the `status_url` of a project run. Its path is published nowhere, so it is known from the answer alone."""
    run = lab.account.project_runs.get(call.path["id"])
    if run is None:
        raise Refusal(404, "Project run not found")
    subject = Subject(faults=run.project.faults, finished=run.state is not None, key=run.uuid)
    return EndpointResult(subject, lambda: answer("run", responses.project_status(lab.account, run)))


def last_of_test(lab: Lab, call: EndpointRequest) -> EndpointResult:
    """GET /tests/:id/status/last."""
    test = find_test(lab, call.path["id"])
    run = lab.account.last_run(test)
    if run is None:
        raise Refusal(404, f"Test '{test.name}' has not run yet")
    return _status_step(lab, run)


def last_of_project(lab: Lab, call: EndpointRequest) -> EndpointResult:
    """GET /projects/:id/status/last."""
    project = find_project(lab, call.path["id"])
    return EndpointResult(
        Subject(faults=project.faults),
        lambda: answer("tests", responses.last_of_project(lab.account, project)),
    )


def _status_step(lab: Lab, run: LabRun) -> EndpointResult:
    return EndpointResult(_about(run), lambda: answer("run", responses.run_status(lab.account, run)))


def _about(run: LabRun) -> Subject:
    return Subject(faults=run.test.faults, parameters=run.parameters, finished=run.finding is not None, key=run.uuid)


# ---- lists and stats --------------------------------------------------------------------------------------------


def list_tests(lab: Lab, call: EndpointRequest) -> EndpointResult:  # noqa: ARG001
    """GET /tests."""
    return answering("tests", [responses.test_entry(lab.file, test) for test in lab.file.tests.values()])


def list_projects(lab: Lab, call: EndpointRequest) -> EndpointResult:  # noqa: ARG001
    """GET /projects."""
    return answering("projects", [responses.project_entry(project) for project in lab.file.projects.values()])


def list_runs(lab: Lab, call: EndpointRequest) -> EndpointResult:  # noqa: ARG001
    """GET /runs: the latest, newest first."""
    latest = list(lab.account.runs.values())[: -RUNS_SHOWN - 1 : -1]
    return answering(
        "runs", [{"id": run.id, "session_id": run.uuid, **responses.run_status(lab.account, run)} for run in latest]
    )


def run_stats(lab: Lab, call: EndpointRequest) -> EndpointResult:
    """GET /runs/:sid/stats and /runs/:sid/stats/:measure; which of a run's ids is meant is not known, so any is."""
    sid = call.path["sid"]
    found = [run for run in lab.account.runs.values() if sid in (run.uuid, run.session_id, str(run.id))]
    if not found:
        raise Refusal(404, "Run not found")
    return EndpointResult(_about(found[0]), lambda: _stats(call, responses.measures(found[0])))


def stats_of_test(lab: Lab, call: EndpointRequest) -> EndpointResult:
    """GET /tests/:tid/stats and /tests/:tid/stats/:measure: every run's values."""
    test = find_test(lab, call.path["tid"])
    runs = [run for run in lab.account.runs.values() if run.test is test]
    return EndpointResult(Subject(faults=test.faults), lambda: _stats(call, responses.measures_of(runs)))


def _stats(call: EndpointRequest, stats: Mapping[str, Any]) -> LabResponse:
    measure = call.path.get("measure")
    if measure is None:
        return answer("stats", stats)
    if measure not in stats:
        raise Refusal(404, f"Measure '{measure}' not found")
    return answer("stats", {measure: stats[measure]})


def app_images(lab: Lab, call: EndpointRequest) -> EndpointResult:
    """GET and POST /appimages. Its bodies are published nowhere: the lab keeps what a POST sends and lists it."""
    if call.fields is None:
        return answering("appimages", list(lab.app_images))

    def carry_out() -> LabResponse:
        lab.app_images.append(call.fields)
        return answer("data", call.fields)

    return EndpointResult(NOTHING, carry_out)
