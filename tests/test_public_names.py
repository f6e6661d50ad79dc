from __future__ import annotations

import subprocess
import sys

import pytest

import pytest_sipfront
from pytest_sipfront import errors


def test_public_names_are_sorted_and_unique() -> None:
    """A sorted `__all__` gives readable diffs."""
    assert list(pytest_sipfront.__all__) == sorted(pytest_sipfront.__all__)
    assert len(set(pytest_sipfront.__all__)) == len(pytest_sipfront.__all__)


@pytest.mark.parametrize("name", pytest_sipfront.__all__)
def test_every_public_name_can_be_imported_and_is_documented(name: str) -> None:
    """Lazily imported names are included."""
    assert getattr(pytest_sipfront, name).__doc__


def test_every_error_is_public() -> None:
    """Suites name errors in `raises=`."""
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__ and value is not errors.DetailedError
    }
    assert defined <= set(pytest_sipfront.__all__)


def test_a_star_import_imports_all_public_names() -> None:
    """Lazily imported names are included."""
    brought: dict[str, object] = {}
    exec("from pytest_sipfront import *", brought)
    assert set(pytest_sipfront.__all__) == brought.keys() - {"__builtins__"}


def test_an_unknown_name_raises_an_attribute_error() -> None:
    """The message has the name, as for any module."""
    with pytest.raises(AttributeError, match="no_such_name"):
        pytest_sipfront.no_such_name  # noqa: B018


def test_the_package_itself_imports_no_pytest() -> None:
    """Clients and lab import the package and work without pytest."""
    heavy = {"pytest", "_pytest", "httpx", "yaml"}
    code = f"import sys, pytest_sipfront; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
