from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_sipfront.lab

ROOM = Path(pytest_sipfront.lab.__file__).parent
OWN_MODULES = sorted(ROOM.glob("*.py"))
MODULES = sorted(ROOM.rglob("*.py"))


def imported(module: Path) -> set[str]:
    """Every module that a file imports anywhere, by its full name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOM)))
def test_the_lab_shares_no_code_with_the_clients(module: Path) -> None:
    """One misreading of the documentation must not hide in both: no other room, and no pytest."""
    for name in imported(module):
        assert not name.startswith("pytest_sipfront.") or name.startswith("pytest_sipfront.lab"), name
        assert name.partition(".")[0] != "pytest", name


@pytest.mark.parametrize("module", OWN_MODULES, ids=lambda path: path.name)
def test_the_platform_s_stand_in_needs_no_http_client(module: Path) -> None:
    """It only answers; what a client library would think of an answer must not shape it."""
    assert not {"httpx", "tenacity", "urllib3", "requests"} & {name.partition(".")[0] for name in imported(module)}


@pytest.mark.parametrize("module", ["process.py", "diagnosis.py"])
def test_starting_a_lab_needs_the_standard_library_alone(module: str) -> None:
    """The plugin imports `process` in every session, and by it what a self-check found."""
    foreign = {name for name in imported(ROOM / module) if name.partition(".")[0] not in sys.stdlib_module_names}
    assert all(name.startswith("pytest_sipfront.lab.diagnosis.") for name in foreign)


def test_importing_process_loads_no_web_framework() -> None:
    """Also not by way of a package's own `__init__`."""
    program = (
        "import sys, pytest_sipfront.lab.process\n"
        "print(sorted({'yaml', 'starlette', 'uvicorn', 'httpx', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
