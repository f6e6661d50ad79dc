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
def test_no_error_without_a_verdict_is_an_assertion(cls: type[SipfrontError]) -> None:
    """What leaves no verdict is no failure of the product: `raises=AssertionError` must not swallow it."""
    error = _make(cls)
    assert isinstance(error, SipfrontError)
    assert not isinstance(error, AssertionError)
    assert "text" in str(error)
    assert dict(error.evidence) == {"a": 1}
    assert error.hint


def test_a_failed_run_is_an_assertion_and_no_infrastructure_error() -> None:
    """The two branches never mix: the one is FAILED, the other ERROR."""
    failed = RunFailed("no answer", evidence={"a": 1}, hint="look")
    assert isinstance(failed, AssertionError)
    assert not isinstance(failed, SipfrontError)
    assert (str(failed), dict(failed.evidence), failed.hint) == ("no answer", {"a": 1}, "look")


@pytest.mark.parametrize("cls", [c for c in _subclasses(DetailedError) if c.__module__ == errors.__name__])
def test_every_error_stands_in_the_documented_tree_and_has_a_docstring(cls: type) -> None:
    """The module's docstring is the reference that users read."""
    assert re.search(rf"── {cls.__name__}\b", str(errors.__doc__))
    assert cls.__doc__


@pytest.mark.parametrize(
    ("child", "parent"),
    [(NotFound, RequestRefused), (RequestRefused, SipfrontError), (SipfrontWarning, UserWarning)],
)
def test_the_tree_is_as_documented(child: type, parent: type) -> None:
    """Suites catch by these classes."""
    assert child.__bases__ == (parent,)


def test_evidence_is_a_copy_that_nobody_changes() -> None:
    """What was seen stays as it was seen."""
    seen: dict[str, object] = {"a": 1}
    error = SipfrontError("text", evidence=seen)
    seen["b"] = 2
    assert dict(error.evidence) == {"a": 1}
    with pytest.raises(TypeError):
        error.evidence["c"] = 3  # type: ignore[index]


def test_an_error_without_evidence_has_none() -> None:
    """Both are optional."""
    error = AuthenticationFailed("text")
    assert (dict(error.evidence), error.hint) == ({}, "")


def test_evidence_can_be_added_to_on_the_way() -> None:
    """Who knows more of the run says it."""
    error = SipfrontError("text", evidence={"a": 1}, hint="old")
    error.explain({**error.evidence, "b": 2}, "new")
    assert (dict(error.evidence), error.hint) == ({"a": 1, "b": 2}, "new")


def test_only_an_unreachable_or_failing_platform_counts_as_gone() -> None:
    """The breaker asks this; a test's own mistake must never count."""
    gone = {cls for cls in NO_VERDICT if cls.platform_gone}
    assert gone == {PlatformUnavailable}


@pytest.mark.parametrize("arrived", [True, False])
def test_unavailable_says_whether_the_request_may_have_arrived(arrived: bool) -> None:
    """It decides whether a launch may be sent again."""
    assert PlatformUnavailable("text", arrived=arrived).arrived is arrived


def test_busy_says_when_to_come_back() -> None:
    """None if the platform does not say."""
    assert PlatformBusy("text", retry_after=3.0).retry_after == 3.0
    assert PlatformBusy("text").retry_after is None


@pytest.mark.parametrize(
    ("cause", "gone"),
    [
        (PlatformUnavailable("reset", arrived=True, evidence={"a": 1}), True),
        (InvalidResponse("garbage", evidence={"a": 1}), False),
    ],
)
def test_an_uncertain_launch_keeps_its_cause_and_says_that_it_is_not_repeated(cause: SipfrontError, gone: bool) -> None:
    """The engineer looks for the run on the platform before starting another."""
    error = LaunchOutcomeUnknown(cause)
    assert str(error) == f"the run may have been started: {cause}"
    assert dict(error.evidence) == {"a": 1}
    assert "not sent again" in error.hint
    assert error.platform_gone is gone
