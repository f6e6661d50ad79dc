from __future__ import annotations

from typing import Any, Literal

import pytest

from pytest_sipfront.lab.file.fault_spec import FaultSpec
from pytest_sipfront.lab.platform.faults import FaultBook, Hit, LabResponse, Subject, apply_fault

RUN = {"status": "passed", "has_passed": 1}


def hits(*faults: FaultSpec, requests: int, on: str = "status", subject: Subject | None = None) -> list[int | None]:
    """Which fault, by position, hits each of several like requests."""
    book = FaultBook(faults)
    found = (book.hit(on, subject or Subject()) for _ in range(requests))
    return [None if hit is None else next(n for n, f in enumerate(faults) if f is hit.fault) for hit in found]


def changed(fault: FaultSpec, turn: int = 0) -> LabResponse:
    answer = LabResponse(body={"run": dict(RUN), "status": 200}, part="run")
    return apply_fault(answer, Hit(fault, turn))


def test_a_fault_hits_exactly_as_often_as_it_says() -> None:
    """`after` skips the first requests, `times` bounds the hits."""
    assert hits(FaultSpec(status=503, after=1, times=2), requests=5) == [None, 0, 0, None, None]


def test_a_fault_without_times_hits_for_ever() -> None:
    """The default is every request."""
    assert hits(FaultSpec(status=503), requests=3) == [0, 0, 0]


def test_faults_take_turns_in_the_order_of_the_file() -> None:
    """A request meets one fault, the first still active; those behind do not see it."""
    first, second = FaultSpec(status=503, times=1), FaultSpec(drop="before", times=1)
    assert hits(first, second, requests=3) == [0, 1, None]


def test_equal_faults_are_counted_each_for_itself() -> None:
    """Two entries that read the same are two faults."""
    assert hits(FaultSpec(status=503, times=1), FaultSpec(status=503, times=1), requests=3) == [0, 1, None]


def test_a_test_s_own_fault_comes_before_the_account_s() -> None:
    """The nearer one wins."""
    own, account_wide = FaultSpec(status=500, times=1), FaultSpec(status=503)
    book, subject = FaultBook((account_wide,)), Subject(faults=(own,))
    first, second = book.hit("status", subject), book.hit("status", subject)
    assert first is not None
    assert second is not None
    assert (first.fault, second.fault) == (own, account_wide)


@pytest.mark.parametrize(("on", "kind", "hit"), [("launch", "status", False), ("any", "runs", True)])
def test_a_fault_concerns_its_kind_of_request(on: str, kind: str, hit: bool) -> None:
    """`on` selects; "any" is every request."""
    assert (hits(FaultSpec(on=on, status=503), requests=1, on=kind) == [0]) is hit


def test_a_fault_can_be_limited_to_some_overrides() -> None:
    """`only` matches the run's parameters, and requests that do not match are not counted."""
    fault = FaultSpec(status=503, times=1, only={"step.1.0.to": "9*"})
    book = FaultBook((fault,))
    assert book.hit("launch", Subject(parameters={"step.1.0.to": "1"})) is None
    assert book.hit("launch", Subject()) is None
    assert book.hit("launch", Subject(parameters={"step.1.0.to": "911"})) is not None


@pytest.mark.parametrize(("during", "finished", "hit"), [("running", False, True), ("finished", False, False)])
def test_a_fault_can_wait_for_a_run_s_end(during: Literal["running", "finished"], finished: bool, hit: bool) -> None:
    """`during` limits a fault to runs in flight or to ended ones."""
    assert (hits(FaultSpec(status=503, during=during), requests=1, subject=Subject(finished=finished)) == [0]) is hit


def test_flips_are_counted_for_each_run() -> None:
    """`flip` goes through its states poll by poll, run by run, and then tells the truth."""
    book = FaultBook((FaultSpec(flip=("queued", "running")),))
    turns = [book.hit("status", Subject(key=key)) for key in ("a", "b", "a", "a", "b")]
    assert [hit and hit.turn for hit in turns] == [0, 0, 1, None, 1]


def test_a_flip_replaces_the_state_and_everything_else() -> None:
    """A flipped status looks like a running one: the state alone, under the name that the body uses."""
    assert changed(FaultSpec(flip=("queued", "running")), turn=1).body == {
        "run": {"status": "running"},
        "status": 200,
    }
    project = LabResponse(body={"run": {"run_status": "passed"}}, part="run")
    assert apply_fault(project, Hit(FaultSpec(flip=("queued",)), 0)).body == {"run": {"run_status": "queued"}}


def test_fields_are_left_out_and_replaced() -> None:
    """`omit` and `set` change the run object, and leave the rest of the body alone."""
    fault = FaultSpec(omit=("has_passed",), set={"status": 7, "tags": None})
    assert changed(fault).body == {"run": {"status": 7, "tags": None}, "status": 200}


def test_a_body_replaces_the_whole_answer_even_by_null() -> None:
    """`body` is any JSON."""
    values: tuple[Any, ...] = ({"error": "Test run denied"}, [], "text", None)
    for value in values:
        assert changed(FaultSpec(body=value)).body == value


@pytest.mark.parametrize(
    ("key", "body", "media_type"),
    [
        ("error", {"error": "No agents", "status": 503}, "application/json"),
        ("description", {"description": "No agents", "status": 503}, "application/json"),
        ("message", {"message": "No agents", "status": 503}, "application/json"),
        ("plain", "No agents", "text/plain"),
        ("none", "", "text/plain"),
    ],
)
def test_an_error_stands_wherever_platforms_put_it(key: Any, body: Any, media_type: str) -> None:
    """`error_key` moves the text; `retry_after` and `headers` add headers."""
    fault = FaultSpec(status=503, error="No agents", error_key=key, retry_after=0.5, headers={"X-Trace": "1"})
    answer = changed(fault)
    assert (answer.status, answer.body, answer.media_type) == (503, body, media_type)
    assert answer.headers == {"Retry-After": "0.5", "X-Trace": "1"}


def test_an_error_without_a_text_says_its_status_s_phrase() -> None:
    """A plain `status: 503` is readable, and so is one that HTTP has no phrase for."""
    assert changed(FaultSpec(status=503)).body == {"error": "Service Unavailable", "status": 503}
    assert changed(FaultSpec(status=599)).body == {"error": "Status 599", "status": 599}


def test_html_comes_with_200_in_place_of_json() -> None:
    """As from a proxy's maintenance page."""
    answer = changed(FaultSpec(html=True))
    assert (answer.status, answer.media_type) == (200, "text/html")
    assert answer.body.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("fault", "effect"),
    [
        (FaultSpec(latency=1), True),
        (FaultSpec(drop="after"), True),
        (FaultSpec(html=True), True),
        (FaultSpec(body=[]), True),
        (FaultSpec(omit=("status_url",)), True),
        (FaultSpec(drop="before"), False),
        (FaultSpec(status=500), False),
        (FaultSpec(error="Test run denied"), False),
        (FaultSpec(status=500, effect=True), True),
        (FaultSpec(body=[], effect=False), False),
    ],
)
def test_it_is_plain_whether_a_request_took_effect(fault: FaultSpec, effect: bool) -> None:
    """A refused or lost request has no effect, a changed answer has; `effect` says otherwise."""
    assert fault.takes_effect is effect
