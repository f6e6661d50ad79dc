from __future__ import annotations

import traceback

import pytest

from pytest_sipfront.errors import RunFailed, SipfrontError
from pytest_sipfront.plugin.reports.error_details import raise_in, section


def test_details_are_aligned_and_end_with_the_hint() -> None:
    """The evidence keeps its order, and a mapping takes one line."""
    error = SipfrontError("text", evidence={"a": 1, "longer": {"x": "y", "z": 0}}, hint="do that")
    assert section(error) == "a       1\nlonger  x='y', z=0\ndo that"


@pytest.mark.parametrize("hint", ["", "do that"])
def test_an_error_without_evidence_has_only_its_hint(hint: str) -> None:
    """Without both, the report has no section."""
    assert section(RunFailed("text", hint=hint)) == hint


def _decorated(function: object) -> object:
    return function


@_decorated
def example() -> None:
    """Errors are raised as if in this function, which is never called."""


def test_an_error_is_raised_at_the_def_line_of_the_test() -> None:
    """Editors and CI annotations jump there, not to the decorator or the plugin."""
    error = SipfrontError("text")
    with pytest.raises(SipfrontError) as caught:
        raise_in(example, error)  # type: ignore[arg-type]
    assert caught.value is error
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.name, last.line) == (__file__, "example", "def example() -> None:")


def test_a_test_without_source_can_raise_an_error() -> None:
    """Generated tests have no source."""
    namespace: dict[str, object] = {}
    exec("def generated(): pass", namespace)
    with pytest.raises(RunFailed, match="text"):
        raise_in(namespace["generated"], RunFailed("text"))  # type: ignore[arg-type]
