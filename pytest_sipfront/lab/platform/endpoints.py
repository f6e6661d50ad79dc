"""The platform's endpoints: the table of them, as its documentation lists them, and their handlers.

A handler only looks up and validates. The `EndpointResult` that it returns has the effect and yields the response.
The route selects the fault, if any, between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_sipfront.lab.file.lab_file import ProjectSpec, TestSpec
from pytest_sipfront.lab.file.phone_faults import FAULT_PARAMETER, PHONE_FAULTS
from pytest_sipfront.lab.platform import responses
from pytest_sipfront.lab.platform.faults import LabResponse, Subject
from pytest_sipfront.lab.platform.http_requests import Refusal

if TYPE_CHECKING:
    from pytest_sipfront.lab.platform.account import LabRun
    from pytest_sipfront.lab.platform.service import PlatformService

API = "/api/v2"
TEST_MODES = ("full", "kiosk", "print")
PROJECT_MODES = ("full", "kiosk")
MAX_LISTED_RUNS = 1000
_NO_SUBJECT = Subject()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRequest:
    """One request: its URL's origin ("http://host:port"), the variable parts of its path, its body's fields."""

    origin: str
    path: Mapping[str, str]
    fields: Any = None


@dataclass(frozen=True, slots=True)
class EndpointResult:
    """The properties of a request that select its fault, and the function that executes it and returns the response."""

    subject: Subject
    execute: Callable[[], LabResponse]


Handler: TypeAlias = "Callable[[PlatformService, EndpointRequest], EndpointResult]"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabEndpoint:
    """One endpoint. `path` has variable parts as ":id"; faults and counts name the endpoint by its `kind`."""

    methods: tuple[str, ...] = ("GET",)
    path: str
    kind: str
    handler: Handler
    name: str = ""
    listed: bool = True


def _respond(part: str, content: Any) -> LabResponse:
    """Return a response with `content` under the key `part`, beside the `status` that mirrors the HTTP code."""
    return LabResponse(body={part: content, "status": 200}, part=part)


def _result(part: str, content: Any) -> EndpointResult:
    return EndpointResult(_NO_SUBJECT, lambda: _respond(part, content))


def _explore(_: PlatformService, request: EndpointRequest) -> EndpointResult:
    entries = []
    for endpoint in ENDPOINTS:
        if endpoint.listed:
            entry: dict[str, Any] = {"methods": list(endpoint.methods), "url": request.origin + endpoint.path}
            entries.append({**entry, "name": endpoint.name} if endpoint.name else entry)
    return _result("endpoints", entries)


def _unknown(_service: PlatformService, _request: EndpointRequest) -> EndpointResult:
    raise Refusal(404, "No such endpoint")


# ---- launches ---------------------------------------------------------------------------------------------------


def _launch_test(service: PlatformService, request: EndpointRequest) -> EndpointResult:
    fields = _object(request.fields)
    name = _text("test.name", fields.pop("test.name", ""))
    mode = _mode(fields, TEST_MODES)
    if not name:
        raise Refusal(422, "Missing mandatory parameter 'test.name'")
    test = service.file.tests.get(name)
    if test is None:
        raise Refusal(404, f"Test '{name}' not found")
    _check_fault(fields)
    overrides = {key: _text(key, value) for key, value in fields.items()}

    def execute() -> LabResponse:
        run = service.account.launch(test, overrides, mode)
        service.begin(run)
        return _respond("data", responses.launch(request.origin, run))

    return EndpointResult(Subject(faults=test.faults, parameters={**test.parameters, **overrides}), execute)


def _launch_project(service: PlatformService, request: EndpointRequest) -> EndpointResult:
    fields = _object(request.fields)
    mode = _mode(fields, PROJECT_MODES)
    project = _requested_project(service, fields)
    tests = _selected_tests(project, fields.get("test_ids"))
    fault = _check_fault(fields)

    def execute() -> LabResponse:
        run = service.account.launch_project(project, tests, mode, fault)
        service.begin_project(run)
        return _respond("data", responses.project_launch(request.origin, run))

    return EndpointResult(Subject(faults=project.faults), execute)


def _object(fields: Any) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise Refusal(400, "The request body must be an object of parameters")
    return dict(fields)


def _mode(fields: dict[str, Any], allowed: tuple[str, ...]) -> str:
    mode = _text("report.mode", fields.pop("report.mode", "full"))
    if mode not in allowed:
        raise Refusal(422, f"Unknown report.mode '{mode}'; it must be one of {', '.join(allowed)}")
    return mode


def _check_fault(fields: Mapping[str, Any]) -> str:
    """Return the fault that the launch gives to the phones, or ""."""
    fault = _text(FAULT_PARAMETER, fields.get(FAULT_PARAMETER, ""))
    if fault and fault not in PHONE_FAULTS:
        raise Refusal(422, f"Unknown {FAULT_PARAMETER} '{fault}'; it must be one of {', '.join(PHONE_FAULTS)}")
    return fault


def _requested_project(service: PlatformService, fields: Mapping[str, Any]) -> ProjectSpec:
    """Return the project of a launch; `id` takes precedence over `project.name`."""
    if "id" in fields:
        return _project(service, str(_integer("id", fields["id"])))
    name = _text("project.name", fields.get("project.name", ""))
    if not name:
        raise Refusal(422, "Missing mandatory parameter 'id' or 'project.name'")
    if name not in service.file.projects:
        raise Refusal(404, f"Project '{name}' not found")
    return service.file.projects[name]


def _selected_tests(project: ProjectSpec, test_ids: Any) -> tuple[TestSpec, ...]:
    if test_ids is None:
        return project.tests
    parts = test_ids if isinstance(test_ids, list) else _text("test_ids", test_ids).split(",")
    selected = [_integer("test_ids", part) for part in parts]
    unknown = [number for number in selected if number not in {test.id for test in project.tests}]
    if unknown:
        raise Refusal(422, f"Test {unknown[0]} is not part of project '{project.name}'")
    return tuple(test for test in project.tests if test.id in selected)


def _text(key: str, value: Any) -> str:
    """Return a parameter's value as the text that a form would have sent."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise Refusal(422, f"Parameter '{key}' must be text")


def _integer(key: str, value: Any) -> int:
    text = _text(key, value).strip()
    if not (text.isascii() and text.isdigit()):
        raise Refusal(422, f"Parameter '{key}' must be an integer >= 0")
    return int(text)


# ---- statuses ---------------------------------------------------------------------------------------------------


def _run_status(service: PlatformService, request: EndpointRequest) -> EndpointResult:
    run = service.account.runs.get(request.path["id"])
    if run is None:
        raise Refusal(404, "Run not found")
    return _status(service, run)


def _project_run_status(service: PlatformService, request: EndpointRequest) -> EndpointResult:
    run = service.account.project_runs.get(request.path["id"])
    if run is None:
        raise Refusal(404, "Project run not found")
    subject = Subject(faults=run.project.faults, finished=run.state is not None, key=run.uuid)
    return EndpointResult(subject, lambda: _respond("run", responses.project_status(service.account, run)))


def _last_of_test(service: PlatformService, request: EndpointRequest) -> EndpointResult:
    test = _test(service, request.path["id"])
    run = service.account.last_run(test)
    if run is None:
        raise Refusal(404, f"Test '{test.name}' has not run yet")
    return _status(service, run)


def _last_of_project(service: PlatformService, request: EndpointRequest) -> EndpointResult:
    project = _project(service, request.path["id"])
    return EndpointResult(
        Subject(faults=project.faults),
        lambda: _respond("tests", responses.last_of_project(service.account, project)),
    )


def _status(service: PlatformService, run: LabRun) -> EndpointResult:
    return EndpointResult(_subject(run), lambda: _respond("run", responses.run_status(service.account, run)))


def _subject(run: LabRun) -> Subject:
    return Subject(faults=run.test.faults, parameters=run.parameters, finished=run.result is not None, key=run.uuid)


def _test(service: PlatformService, test_id: str) -> TestSpec:
    for test in service.file.tests.values():
        if str(test.id) == test_id:
            return test
    raise Refusal(404, f"Test {test_id} not found")


def _project(service: PlatformService, project_id: str) -> ProjectSpec:
    for project in service.file.projects.values():
        if str(project.id) == project_id:
            return project
    raise Refusal(404, f"Project {project_id} not found")


# ---- lists, stats and app images --------------------------------------------------------------------------------


def _list_tests(service: PlatformService, _: EndpointRequest) -> EndpointResult:
    return _result("tests", [responses.test_entry(service.file, test) for test in service.file.tests.values()])


def _list_projects(service: PlatformService, _: EndpointRequest) -> EndpointResult:
    return _result("projects", [responses.project_entry(project) for project in service.file.projects.values()])


def _list_runs(service: PlatformService, _: EndpointRequest) -> EndpointResult:
    account = service.account
    latest = list(account.runs.values())[: -MAX_LISTED_RUNS - 1 : -1]
    return _result(
        "runs", [{"id": run.id, "session_id": run.uuid, **responses.run_status(account, run)} for run in latest]
    )


def _run_stats(service: PlatformService, request: EndpointRequest) -> EndpointResult:
    # the documentation does not say which id of a run ":sid" is, so each of them is accepted
    sid = request.path["sid"]
    ids = ((run, (run.uuid, run.session_id, str(run.id))) for run in service.account.runs.values())
    run = next((run for run, run_ids in ids if sid in run_ids), None)
    if run is None:
        raise Refusal(404, "Run not found")
    return EndpointResult(_subject(run), lambda: _stats(request, responses.measures(run)))


def _test_stats(service: PlatformService, request: EndpointRequest) -> EndpointResult:
    test = _test(service, request.path["tid"])
    runs = [run for run in service.account.runs.values() if run.test is test]
    return EndpointResult(Subject(faults=test.faults), lambda: _stats(request, responses.measures_of(runs)))


def _stats(request: EndpointRequest, stats: Mapping[str, Any]) -> LabResponse:
    measure = request.path.get("measure")
    if measure is None:
        return _respond("stats", stats)
    if measure not in stats:
        raise Refusal(404, f"Measure '{measure}' not found")
    return _respond("stats", {measure: stats[measure]})


def _app_images(service: PlatformService, request: EndpointRequest) -> EndpointResult:
    # the documentation shows no body of an app image, so a GET lists what POSTs have sent
    if request.fields is None:
        return _result("appimages", list(service.app_images))

    def execute() -> LabResponse:
        service.app_images.append(request.fields)
        return _respond("data", request.fields)

    return EndpointResult(_NO_SUBJECT, execute)


ENDPOINTS = (
    LabEndpoint(path=f"{API}/", kind="explore", handler=_explore),
    LabEndpoint(path=f"{API}/runs/:id/status", kind="status", handler=_run_status, name="api_run_status"),
    LabEndpoint(path=f"{API}/tests", kind="tests", handler=_list_tests),
    LabEndpoint(path=f"{API}/tests/run", kind="launch", handler=_launch_test, methods=("POST",)),
    LabEndpoint(path=f"{API}/tests/:id/status/last", kind="last", handler=_last_of_test),
    LabEndpoint(path=f"{API}/tests/:tid/stats", kind="stats", handler=_test_stats),
    LabEndpoint(path=f"{API}/tests/:tid/stats/:measure", kind="stats", handler=_test_stats),
    LabEndpoint(path=f"{API}/runs", kind="runs", handler=_list_runs),
    LabEndpoint(path=f"{API}/runs/:sid/stats", kind="stats", handler=_run_stats),
    LabEndpoint(path=f"{API}/runs/:sid/stats/:measure", kind="stats", handler=_run_stats),
    LabEndpoint(path=f"{API}/projects", kind="projects", handler=_list_projects),
    LabEndpoint(path=f"{API}/projects/run", kind="launch", handler=_launch_project, methods=("POST",)),
    LabEndpoint(path=f"{API}/projects/:id/status/last", kind="last", handler=_last_of_project),
    LabEndpoint(path=f"{API}/appimages", kind="appimages", handler=_app_images, methods=("GET", "POST")),
    # the documentation does not list the path of a project run's status
    LabEndpoint(path=f"{API}/projectruns/:id/status", kind="status", handler=_project_run_status, listed=False),
    LabEndpoint(
        path="/api/:rest",
        kind="unknown",
        handler=_unknown,
        methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        listed=False,
    ),
)
