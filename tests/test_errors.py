from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_sipfront import errors
from pytest_sipfront.errors import (
    AuthenticationFailed,
    DetailedError,
    InvalidResponse,
    LaunchOutcomeUnknown,
    NotFound,
    PlatformBusy,
    PlatformUnavailable,
    RequestRefused,
    RunFailed,
    SipfrontError,
    SipfrontWarning,
)


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    sub: type[Any]
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)


NO_VERDICT: list[type[SipfrontError]] = [
    SipfrontError,
    *(cls for cls in _subclasses(SipfrontError) if cls.__module__ == errors.__name__),
]


def _make(cls: type[Any]) -> SipfrontError:
    error: SipfrontError
    if issubclass(cls, PlatformUnavailable):
        error = cls("text", arrived=True, evidence={"a": 1}, hint="do that")
    elif issubclass(cls, LaunchOutcomeUnknown):
        error = cls(RequestRefused("text", evidence={"a": 1}))
    else:
        error = cls("text", evidence={"a": 1}, hint="do that")
    return error


@pytest.mark.parametrize("cls", NO_VERDICT)
def test_errors_without_verdict_are_no_assertion_errors(cls: type[SipfrontError]) -> None:
    """`raises=AssertionError` must not match a missing verdict."""
    error = _make(cls)
    assert isinstance(error, SipfrontError)
    assert not isinstance(error, AssertionError)
    assert "text" in str(error)
    assert dict(error.evidence) == {"a": 1}
    assert error.hint


def test_a_failed_run_is_an_assertion_error() -> None:
    """pytest reports it as FAILED, and a `SipfrontError` as ERROR."""
    failed = RunFailed("no answer", evidence={"a": 1}, hint="look")
    assert isinstance(failed, AssertionError)
    assert not isinstance(failed, SipfrontError)
    assert (str(failed), dict(failed.evidence), failed.hint) == ("no answer", {"a": 1}, "look")


@pytest.mark.parametrize("cls", [c for c in _subclasses(DetailedError) if c.__module__ == errors.__name__])
def test_every_error_is_in_the_documented_tree_and_has_a_docstring(cls: type) -> None:
    """The docstring of the module is the reference for users."""
    assert re.search(rf"── {cls.__name__}\b", str(errors.__doc__))
    assert cls.__doc__


@pytest.mark.parametrize(
    ("child", "parent"),
    [(NotFound, RequestRefused), (RequestRefused, SipfrontError), (SipfrontWarning, UserWarning)],
)
def test_base_classes_match_the_documented_tree(child: type, parent: type) -> None:
    """Suites catch these classes."""
    assert child.__bases__ == (parent,)


def test_evidence_is_an_immutable_copy() -> None:
    """Later changes of the original do not matter."""
    original: dict[str, object] = {"a": 1}
    error = SipfrontError("text", evidence=original)
    original["b"] = 2
    assert dict(error.evidence) == {"a": 1}
    with pytest.raises(TypeError):
        error.evidence["c"] = 3  # type: ignore[index]


def test_evidence_and_hint_are_optional() -> None:
    """Both default to empty values."""
    error = AuthenticationFailed("text")
    assert (dict(error.evidence), error.hint) == ({}, "")


def test_evidence_can_be_extended() -> None:
    """Callers add details of the run."""
    error = SipfrontError("text", evidence={"a": 1}, hint="old")
    error.explain({**error.evidence, "b": 2}, "new")
    assert (dict(error.evidence), error.hint) == ({"a": 1, "b": 2}, "new")


def test_only_an_unavailable_platform_counts_as_gone() -> None:
    """The circuit breaker must not count mistakes of a test."""
    gone = {cls for cls in NO_VERDICT if cls.platform_gone}
    assert gone == {PlatformUnavailable}


@pytest.mark.parametrize("arrived", [True, False])
def test_platform_unavailable_records_whether_the_request_may_have_arrived(arrived: bool) -> None:
    """A launch that may have arrived is not sent again."""
    assert PlatformUnavailable("text", arrived=arrived).arrived is arrived


def test_platform_busy_records_the_requested_wait() -> None:
    """It is None if the platform requests no wait."""
    assert PlatformBusy("text", retry_after=3.0).retry_after == 3.0
    assert PlatformBusy("text").retry_after is None


@pytest.mark.parametrize(
    ("cause", "gone"),
    [
        (PlatformUnavailable("reset", arrived=True, evidence={"a": 1}), True),
        (InvalidResponse("garbage", evidence={"a": 1}), False),
    ],
)
def test_an_unknown_launch_outcome_keeps_its_cause(cause: SipfrontError, gone: bool) -> None:
    """The hint says that the launch is not sent again."""
    error = LaunchOutcomeUnknown(cause)
    assert str(error) == f"the run may have been started: {cause}"
    assert dict(error.evidence) == {"a": 1}
    assert "not sent again" in error.hint
    assert error.platform_gone is gone
