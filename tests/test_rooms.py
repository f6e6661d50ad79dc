"""Rules between the rooms of the package, as `docs/architecture.md` describes them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import pytest_sipfront

PACKAGE = Path(pytest_sipfront.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
PYTEST = {"pytest", "_pytest", "pluggy", "xdist"}
HTTP = {"httpx", "httpcore", "starlette", "uvicorn", "tenacity", "anyio", "ssl", "yaml"}
SHARED = {
    "extras",
    "masking",
    "pages",
    "suggestions",
    "tables",
    "yaml_models",
    "yaml_schema",
}  # they know nothing of either service
LAYERS = (
    {"clients"},
    {"engine"},
    {"plugin", "sift", "suites"},
    {"cli"},
)  # a room imports from its layer and the layers before


def _room(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


def _name(path: Path) -> str:
    return ".".join(["pytest_sipfront", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


NAMES = {_name(path) for path in MODULES}
LONGEST_CHAIN = 10


def _imports(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, late imports included."""
    yield from _names_in(ast.parse(path.read_text(encoding="utf-8")), path)


def _names_in(module: ast.Module, path: Path) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in NAMES else node.module


def _early_imports(path: Path) -> set[str]:
    """Return the modules of the package that importing a file loads."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    module.body = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {name for name in _names_in(module, path) if name in NAMES and name != _name(path)}


def _ids(path: Path) -> str:
    return _name(path).removeprefix("pytest_sipfront.")


@pytest.mark.parametrize("path", MODULES, ids=_ids)
def test_imports_point_one_way(path: Path) -> None:
    """Clients know no engine, the engine no plugin; the lab imports no other room."""
    room = _room(_name(path))
    others = {_room(name) for name in _imports(path) if name.startswith("pytest_sipfront.")} - SHARED - {room}
    if room in {"lab", "pages"}:
        assert others == set()
    for above, layer in enumerate(LAYERS, start=1):
        if room in layer:
            assert not others & set().union(*LAYERS[above:])


@pytest.mark.parametrize("path", MODULES, ids=_ids)
def test_only_the_plugin_imports_pytest(path: Path) -> None:
    """Clients, engine, call scenarios and lab can be used without pytest."""
    if _room(_name(path)) != "plugin":
        assert not PYTEST & {name.partition(".")[0] for name in _imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=_ids)
def test_the_lab_is_only_started_from_outside(path: Path) -> None:
    """Other rooms import the lab's public names only."""
    if _room(_name(path)) != "lab":
        assert {name for name in _imports(path) if name.startswith("pytest_sipfront.lab")} <= {"pytest_sipfront.lab"}


def test_no_import_chain_is_long() -> None:
    """A reader who follows the imports of a module meets at most ten modules in a row."""
    imports = {_name(path): _early_imports(path) for path in MODULES}

    @cache
    def chain(module: str) -> tuple[str, ...]:
        return (module, *max((chain(each) for each in sorted(imports[module])), key=len, default=()))

    longest = max((chain(module) for module in imports), key=len)
    assert len(longest) <= LONGEST_CHAIN, " > ".join(longest)


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("plugin", HTTP | {"jiwer", "pydantic"}),
        ("engine.runner", PYTEST | {"httpx", "httpcore", "tenacity"}),
        ("clients.sipfront.client", PYTEST),
        ("clients.sift.client", PYTEST),
        ("clients.sift.receiver", PYTEST),
        ("sift.call", PYTEST),
        ("suites.loading", PYTEST | HTTP - {"yaml"}),
        ("sift.runtime", PYTEST),
        ("lab", PYTEST | HTTP | {"numpy", "pydantic", "subprocess"}),
        ("lab.process", PYTEST | HTTP - {"ssl"} | {"numpy", "pydantic"}),
        ("lab.web.app", PYTEST | {"pytest_sipfront.clients", "pytest_sipfront.engine"}),
    ],
)
def test_importing_a_room_loads_only_what_it_needs(module: str, forbidden: set[str]) -> None:
    """A session without a Sipfront test pays for no HTTP library, and a client needs no pytest."""
    code = f"import sys, pytest_sipfront.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert not forbidden & {*loaded, *(name.partition(".")[0] for name in loaded)}
