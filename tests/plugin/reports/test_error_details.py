from __future__ import annotations

import traceback

import pytest

from pytest_sipfront.errors import RunFailed, SipfrontError
from pytest_sipfront.plugin.reports.error_details import raise_in, section


def test_details_are_aligned_and_end_with_what_to_do() -> None:
    """Evidence by name, in its order; a mapping on one line."""
    error = SipfrontError("text", evidence={"a": 1, "longer": {"x": "y", "z": 0}}, hint="do that")
    assert section(error) == "a       1\nlonger  x='y', z=0\ndo that"


@pytest.mark.parametrize("hint", ["", "do that"])
def test_details_of_nothing_are_empty(hint: str) -> None:
    """Then there is no section."""
    assert section(RunFailed("text", hint=hint)) == hint


def _decorated(function: object) -> object:
    return function


@_decorated
def example() -> None:
    """Is never run: errors are raised as if in here."""


def test_an_error_is_raised_at_the_test_s_def_line() -> None:
    """Editors and CI annotations jump there, not to the decorator and not into the plugin."""
    error = SipfrontError("text")
    with pytest.raises(SipfrontError) as caught:
        raise_in(example, error)  # type: ignore[arg-type]
    assert caught.value is error
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.name, last.line) == (__file__, "example", "def example() -> None:")


def test_a_test_without_source_gets_its_error_all_the_same() -> None:
    """Generated tests have none."""
    namespace: dict[str, object] = {}
    exec("def generated(): pass", namespace)
    with pytest.raises(RunFailed, match="text"):
        raise_in(namespace["generated"], RunFailed("text"))  # type: ignore[arg-type]
