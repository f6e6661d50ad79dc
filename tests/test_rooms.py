"""The house's arrows: which room may import which. A room is a directory or a module of the package."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_sipfront

HOUSE = Path(pytest_sipfront.__file__).parent
PACKAGE = "pytest_sipfront"
HTTP_LIBRARIES = {"httpx", "httpcore", "starlette", "uvicorn", "tenacity", "yaml"}

# Bottom-up: a room may import from the rooms that stand above it, none of which leads back.
FLOORS = (
    {"errors", "secret", "closure", "workers", "interrupts", "checking"},
    {"http", "keys", "readers", "ahead"},
    {"sipfront", "sift", "options"},
    {"verdict"},
    {"runs", "marker"},
    {"marks", "background", "hookspecs", "keeping"},
    {"reports", "access"},
    {"session"},
    {"marked", "imperative"},
    {"state", "suites"},
    {"late"},
    {"fixtures", "planning", "sift's pytest side"},
    {"plugin"},
)
ONLY_LAB_STARTERS = {"access", "fixtures", "state"}
LAB_DOORS = ("process", "checking", "diagnosis")
SIFT_CLIENT = {"client", "models", "reading", "routine", "receiver", "record", "progress", "timeline"}
CLIENTS = {"errors", "secret", "http", "sipfront", "sift"}


def _modules() -> list[Path]:
    return sorted(HOUSE.rglob("*.py"))


def _room(path: Path) -> str:
    return _room_of(".".join([PACKAGE, *path.relative_to(HOUSE).with_suffix("").parts]))


def _room_of(name: str) -> str:
    _, room, *rest = name.split(".")
    return "sift's pytest side" if room == "sift" and rest and rest[0] not in SIFT_CLIENT else room


def _imports(path: Path) -> Iterator[str]:
    """Every module that is imported anywhere in a file, late imports included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _rooms_of(path: Path) -> set[str]:
    """The package's rooms that a file imports, itself excepted."""
    found = {_room_of(name) for name in _imports(path) if name.startswith(f"{PACKAGE}.")}
    return found - {_room(path)}


def _top_levels(path: Path) -> set[str]:
    return {name.split(".")[0] for name in _imports(path)}


def _name(path: Path) -> str:
    return str(path.relative_to(HOUSE))


def _floor(room: str) -> int:
    found = [number for number, floor in enumerate(FLOORS) if room in floor]
    assert found, f"{room} has no floor yet: give it one, or none of this is held"
    return found[0]


@pytest.mark.parametrize("path", [p for p in _modules() if _room(p) not in {"lab", "__init__"}], ids=_name)
def test_arrows_point_one_way(path: Path) -> None:
    """A room imports only from the floors before its own."""
    room = _room(path)
    for other in _rooms_of(path) - {"lab"}:
        assert _floor(other) < _floor(room), f"{room} must not import from {other}"


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_the_lab_is_started_and_otherwise_left_alone(path: Path) -> None:
    """Only who starts it imports its doors; none of its code is shared, so no misreading hides in both."""
    names = {name for name in _imports(path) if name.startswith(f"{PACKAGE}.lab")}
    if _room(path) != "lab" and names:
        assert _room(path) in ONLY_LAB_STARTERS
        assert all(name.startswith(tuple(f"{PACKAGE}.lab.{door}." for door in LAB_DOORS)) for name in names)


@pytest.mark.parametrize("path", [p for p in _modules() if _room(p) == "lab"], ids=_name)
def test_the_lab_stands_alone(path: Path) -> None:
    """It shares no code with the clients, and needs no pytest."""
    assert _rooms_of(path) == set()
    assert not {"pytest", "_pytest"} & _top_levels(path)


@pytest.mark.parametrize("path", [p for p in _modules() if _room(p) in CLIENTS], ids=_name)
def test_the_clients_know_nothing_of_pytest(path: Path) -> None:
    """They are of use without it."""
    assert not {"pytest", "_pytest", "pluggy"} & _top_levels(path)


@pytest.mark.parametrize("path", [p for p in _modules() if _room(p) in {"runs", "verdict"}], ids=_name)
def test_the_engine_knows_neither_pytest_nor_http(path: Path) -> None:
    """Its decisions are tested with neither; of a client it knows the models."""
    assert not {"pytest", "_pytest", "httpx", "httpcore", "tenacity"} & _top_levels(path)
    of_client = {name for name in _imports(path) if name.startswith(f"{PACKAGE}.sipfront.")}
    assert all(name.startswith(f"{PACKAGE}.sipfront.models.") for name in of_client)


def _brings(module: str, *, whole: bool = False) -> set[str]:
    """The modules that importing `module` loads: their first names, or their whole ones."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name if whole else name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "module", [f"{PACKAGE}.{name}" for name in ("http", "sipfront.client", "sipfront.models", "runs.engine", "verdict")]
)
def test_importing_a_client_or_the_engine_imports_no_pytest(module: str) -> None:
    """As said above, in fact."""
    assert not {"pytest", "_pytest"} & _brings(module)


def test_importing_the_engine_imports_no_http_library() -> None:
    """It speaks to a client that it is given."""
    assert not HTTP_LIBRARIES & _brings(f"{PACKAGE}.runs.engine")


def test_importing_the_plugin_imports_no_http_library() -> None:
    """A session without a Sipfront test pays nothing: neither for HTTP, nor for an event loop."""
    brought = _brings(f"{PACKAGE}.plugin")
    assert "pytest" in brought
    assert not (HTTP_LIBRARIES | {"anyio", "ssl"}) & brought


def test_importing_the_lab_imports_no_client() -> None:
    """In its process there is nothing of theirs."""
    brought = _brings(f"{PACKAGE}.lab.app", whole=True)
    assert not {"pytest", f"{PACKAGE}.http", f"{PACKAGE}.sipfront", f"{PACKAGE}.sift"} & brought
