"""What a suite imports from `pytest_sipfront.sift`."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from pytest_sipfront import sift


@pytest.mark.parametrize("name", sift.__all__)
def test_every_public_name_can_be_imported_and_is_documented(name: str) -> None:
    """Each is imported late, from the module that defines it."""
    assert getattr(sift, name).__doc__


def test_the_public_names_are_complete() -> None:
    """Every command of a routine is among them, and nothing is listed twice."""
    routine = importlib.import_module("pytest_sipfront.clients.sift.routine")
    commands = {name for name in vars(routine) if name.startswith(("Get", "Call")) or name in ("Say", "Play", "HangUp")}
    assert commands | {"JoinConference"} <= set(sift.__all__)
    assert len(set(sift.__all__)) == len(sift.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As of any module, with the name in it."""
    with pytest.raises(AttributeError, match="no_such_name"):
        sift.no_such_name  # noqa: B018


def test_importing_the_package_brings_no_library() -> None:
    """Nothing is paid for before a name is used."""
    heavy = {"pytest", "httpx", "starlette", "uvicorn", "anyio", "jiwer"}
    code = f"import sys, pytest_sipfront.sift; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
