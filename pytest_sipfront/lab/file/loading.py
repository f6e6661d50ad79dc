"""Reads a lab file: which keys there are, what they hold, and how its tests and projects refer to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Any

from pytest_sipfront.lab.backend import CALL_FILE_KEYS, CALL_TEST_KEYS, Backend
from pytest_sipfront.lab.file.field_types import (
    Choice,
    Convert,
    Either,
    Flag,
    Json,
    ListOf,
    MapOf,
    Marked,
    Number,
    Text,
    Whole,
)
from pytest_sipfront.lab.file.lab_file import (
    AccountSpec,
    Box,
    FaultSpec,
    LabFile,
    ProjectSpec,
    Rule,
    Span,
    TestSpec,
)
from pytest_sipfront.lab.file.schema import Field, Free, LabFileError, Located, Place, Section, Source, nearest
from pytest_sipfront.lab.file.sift_loading import sift_section
from pytest_sipfront.lab.file.sift_section import SiftSpec

DEFAULT_PROJECT = "Default"
FIRST_TEST_ID = 101
FIRST_PROJECT_ID = 1

_RUN_FAULTS = ("launch", "status", "last", "stats", "any")
ACCOUNT_FAULTS = (*_RUN_FAULTS, "explore", "tests", "projects", "runs", "appimages")


def load(text: str, engine: Backend, *, name: str = "lab.yaml", directory: Path | None = None) -> LabFile:
    """Return what `text` says; `name` is the file's name in errors, relative paths start in `directory` (here).

    Raises:
        LabFileError: The text is no valid lab file. The message has file, line, what is given and what is allowed.
    """
    source = Source(text, name)
    root = source.root()
    raw = _file_section(engine).read(source, root)
    if raw["tests"] is None and raw["sift"] is None:
        raise source.place(root).error("a lab file lacks its key 'tests'")
    _check_phones(raw["sift"], raw.get("phones"), name)
    projects = _Numbered(raw["projects"], FIRST_PROJECT_ID)
    tests = _tests(raw["tests"] or {}, projects)
    return LabFile(
        name=name,
        directory=directory or Path.cwd(),
        account=raw["account"],
        tests=tests,
        projects=_projects(projects, tests),
        faults=raw["faults"],
        seed=raw["seed"],
        extras={key: raw[key] for key in engine.file_keys},
        sift=raw["sift"],
    )


def load_path(path: Path, engine: Backend) -> LabFile:
    """Return what the file at `path` says.

    Raises:
        LabFileError: It cannot be read, or is no valid lab file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Place(str(path), 0).error(f"cannot be read: {reason}") from None
    return load(text, engine, name=str(path), directory=path.resolve().parent)


def load_default(engine: Backend) -> LabFile:
    """Return the lab file that comes with the package."""
    text = resources.files("pytest_sipfront.lab").joinpath("default.yaml").read_text(encoding="utf-8")
    return load(text, engine, name="default.yaml")


# ---- sections ---------------------------------------------------------------------------------------------------


def _span(bounds: tuple[float, ...]) -> Span:
    if len(bounds) != 2:  # noqa: PLR2004 - a pair
        raise ValueError(f"given is a list of {len(bounds)}, allowed is a list of two: [least, most] seconds")
    return Span(*bounds)


_SECONDS = Number(low=0)
_SPAN = Either(
    Convert(_SECONDS, lambda seconds: Span(seconds, seconds)),
    Convert(ListOf(_SECONDS), _span),
)
_TEXTS = MapOf(Text(verbatim=True))
FAULT_FIELDS = {
    "only": Field(_TEXTS, {}),
    "during": Field(Choice("running", "finished"), None),
    "after": Field(Whole(low=0), 0),
    "times": Field(Whole(low=1), None),
    "latency": Field(_SECONDS, 0.0),
    "status": Field(Whole(200, 599), None),
    "retry_after": Field(_SECONDS, None),
    "headers": Field(_TEXTS, {}),
    "error": Field(Text(verbatim=True), None),
    "error_key": Field(Choice("error", "description", "message", "plain", "none"), "error"),
    "drop": Field(Choice("before", "after"), None),
    "html": Field(Flag(), False),
    "body": Field(Convert(Json(), lambda value: Box(value=value)), None),
    "omit": Field(ListOf(Text(verbatim=True)), ()),
    "set": Field(MapOf(Json()), {}),
    "flip": Field(ListOf(Text(verbatim=True)), ()),
    "effect": Field(Flag(), None),
}
_ACCOUNT = Section(
    "account",
    {
        "public_key": Field(Text(verbatim=True), None),
        "secret_key": Field(Text(verbatim=True), None),
        "concurrent_runs": Field(Whole(low=1), None),
        "retry_after": Field(_SECONDS, 1.0),
        "agentpool": Field(Text(), "lab"),
    },
    AccountSpec,
)
_RULE = Section(
    "an entry of 'when'",
    {
        "verdict": Field(Text(), None),
        "description": Field(Text(verbatim=True), None),
        "takes": Field(_SPAN, None),
    },
    Rule,
    free=Free("patterns", Text(verbatim=True), lambda key: "." in key),
)


def _faults(*on: str) -> Field:
    fields = {"on": Field(Choice(*on), "any"), **FAULT_FIELDS}
    return Field(ListOf(Section("a fault", fields, FaultSpec)), ())


TEST_FIELDS = {
    "id": Field(Marked(Whole(low=1)), None),
    "project": Field(Marked(Text()), None),
    "testcase": Field(Text(), "Lab call"),
    "tags": Field(ListOf(Text(verbatim=True)), ()),
    "takes": Field(_SPAN, Span(0.3, 0.3)),
    "verdict": Field(Text(), "passed"),
    "description": Field(Text(verbatim=True), ""),
    "parameters": Field(_TEXTS, {}),
    "strict": Field(Flag(), False),
    "when": Field(ListOf(_RULE), ()),
    "states": Field(ListOf(Text(verbatim=True)), ()),
    "faults": _faults(*_RUN_FAULTS),
}
_PROJECT: Section[dict[str, Any]] = Section(
    "a project",
    {
        "id": Field(Marked(Whole(low=1)), None),
        "tests": Field(ListOf(Marked(Text(verbatim=True))), None),
        "takes": Field(_SPAN, None),
        "verdict": Field(Text(), None),
        "states": Field(ListOf(Text(verbatim=True)), ()),
        "faults": _faults(*_RUN_FAULTS),
    },
    dict,
)


def _file_section(engine: Backend) -> Section[dict[str, Any]]:
    test: Section[dict[str, Any]] = Section(
        "a test",
        {**TEST_FIELDS, **engine.test_keys},
        dict,
        unavailable=_refused(CALL_TEST_KEYS, engine),
    )
    fields = {
        "account": Field(_ACCOUNT, AccountSpec()),
        "faults": _faults(*ACCOUNT_FAULTS),
        "seed": Field(Whole(), 0),
        "tests": Field(MapOf(test), None),
        "projects": Field(MapOf(_PROJECT), {}),
        "sift": Field(sift_section(FAULT_FIELDS), None),
        **engine.file_keys,
    }
    return Section("a lab file", fields, dict, unavailable=_refused(CALL_FILE_KEYS, engine))


def _refused(keys: Iterable[str], engine: Backend) -> dict[str, str]:
    return {key: f"'{key}' needs real calls, which this lab cannot place: {engine.unavailable}" for key in keys}


# ---- how tests and projects refer to each other -----------------------------------------------------------------


class _Numbered:
    """Raw entries by name, each with its id: the one given, or the next that is free."""

    def __init__(self, raw: Mapping[str, dict[str, Any]], first: int) -> None:
        self.raw = dict(raw)
        self.declared = tuple(raw)
        self.ids = self._given()
        self._free = (number for number in count(first) if number not in self.ids.values())
        for name in raw:
            self.add(name)

    def add(self, name: str) -> None:
        """Number `name`, which may be new here."""
        self.raw.setdefault(name, {})
        if name not in self.ids:
            self.ids[name] = next(self._free)

    def _given(self) -> dict[str, int]:
        ids: dict[str, int] = {}
        for name, values in self.raw.items():
            located: Located[int] | None = values.pop("id")
            if located is None:
                continue
            if located.value in ids.values():
                raise located.place.error(f"id {located.value} is given twice, allowed is each id once")
            ids[name] = located.value
        return ids


def _tests(raw: Mapping[str, dict[str, Any]], projects: _Numbered) -> dict[str, TestSpec]:
    numbered = _Numbered(raw, FIRST_TEST_ID)
    listed = _listed(projects, raw)
    tests = {}
    for name, values in numbered.raw.items():
        named: Located[str] | None = values.pop("project")
        if named is not None and projects.declared and named.value not in projects.declared:
            raise _unknown("project", named, projects.declared)
        project = named.value if named is not None else listed.get(name, DEFAULT_PROJECT)
        projects.add(project)
        tests[name] = TestSpec(name=name, id=numbered.ids[name], project=project, **values)
    return tests


def _listed(projects: _Numbered, tests: Iterable[str]) -> dict[str, str]:
    """Return for each test that some project lists the first project that does."""
    listed: dict[str, str] = {}
    for project, values in projects.raw.items():
        for test in values["tests"] or ():
            if test.value not in tests:
                raise _unknown("test", test, tests)
            listed.setdefault(test.value, project)
    return listed


def _projects(numbered: _Numbered, tests: Mapping[str, TestSpec]) -> dict[str, ProjectSpec]:
    projects = {}
    for name, values in numbered.raw.items():
        listed: tuple[Located[str], ...] | None = values.pop("tests", None)
        if listed is None:
            members = tuple(test for test in tests.values() if test.project == name)
        else:
            members = tuple(tests[test.value] for test in listed)
        projects[name] = ProjectSpec(name=name, id=numbered.ids[name], tests=members, **values)
    return projects


def _check_phones(sift: SiftSpec | None, phones: Mapping[str, Any] | None, file: str) -> None:
    if sift is None or phones is None:  # no calls here: the script answers
        return
    for number, callee in sift.callees.items():
        if callee.phone is not None and callee.phone not in phones:
            known = f"There are: {', '.join(phones) or 'none'}"
            hint = nearest(callee.phone, phones)
            raise LabFileError(f"{file}: sift: callee '{number}': there is no phone '{callee.phone}'.{hint} {known}")


def _unknown(what: str, given: Located[str], allowed: Iterable[str]) -> LabFileError:
    names = list(allowed)
    hint = nearest(given.value, names)
    return given.place.error(f"unknown {what} '{given.value}'.{hint} Allowed: {', '.join(names)}")
