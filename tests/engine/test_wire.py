"""Messages between pytest processes and the engine: what is written can be read again, without loss."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront import errors
from pytest_sipfront.clients.sipfront.models import (
    Document,
    Endpoint,
    LastStatus,
    Launched,
    RunRequest,
    RunStatus,
)
from pytest_sipfront.engine import wire
from pytest_sipfront.engine.run import Run, RunEvent, RunResult
from pytest_sipfront.engine.verdict import Expectation, Verdict
from pytest_sipfront.errors import DetailedError, LaunchOutcomeUnknown, PlatformBusy, PlatformUnavailable, SipfrontError
from pytest_sipfront.secret import Secret

ODD = "lone \ud800 surrogate, \x00\x1b[31m control \u2028 separators, \r\n and 😀"
REQUEST = RunRequest(
    test="Basic call", overrides={"step.1.0.dial_destination": ODD, "step.1.0.rate": 0.5, "step.1.0.on": True}
)
PROJECT = RunRequest(project="Nightly", test_ids=(1, 2), report_mode="full")
STATUS = RunStatus.read({"status": "passed", "has_passed": 1, "is_finished": 1, "result_description": ODD})
ERROR_CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, DetailedError)]


def over_the_wire(message: Any) -> Any:
    """Return a value as the other process receives it; its line has one end, whatever it holds."""
    line = wire.encode({"value": message})
    assert line.count(b"\n") == 1
    assert line.isascii()
    return wire.decode(line)["value"]


def run(**fields: Any) -> Run:
    """Return a run with every field set."""
    return Run(
        **{
            "request": REQUEST,
            "timeout": 12.5,
            "label": f"test_it.py::test_it[{ODD}]",
            "service": "Sipfront",
            "exclusive": frozenset({"line 1", ODD}),
            "expectation": Expectation(verdict=Verdict.FAILED, match="486 .*"),
            **fields,
        }
    )


@pytest.mark.parametrize("request_", [REQUEST, PROJECT, RunRequest(test="")], ids=["test", "project", "minimal"])
def test_requests_survive(request_: RunRequest) -> None:
    """The overrides keep their types."""
    assert wire.request_from_wire(over_the_wire(wire.request_to_wire(request_))) == request_


@pytest.mark.parametrize("expectation", [Expectation(), Expectation(verdict=None), Expectation(verdict=Verdict.FAILED)])
def test_runs_survive(expectation: Expectation) -> None:
    """A run that was launched, polled and resumed, and one that was not."""
    for submitted in (run(expectation=expectation), run(expectation=expectation, timeout=0, exclusive=frozenset())):
        fresh = over_the_wire(wire.run_to_wire(submitted))
        assert wire.run_to_wire(wire.run_from_wire(fresh)) == fresh
        assert wire.run_from_wire(fresh).key == submitted.key
        submitted.launched = Launched(status_url=ODD, report_url="r", session_id="s", raw={"id": 1, "odd": ODD})
        submitted.status, submitted.polls = STATUS, 7
        submitted.resumed = datetime(2026, 1, 15, 12, 0, 0, 5, tzinfo=UTC)
        submitted.notes = [ODD]
        submitted.events = [RunEvent("queued", 1768478400.25, 7.5), RunEvent("polled", 1768478401.0, 8.25, ODD)]
        received = wire.run_from_wire(over_the_wire(wire.run_to_wire(submitted)))
        for name in ("request", "timeout", "label", "service", "exclusive", "expectation", "key"):
            assert getattr(received, name) == getattr(submitted, name), name
        for name in ("launched", "status", "polls", "resumed", "notes", "events"):
            assert getattr(received, name) == getattr(submitted, name), name


def test_results_survive() -> None:
    """With the status of each test of a project."""
    result = RunResult(
        request=PROJECT,
        verdict="failed",
        result_description=ODD,
        duration=61.25,
        session_id="s-1",
        report_url="https://x/report",
        status_url="https://x/status",
        status=STATUS,
        tests=(LastStatus.read({"test": {"id": 3, "name": ODD}, "run": dict(STATUS.raw)}),),
        notes=("a note", ODD),
    )
    assert wire.result_from_wire(over_the_wire(wire.result_to_wire(result))) == result


@pytest.mark.parametrize(
    "value",
    [
        Document({"tests": [{"name": ODD, "none": None, "deep": [1, 2.5, True]}]}, "https://x/tests"),
        STATUS,
        (Endpoint(url="https://x", methods=("GET", "POST"), name="tests"),),
        (),
    ],
    ids=["document", "status", "endpoints", "empty"],
)
def test_answers_of_the_platform_survive(value: Any) -> None:
    """What the methods of the Sipfront client return."""
    assert wire.value_from_wire(over_the_wire(wire.value_to_wire(value))) == value


def test_other_values_have_no_wire_form() -> None:
    """A defect is an error, not a wrong value."""
    with pytest.raises(TypeError, match="object has no wire form"):
        wire.value_to_wire(object())


def example(cls: type[DetailedError]) -> DetailedError:
    """Return an error of a class, with details."""
    evidence = {"status": 503, "text": ODD, "none": None}
    if cls is LaunchOutcomeUnknown:
        return LaunchOutcomeUnknown(PlatformUnavailable("reset", arrived=True, evidence=evidence))
    if cls is PlatformUnavailable:
        return PlatformUnavailable(ODD, arrived=False, evidence=evidence, hint="Check the network.")
    if cls is PlatformBusy:
        return PlatformBusy(ODD, retry_after=7.5, at_capacity=True, evidence=evidence, hint="Wait.")
    return cls(ODD, evidence=evidence, hint=f"Set it. {ODD}")


@pytest.mark.parametrize("cls", ERROR_CLASSES, ids=lambda cls: cls.__name__)
def test_errors_survive(cls: type[DetailedError]) -> None:
    """Class, message, evidence in its order, hint, and the attributes of the class."""
    error = example(cls)
    received = wire.error_from_wire(over_the_wire(wire.error_to_wire(error)))
    assert type(received) is cls
    assert str(received) == str(error)
    assert list(received.evidence.items()) == list(error.evidence.items())
    assert received.hint == error.hint
    for name in ("platform_gone", "retry_after", "at_capacity", "arrived"):
        assert getattr(received, name, None) == getattr(error, name, None), name
    with pytest.raises(cls):
        raise received


def test_all_public_errors_are_covered() -> None:
    """The tree of errors and the channel do not drift apart."""
    names = {cls.__name__ for cls in ERROR_CLASSES}
    assert {"ConfigurationError", "EngineStopped", "RunFailed", "CallFailed", "CallbackMissing"} <= names
    assert len(names) >= 20


@pytest.mark.parametrize("name", ["NoSuchError", "datetime", "Mapping", "SipfrontWarning"])
def test_an_unknown_error_is_a_plain_one(name: str) -> None:
    """Only errors of this package are created from a message."""
    data = {"type": name, "message": "text", "evidence": {}, "hint": "", "extra": {}}
    assert type(wire.error_from_wire(data)) is SipfrontError


def test_secrets_are_revealed_on_the_wire_only() -> None:
    """The engine needs the key."""
    assert wire.decode(wire.encode({"key": Secret("sentinel")})) == {"key": "sentinel"}


@pytest.mark.parametrize("line", [b"", b"\n", b"[]\n", b'"text"\n', b"{\n", b"\xff\n"])
def test_a_damaged_line_is_no_message(line: bytes) -> None:
    """All damage is a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - of the json module and of this one
        wire.decode(line)


texts = st.text(st.characters(exclude_categories=()))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_any_json_value_survives(value: Any) -> None:
    """Whatever a platform answers, with lone surrogates and control characters."""
    assert over_the_wire(value) == value
