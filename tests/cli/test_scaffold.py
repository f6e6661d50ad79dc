"""The first suite of a user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.cli.scaffold import SCHEMAS, account_texts
from pytest_sipfront.clients.service_text import clean
from pytest_sipfront.clients.sipfront.models import Document
from pytest_sipfront.lab import check_lab_file
from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.file.loading import load_path as load_lab
from pytest_sipfront.lab.process import LabProcess
from pytest_sipfront.suites.loading import load_path as load_suite
from tests.cli.conftest import Program
from tests.lab.calls.placing import needs_stack
from tests.support import TIMEOUT


def run_pytest(directory: Path, **environment: str) -> str:
    """Run pytest as a user does, and return its output."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("SIPFRONT_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", str(directory)]
    done = subprocess.run(
        command, env=plain | environment, capture_output=True, text=True, check=False, timeout=TIMEOUT, cwd=directory
    )
    return done.stdout + done.stderr


@needs_stack
def test_the_first_suite_is_red_once_and_says_how_to_repair_it(program: Program, tmp_path: Path) -> None:
    """Real calls without an account: two tests pass; the third does after the line that the lab file names is gone."""
    assert program("new", "first").code == 0
    output = run_pytest(tmp_path / "first")
    assert "1 failed, 2 passed" in output
    assert "silence from callee" in output
    lab_file = tmp_path / "first" / "lab.yaml"
    text = lab_file.read_text()
    assert "Remove `silent: true`" in text
    lab_file.write_text(text.replace(", silent: true", ""))
    assert "3 passed" in run_pytest(tmp_path / "first")


def test_no_file_is_overwritten(program: Program, tmp_path: Path) -> None:
    """If one of the files exists, none is written."""
    assert program("new").code == 3  # the fixture has written pytest.ini
    (tmp_path / "lab.yaml").write_text("mine")
    (tmp_path / "pytest.ini").unlink()
    done = program("new")
    assert (done.code, done.out) == (3, "")
    assert "error: lab.yaml already exists and is not overwritten" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["lab.yaml"]


def test_a_directory_that_cannot_be_written(program: Program, tmp_path: Path) -> None:
    """The message has the path and the reason."""
    (tmp_path / "file").touch()
    done = program("new", "file/below")
    assert (done.code, done.out) == (3, "")
    assert "cannot write" in done.err


@pytest.mark.slow
def test_the_suite_of_an_account_passes_in_its_lab(program: Program, account: LabProcess, tmp_path: Path) -> None:
    """Each test and each project has a pytest test. Without a change of the ini file, no call is paid."""
    account.configure(
        "tests:\n"
        "  Basic call: {project: Nightly, parameters: {step.1.0.dial_destination: '1001'}}\n"
        "  basic-call: {}\n"
        "  '{braces} \"quotes\" ''and'' \\ 100 %': {}\n"
        "  'Überlauf ☎': {}\n"
        "  '[a]::b': {}\n"
        "  '_a b': {}\n"
        "projects: {Nightly: {tests: [Basic call]}}\n"
    )
    done = program("new", "suite", "--from-account", "--json")
    assert done.code == 0
    assert {Path(path).name for path in done.json["files"]} == {path.name for path in (tmp_path / "suite").iterdir()}
    check_lab_file(tmp_path / "suite" / "lab.yaml")
    assert set(yaml.safe_load((tmp_path / "suite" / "lab.yaml").read_text())["projects"]) == {"Nightly", "Default"}
    before = account.counts["launch_requests"]
    assert "8 passed" in run_pytest(tmp_path / "suite", SIPFRONT_BASE_URL=account.url)
    assert account.counts["launch_requests"] == before


@pytest.mark.usefixtures("account")
def test_an_account_without_a_known_list_gives_no_suite(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The message says how to look at the list."""
    from pytest_sipfront.plugin.command_session import CommandSession

    monkeypatch.setattr(CommandSession, "ask", lambda *_: Document({"status": 200}))
    done = program("new", "suite", "--from-account")
    assert (done.code, (tmp_path / "suite").exists()) == (3, False)
    assert "pytest-sipfront tests --json" in done.err


def test_editors_find_the_schemas_that_the_files_name(program: Program, tmp_path: Path) -> None:
    """They are the schemas of the installed version."""
    program("new", "first")
    for file, schema, kind in (
        ("lab.yaml", "lab.schema.json", "lab"),
        ("first.sipfront.yaml", "suite.schema.json", "suite"),
    ):
        assert (tmp_path / "first" / file).read_text().startswith(f"# yaml-language-server: $schema={schema}\n")
        assert (tmp_path / "first" / schema).read_text() == program("schema", kind).out
        assert schema in SCHEMAS


TEXT = st.text(min_size=1).map(clean).filter(str.strip)
ENTRIES = st.lists(st.fixed_dictionaries({"name": TEXT, "parameters": st.dictionaries(TEXT, TEXT)}), min_size=1)


@given(ENTRIES, ENTRIES, st.data())
def test_any_names_give_files_that_can_be_loaded(
    tmp_path_factory: pytest.TempPathFactory, tests: list[dict[str, Any]], projects: list[Any], data: st.DataObject
) -> None:
    """Quotes, braces, emoji, and names that a suite file rejects. Each test and project has a test."""
    members = st.lists(st.sampled_from(tests) | st.integers() | st.lists(TEXT))
    listed = [{**project, "tests": data.draw(members)} for project in projects]
    texts = account_texts(Document({"tests": tests}), Document({"projects": listed}))
    directory = tmp_path_factory.mktemp("suite")
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    file = load_lab(directory / "lab.yaml", ScriptedBackend())
    assert {test["name"] for test in tests} == set(file.tests)
    suite = load_suite(directory / "account.sipfront.yaml", directory)
    suite.raise_mistakes()
    assert len(suite.entries) >= len(file.tests)
