"""What a handler of an endpoint is given and gives back.

A handler only looks up and validates; the returned `EndpointResult` carries out. Between the two the fault, if any, is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pytest_sipfront.lab.file.lab_file import ProjectSpec, TestSpec
from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform import responses
from pytest_sipfront.lab.platform.account import Refusal
from pytest_sipfront.lab.platform.faults import LabResponse, Subject

NOTHING = Subject()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRequest:
    """One request: the URL it came to ("http://host:port"), the variable parts of its path, its body's fields."""

    origin: str
    path: Mapping[str, str]
    fields: Any = None


@dataclass(frozen=True, slots=True)
class EndpointResult:
    """What a request is about, and the function that carries it out and answers."""

    subject: Subject
    carry_out: Callable[[], LabResponse]


Handler: TypeAlias = Callable[[Lab, EndpointRequest], EndpointResult]


def answering(part: str, content: Any) -> EndpointResult:
    """Return the step that answers `content` under `part` and is about no run."""
    return EndpointResult(NOTHING, lambda: answer(part, content))


def answer(part: str, content: Any) -> LabResponse:
    """Return the answer with `content` under `part`."""
    return LabResponse(body=responses.wrapped(part, content), part=part)


def find_test(lab: Lab, number: str) -> TestSpec:
    """Return the test with an id, or refuse with 404."""
    for test in lab.file.tests.values():
        if str(test.id) == number:
            return test
    raise Refusal(404, f"Test {number} not found")


def find_project(lab: Lab, number: str) -> ProjectSpec:
    """Return the project with an id, or refuse with 404."""
    for project in lab.file.projects.values():
        if str(project.id) == number:
            return project
    raise Refusal(404, f"Project {number} not found")
