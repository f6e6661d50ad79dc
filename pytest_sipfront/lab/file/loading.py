"""Read a lab file: check names that refer to each other, assign ids, and link tests and projects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Any

from pytest_sipfront.lab.backend import Backend
from pytest_sipfront.lab.file.lab_file import (
    DEFAULT_PROJECT,
    FIRST_PROJECT_ID,
    FIRST_TEST_ID,
    LabDocument,
    LabFile,
    ProjectSection,
    ProjectSpec,
    TestSpec,
)
from pytest_sipfront.tables import TableError, read_table
from pytest_sipfront.yaml_models import PlainScalar, YamlDocument, resolved
from pytest_sipfront.yaml_schema import unknown

_STEPS = ("tests", "*", "steps", "*", "*")
REFERENCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("projects", ("tests", "*", "project")),
    ("tests", ("projects", "*", "tests", "*")),
    ("prompts", ("phones", "*", "play")),
    ("prompts", ("phones", "*", "menu", "*", "play")),
    ("prompts", ("phones", "*", "wrong_prompt", "*")),
    ("prompts", (*_STEPS, "prompt")),
    ("prompts", ("tests", "*", "conditions", "prompt_heard")),
    ("prompts", ("tests", "*", "conditions", "prompt_heard", "*")),
    ("phones", (*_STEPS, "phone")),
    ("phones", ("sift", "callees", "*", "phone")),
)
"""Sections whose entries are referred to by name, each with the place of such a name."""


def load(text: str, backend: Backend, *, name: str = "lab.yaml", directory: Path | None = None) -> LabFile:
    """Return the lab file `text`.

    Args:
        text: The text of the file.
        backend: The backend that executes its tests.
        name: The name of the file in error messages.
        directory: The directory where its relative paths start (default: the current one).

    Raises:
        YamlFileError: The file has mistakes. The text lists all, with file, line and key path.
    """
    return _load(YamlDocument(text, name), backend, directory or Path.cwd())


def load_path(path: Path, backend: Backend) -> LabFile:
    """Return the lab file at `path`.

    Raises:
        YamlFileError: It cannot be read, or has mistakes.
    """
    return _load(YamlDocument.read(path), backend, path.resolve().parent)


def load_default(backend: Backend) -> LabFile:
    """Return the lab file that is part of the package."""
    text = resources.files("pytest_sipfront.lab").joinpath("default.yaml").read_text(encoding="utf-8")
    return load(text, backend, name="default.yaml")


def _load(source: YamlDocument, backend: Backend, directory: Path) -> LabFile:
    _add_phones(source, directory)
    document = source.validate(LabDocument, context=directory)
    _check_sections(source)
    _check_references(source)
    for section, key in (("tests", "id"), ("projects", "id"), ("phones", "number")):
        _check_unique(source, section, key)
    source.raise_mistakes()
    assert document is not None  # noqa: S101 - an invalid document has mistakes
    file = _linked(document, directory)
    for path, text in backend.mistakes(file):
        source.report(path, text)
    source.raise_mistakes()
    return file


def _add_phones(source: YamlDocument, directory: Path) -> None:
    """Add the phones of the table to the section `phones`. `validate` reports an invalid reference to a table."""
    given = next((value for _, value in source.find("phone_table")), None)
    entry = given if isinstance(given, dict) else {"file": given}
    if not isinstance(entry.get("file"), str):
        return
    path = directory / str(entry["file"])
    if resolved(entry.get("allow_outside")) is not True and not path.resolve().is_relative_to(directory.resolve()):
        return
    shown = str(Path(source.name).parent / str(entry["file"]))
    try:
        table = read_table(path)
    except TableError as error:
        for line in str(error).splitlines():
            source.report(("phone_table",), line.replace(str(path.absolute()), shown))
        return
    for row in table.rows:
        place = (shown, row.line)
        cells = {column: cell for column, cell in row.items() if cell and column != "name"}
        if name := row.get("name") or row.get("number"):
            source.add("phones", name, _nested(cells), place)
        else:
            source.report_elsewhere(place, "the row has neither name nor number")


def _nested(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return the cells as nested mappings: the column `line.loss` is the key `loss` within `line`."""
    entries: dict[str, Any] = {}
    for column, cell in cells.items():
        section, dot, key = column.partition(".")
        if dot:
            entries.setdefault(section, {})[key] = cell
        else:
            entries[column] = cell
    return entries


# ---- mistakes that concern several keys, found in files with other mistakes, too ----------------------------------


def _check_sections(source: YamlDocument) -> None:
    top = next(source.find(), ((), None))[1]
    if isinstance(top, dict) and not {"tests", "sift"} & top.keys() and top.keys() <= LabDocument.model_fields.keys():
        source.report((), "missing required key 'tests'")


def _check_references(source: YamlDocument) -> None:
    for section, pattern in REFERENCES:
        names = {str(path[-1]): None for path, _ in source.find(section, "*")}
        for path, name in source.find(*pattern):
            if not isinstance(name, str) or not name or name in names:
                continue
            if section == "projects" and (not names or isinstance(name, PlainScalar)):
                continue  # without the section tests create the projects they name; an unquoted number is no name
            source.report(path, unknown(section.removesuffix("s"), name, names))


def _check_unique(source: YamlDocument, section: str, key: str) -> None:
    values: list[str] = []
    for path, value in source.find(section, "*", key):
        if str(value) in values:
            source.report(path, f"duplicate {key} {value}")
        values.append(str(value))


# ---- ids and links -----------------------------------------------------------------------------------------------


def _linked(document: LabDocument, directory: Path) -> LabFile:
    sections = document.projects
    listed = {test: project for project in reversed(list(sections)) for test in sections[project].tests or ()}
    projects = {
        name: test.project if test.project is not None else listed.get(name, DEFAULT_PROJECT)
        for name, test in document.tests.items()
    }
    ids = _ids({name: test.id for name, test in document.tests.items()}, FIRST_TEST_ID)
    tests = {
        name: TestSpec(**{**dict(test), "name": name, "id": ids[name], "project": projects[name]})
        for name, test in document.tests.items()
    }
    sections = {**sections, **{name: ProjectSection() for name in projects.values() if name not in sections}}
    return LabFile(
        **{**dict(document), "tests": tests, "projects": _projects(sections, tests)},
        directory=directory,
    )


def _ids(given: Mapping[str, int | None], first: int) -> dict[str, int]:
    """Return an id for each name: the one given, or the next free one."""
    free = (number for number in count(first) if number not in given.values())
    return {name: number if number is not None else next(free) for name, number in given.items()}


def _projects(sections: Mapping[str, ProjectSection], tests: Mapping[str, TestSpec]) -> dict[str, ProjectSpec]:
    ids = _ids({name: section.id for name, section in sections.items()}, FIRST_PROJECT_ID)

    def members(name: str, listed: Iterable[str] | None) -> Iterator[TestSpec]:
        if listed is None:
            return (test for test in tests.values() if test.project == name)
        return (tests[test] for test in listed)

    return {
        name: ProjectSpec(
            **{**dict(section), "name": name, "id": ids[name], "tests": tuple(members(name, section.tests))}
        )
        for name, section in sections.items()
    }
