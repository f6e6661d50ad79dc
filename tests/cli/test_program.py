"""The program as a whole: how it starts, its exit codes, and the commands that wrap others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from pytest_sipfront.cli import commands
from pytest_sipfront.plugin.command_session import run_pytest
from pytest_sipfront.yaml_schema import FileSchema
from tests.cli.conftest import Program

ROOT = Path(__file__).parents[2]


def test_the_module_and_the_entry_point_are_the_same_program() -> None:
    """`python -m pytest_sipfront` works where scripts are not on the PATH."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest_sipfront", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: pytest-sipfront [OPTIONS] COMMAND")
    assert 'pytest-sipfront = "pytest_sipfront.cli:main"' in (ROOT / "pyproject.toml").read_text()


def test_the_extra_is_named_if_it_is_missing() -> None:
    """One line and exit code 3."""
    code = "import sys; sys.modules['click'] = None; from pytest_sipfront.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    message = 'the command pytest-sipfront requires pip install "pytest-sipfront[cli]" (not installed: click)'
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"error: {message}\n")


def test_help_needs_no_http_library() -> None:
    """Completion and `--help` answer at once."""
    code = "import sys, pytest_sipfront.cli.commands; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"httpx", "anyio", "ssl", "pydantic", "starlette"} & set(done.stdout.split())


@pytest.mark.parametrize("name", commands.program.commands)
def test_every_command_is_documented(name: str) -> None:
    """A help text for each command and each of its options; the page prints them."""
    command = commands.program.commands[name]
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert "<!-- generated: commands -->" in (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")


def test_the_schema_of_lab_files(program: Program) -> None:
    """It is printed without the extra `lab`."""
    from pytest_sipfront.lab.file.lab_file import LabDocument

    assert program("schema", "lab").out == FileSchema.of(LabDocument).as_json()
    assert program("schema", "nonsense").code == 3


def test_lab_is_the_command_of_the_lab(program: Program, tmp_path: Path) -> None:
    """Its usage errors end with 3 here."""
    assert "--allow-remote" in program("lab", "--help").out
    assert program("lab", "--nonsense").code == 3
    (tmp_path / "bad.yaml").write_text("tset: {}")
    done = program("lab", "bad.yaml")
    assert done.code == 3
    assert "unknown key 'tset'" in done.err


def test_wrappers_pass_their_arguments_to_pytest(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options of pytest need no separator."""
    given: list[list[str]] = []

    def record(arguments: list[str]) -> int:
        given.append(arguments)
        return 0

    monkeypatch.setattr(commands, "run_pytest", record)
    program("prove", "tests", "-k", "call", "--sipfront-lab=lab.yaml")
    program("replay", "test_it.py::test_call[Graz]", "-q")
    assert given == [
        ["--sipfront-prove", "tests", "-k", "call", "--sipfront-lab=lab.yaml"],
        ["test_it.py::test_call[Graz]", "--sipfront-lab-keep", "-q"],
    ]


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("def test_it(): pass", 0),
        ("def test_it(): assert False", 1),
        ("def test_it(missing): pass", 2),
        ("def test_it(: pass", 2),
        ("", 3),
    ],
)
def test_exit_codes_of_sessions(tmp_path: Path, body: str, code: int) -> None:
    """An error before the body is no verdict, a failure is a verdict, and no test is a mistake in the arguments."""
    (tmp_path / "test_exit_code.py").write_text(body)
    assert run_pytest([str(tmp_path), "-q", "-pno:cacheprovider"]) == code
    sys.modules.pop("test_exit_code", None)


@pytest.mark.usefixtures("program")
def test_an_unknown_option_of_a_session_is_usage() -> None:
    """pytest prints it."""
    assert run_pytest(["--no-such-option"]) == 3


@pytest.mark.slow
def test_warnings_as_errors_do_not_disturb_the_program(tmp_path: Path) -> None:
    """Many suites turn warnings into errors in their ini file. Another process: this one is no user's."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = -ra\nsipfront_lab = true\n")
    (tmp_path / "test_it.py").write_text("def test_it(): pass")
    program = "from pytest_sipfront.cli.commands import run_program as run; code = run(['tests'])"
    session = "from pytest_sipfront.plugin.command_session import run_pytest as run; code = run(['test_it.py'])"
    for code in (program, session):
        command = [sys.executable, "-c", f"import sys, pytest_sipfront.cli; {code}; sys.exit(code)"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (done.returncode, done.stderr, "warnings summary" in done.stdout) == (0, "", False)
