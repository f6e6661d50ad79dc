"""The endpoints that start runs, of a test and of a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_sipfront.lab.file.lab_file import ProjectSpec, TestSpec
from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform import responses
from pytest_sipfront.lab.platform.account import Refusal
from pytest_sipfront.lab.platform.faults import LabResponse, Subject
from pytest_sipfront.lab.platform.handlers import EndpointRequest, EndpointResult, answer, find_project
from pytest_sipfront.lab.platform.request_parsing import text_of, whole_of

TEST_MODES = ("full", "kiosk", "print")
PROJECT_MODES = ("full", "kiosk")


def launch_test(lab: Lab, call: EndpointRequest) -> EndpointResult:
    """POST /tests/run."""
    fields = _object(call.fields)
    name = text_of("test.name", fields.pop("test.name", ""))
    mode = _mode(fields, TEST_MODES)
    if not name:
        raise Refusal(422, "Missing mandatory parameter 'test.name'")
    test = lab.file.tests.get(name)
    if test is None:
        raise Refusal(404, f"Test '{name}' not found")
    overrides = {key: text_of(key, value) for key, value in fields.items()}

    def carry_out() -> LabResponse:
        run = lab.account.launch(test, overrides, mode)
        lab.begin(run)
        return answer("data", responses.launch(call.origin, run))

    return EndpointResult(Subject(faults=test.faults, parameters={**test.parameters, **overrides}), carry_out)


def launch_project(lab: Lab, call: EndpointRequest) -> EndpointResult:
    """POST /projects/run; `id` wins over `project.name`."""
    fields = _object(call.fields)
    mode = _mode(fields, PROJECT_MODES)
    project = _named_project(lab, fields)
    tests = _selected(project, fields.get("test_ids"))

    def carry_out() -> LabResponse:
        run = lab.account.launch_project(project, tests, mode)
        lab.begin_project(run)
        return answer("data", responses.project_launch(call.origin, run))

    return EndpointResult(Subject(faults=project.faults), carry_out)


def _object(fields: Any) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise Refusal(400, "The request body must be an object of parameters")
    return dict(fields)


def _mode(fields: dict[str, Any], allowed: tuple[str, ...]) -> str:
    mode = text_of("report.mode", fields.pop("report.mode", "full"))
    if mode not in allowed:
        raise Refusal(422, f"Unknown report.mode '{mode}', known are: {', '.join(allowed)}")
    return mode


def _named_project(lab: Lab, fields: Mapping[str, Any]) -> ProjectSpec:
    if "id" in fields:
        return find_project(lab, str(whole_of("id", fields["id"])))
    name = text_of("project.name", fields.get("project.name", ""))
    if not name:
        raise Refusal(422, "Missing mandatory parameter 'id' or 'project.name'")
    if name not in lab.file.projects:
        raise Refusal(404, f"Project '{name}' not found")
    return lab.file.projects[name]


def _selected(project: ProjectSpec, test_ids: Any) -> tuple[TestSpec, ...]:
    if test_ids is None:
        return project.tests
    parts = test_ids if isinstance(test_ids, list) else text_of("test_ids", test_ids).split(",")
    wanted = [whole_of("test_ids", part) for part in parts]
    strangers = [number for number in wanted if number not in {test.id for test in project.tests}]
    if strangers:
        raise Refusal(422, f"Test {strangers[0]} is not part of project '{project.name}'")
    return tuple(test for test in project.tests if test.id in wanted)
