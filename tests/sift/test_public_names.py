"""The public names of the rooms `sift` and `clients`."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from pytest_sipfront import sift
from pytest_sipfront.clients import sift as sift_client
from pytest_sipfront.clients import sipfront as sipfront_client
from pytest_sipfront.clients.sift import routine

ROOMS = (sift, sift_client, sipfront_client)
NAMES = [(room, name) for room in ROOMS for name in room.__all__]


@pytest.mark.parametrize(("room", "name"), NAMES, ids=[f"{room.__name__}.{name}" for room, name in NAMES])
def test_every_public_name_can_be_imported_and_is_documented(room: ModuleType, name: str) -> None:
    """Also the names that are imported at their first use."""
    assert getattr(room, name).__doc__


@pytest.mark.parametrize("room", ROOMS)
def test_the_public_names_are_unique(room: ModuleType) -> None:
    """No name is listed twice."""
    assert len(set(room.__all__)) == len(room.__all__)


@pytest.mark.parametrize("room", [sift, sift_client])
def test_all_commands_are_public(room: ModuleType) -> None:
    """A routine can be written with one import."""
    commands = {
        name
        for name, value in vars(routine).items()
        if isinstance(value, type) and issubclass(value, routine.Command) and not value.__subclasses__()
    }
    assert len(commands) == 13
    assert commands <= set(room.__all__)


@pytest.mark.parametrize("room", ROOMS)
def test_an_unknown_name_is_an_attribute_error(room: ModuleType) -> None:
    """The message contains the name."""
    with pytest.raises(AttributeError, match="no_such_name"):
        room.no_such_name  # noqa: B018


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_loads_no_library(room: ModuleType) -> None:
    """Sessions without a call do not pay for HTTP libraries."""
    heavy = {"pytest", "httpx", "starlette", "uvicorn", "anyio", "jiwer"}
    code = f"import sys, {room.__name__}; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
