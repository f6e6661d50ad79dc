"""Writes a first suite: from the package, or from the tests and projects of an account."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import click

from pytest_sipfront.cli.output import print_error, print_json
from pytest_sipfront.clients.service_text import one_line
from pytest_sipfront.clients.sipfront.models import Document
from pytest_sipfront.plugin.command_session import PASSED, USAGE, CommandSession

TEMPLATES = ("pytest.ini", "lab.yaml", "first.sipfront.yaml")
SCHEMAS = {"lab.schema.json": "lab", "suite.schema.json": "suites"}
"""The JSON Schema that editors use, and the room that ships it."""
_ACCOUNT_SUITE = """# yaml-language-server: $schema=suite.schema.json
# The tests and projects of the account. pytest.ini says whether they run against the lab.

tests:
"""
_ACCOUNT_LAB = """# yaml-language-server: $schema=lab.schema.json
# The tests of the account, as the lab simulates them: every run takes half a second and passes, without a call.
# For real calls on this machine, describe phones and steps.
"""


def write_first_suite(directory: Path, *, as_json: bool) -> int:
    """Write the suite of the package to `directory`, without overwriting a file."""
    texts = {name: _template(name) for name in TEMPLATES}
    return _write(directory, texts, "Two tests pass. One fails for a reason that lab.yaml explains.", as_json=as_json)


def write_account_suite(session: CommandSession, directory: Path, *, as_json: bool) -> int:
    """Write a suite with the tests and projects of the account to `directory`, without overwriting a file."""
    tests: Document = session.ask("tests")
    projects: Document = session.ask("projects")
    names, members = _names(tests), _tests_by_project(tests, projects)
    if not names:
        print_error("the account lists no test by name; `pytest-sipfront tests --json` prints the list")
        return USAGE
    counts = f"{len(names)} tests and {len(members)} projects"
    note = f"{counts}, which run against the lab. pytest.ini says how to use the account."
    return _write(directory, account_texts(tests, projects), note, as_json=as_json)


def account_texts(tests: Document, projects: Document) -> dict[str, str]:
    """Return the files of a suite with the tests and projects of an account, by name."""
    names, members = _names(tests), _tests_by_project(tests, projects)
    return {
        "pytest.ini": _template("pytest.ini"),
        "lab.yaml": _account_lab(names, members),
        "account.sipfront.yaml": _ACCOUNT_SUITE + "\n".join(_suite_tests(_by_name(tests, "tests"), names, members)),
    }


def _names(tests: Document) -> list[str]:
    return list(_by_name(tests, "tests")) or [name for name in tests.names() if name.strip()]


def _by_name(document: Document, kind: str) -> dict[str, Mapping[str, Any]]:
    return {
        entry["name"]: entry
        for entry in document.entries(kind)
        if isinstance(entry.get("name"), str) and entry["name"].strip()
    }


def _tests_by_project(tests: Document, projects: Document) -> dict[str, list[str]]:
    """Return the names of the tests of each project that has any: the shape of both lists is not published."""
    known = _by_name(tests, "tests")
    members: dict[str, list[str]] = {}
    for name, entry in _by_name(projects, "projects").items():
        listed = entry.get("tests") if isinstance(entry.get("tests"), list) else []
        names = [each.get("name") if isinstance(each, Mapping) else each for each in listed or []]
        names += [test for test, of_test in known.items() if of_test.get("project_name") == name]
        if found := list(dict.fromkeys(each for each in names if isinstance(each, str) and each in known)):
            members[name] = found
    return members


def _account_lab(names: list[str], members: Mapping[str, list[str]]) -> str:
    lines = [f"  {_quoted(name)}: {{takes: 0.5, verdict: passed}}" for name in names]
    projects = [f"  {_quoted(name)}: {{tests: {_quoted(tests)}}}" for name, tests in members.items()]
    return "\n".join([f"{_ACCOUNT_LAB}tests:", *lines, *(["projects:", *projects] if projects else []), ""])


def _suite_tests(
    entries: Mapping[str, Mapping[str, Any]], names: list[str], members: Mapping[str, list[str]]
) -> Iterator[str]:
    taken: set[str] = set()
    for kind, of_kind in (("test", names), ("project", list(members))):
        for name in of_kind:
            parameters = entries.get(name, {}).get("parameters") if kind == "test" else None
            comment = f"    # parameters: {one_line(json.dumps(parameters))}\n" if parameters else ""
            title = _title(name if kind == "test" else f"project {name}", taken)
            escaped = name.replace("{", "{{").replace("}", "}}")
            yield f"  - name: {_quoted(title)}\n    {kind}: {_quoted(escaped)}\n{comment}"


def _quoted(value: str | list[str]) -> str:
    """Return YAML for a text or a list of texts. A pair of surrogates, as JSON escapes them, is no text in YAML."""
    return json.dumps(value, ensure_ascii=False)


def _title(name: str, taken: set[str]) -> str:
    """Return a unique name that a suite file accepts."""
    words = re.sub(r"[\[\]{}]|::", " ", "".join(each if each.isprintable() else " " for each in name))
    base = title = re.sub(r"^[\W_]+|^pytest_[\W_]*", "", " ".join(words.split())) or "test"
    while title in taken:
        title = f"{base} {len(taken)}"
    taken.add(title)
    return title


def _template(name: str) -> str:
    return resources.files("pytest_sipfront.cli").joinpath("templates", name).read_text(encoding="utf-8")


def _schemas() -> dict[str, str]:
    return {
        name: resources.files(f"pytest_sipfront.{room}").joinpath(name).read_text(encoding="utf-8")
        for name, room in SCHEMAS.items()
    }


def _write(directory: Path, texts: Mapping[str, str], note: str, *, as_json: bool) -> int:
    files = {directory / name: text for name, text in {**texts, **_schemas()}.items()}
    if present := [str(path) for path in files if path.exists()]:
        print_error(f"{', '.join(present)} already exists and is not overwritten; choose another directory")
        return USAGE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        print_error(f"cannot write {error.filename}: {error.strerror}")
        return USAGE
    if as_json:
        print_json({"files": [str(path) for path in files]})
        return PASSED
    for path in files:
        click.echo(f"wrote {path}")
    click.echo(f"{note}\nNext: pytest{'' if directory == Path() else f' {directory}'}")
    return PASSED
