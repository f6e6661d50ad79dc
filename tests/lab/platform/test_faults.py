from __future__ import annotations

from typing import Any, Literal

import pytest

from pytest_sipfront.lab.file.fault_spec import FaultSpec
from pytest_sipfront.lab.platform.faults import FaultBook, Hit, LabResponse, Subject, apply_fault

RUN = {"status": "passed", "has_passed": 1}


def hits(*faults: FaultSpec, requests: int, on: str = "status", subject: Subject | None = None) -> list[int | None]:
    """Return the index of the fault that hits each of several equal requests."""
    book = FaultBook(faults)
    results = (book.hit(on, subject or Subject()) for _ in range(requests))
    return [None if hit is None else next(n for n, f in enumerate(faults) if f is hit.fault) for hit in results]


def changed(fault: FaultSpec, turn: int = 0) -> LabResponse:
    response = LabResponse(body={"run": dict(RUN), "status": 200}, part="run")
    return apply_fault(response, Hit(fault, turn))


def test_after_and_times_select_the_requests() -> None:
    """`after` skips the first requests, `times` limits the number of hits."""
    assert hits(FaultSpec(status=503, after=1, times=2), requests=5) == [None, 0, 0, None, None]


def test_a_fault_without_times_hits_every_request() -> None:
    """There is no limit by default."""
    assert hits(FaultSpec(status=503), requests=3) == [0, 0, 0]


def test_faults_apply_in_the_order_of_the_file() -> None:
    """One fault hits a request: the first active one. Later faults do not count the request."""
    first, second = FaultSpec(status=503, times=1), FaultSpec(drop="before", times=1)
    assert hits(first, second, requests=3) == [0, 1, None]


def test_equal_faults_are_counted_separately() -> None:
    """Two equal entries are two faults."""
    assert hits(FaultSpec(status=503, times=1), FaultSpec(status=503, times=1), requests=3) == [0, 1, None]


def test_the_faults_of_a_test_precede_those_of_the_account() -> None:
    """The more specific fault applies first."""
    own, account_wide = FaultSpec(status=500, times=1), FaultSpec(status=503)
    book, subject = FaultBook((account_wide,)), Subject(faults=(own,))
    first, second = book.hit("status", subject), book.hit("status", subject)
    assert first is not None
    assert second is not None
    assert (first.fault, second.fault) == (own, account_wide)


@pytest.mark.parametrize(("on", "kind", "hit"), [("launch", "status", False), ("any", "runs", True)])
def test_on_selects_the_kind_of_request(on: str, kind: str, hit: bool) -> None:
    """ "any" selects every request."""
    assert (hits(FaultSpec(on=on, status=503), requests=1, on=kind) == [0]) is hit


def test_only_selects_requests_by_override() -> None:
    """Its patterns must match the parameters of the run; other requests are not counted."""
    fault = FaultSpec(status=503, times=1, only={"step.1.0.to": "9*"})
    book = FaultBook((fault,))
    assert book.hit("launch", Subject(parameters={"step.1.0.to": "1"})) is None
    assert book.hit("launch", Subject()) is None
    assert book.hit("launch", Subject(parameters={"step.1.0.to": "911"})) is not None


@pytest.mark.parametrize(("during", "finished", "hit"), [("running", False, True), ("finished", False, False)])
def test_during_selects_open_or_ended_runs(during: Literal["running", "finished"], finished: bool, hit: bool) -> None:
    """The other runs are not hit."""
    assert (hits(FaultSpec(status=503, during=during), requests=1, subject=Subject(finished=finished)) == [0]) is hit


def test_flips_are_counted_per_run() -> None:
    """`flip` reports one of its states per poll, and then the real state."""
    book = FaultBook((FaultSpec(flip=("queued", "running")),))
    turns = [book.hit("status", Subject(key=key)) for key in ("a", "b", "a", "a", "b")]
    assert [hit and hit.turn for hit in turns] == [0, 0, 1, None, 1]


def test_a_flip_replaces_the_whole_run() -> None:
    """The status looks like that of an open run: it has only a state, under the key that the body uses."""
    assert changed(FaultSpec(flip=("queued", "running")), turn=1).body == {
        "run": {"status": "running"},
        "status": 200,
    }
    project = LabResponse(body={"run": {"run_status": "passed"}}, part="run")
    assert apply_fault(project, Hit(FaultSpec(flip=("queued",)), 0)).body == {"run": {"run_status": "queued"}}


def test_omit_and_set_change_the_run() -> None:
    """The rest of the body stays unchanged."""
    fault = FaultSpec(omit=("has_passed",), set={"status": 7, "tags": None})
    assert changed(fault).body == {"run": {"status": 7, "tags": None}, "status": 200}


def test_body_replaces_the_whole_response() -> None:
    """It can be any JSON value, also null."""
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
def test_error_key_selects_the_place_of_the_text(key: Any, body: Any, media_type: str) -> None:
    """`retry_after` and `headers` add headers."""
    fault = FaultSpec(status=503, error="No agents", error_key=key, retry_after=0.5, headers={"X-Trace": "1"})
    response = changed(fault)
    assert (response.status, response.body, response.media_type) == (503, body, media_type)
    assert response.headers == {"Retry-After": "0.5", "X-Trace": "1"}


def test_the_default_error_text_is_the_reason_phrase() -> None:
    """A status without a phrase is named by its number."""
    assert changed(FaultSpec(status=503)).body == {"error": "Service Unavailable", "status": 503}
    assert changed(FaultSpec(status=599)).body == {"error": "Status 599", "status": 599}


def test_html_replaces_json_with_status_200() -> None:
    """Like the maintenance page of a proxy."""
    response = changed(FaultSpec(html=True))
    assert (response.status, response.media_type) == (200, "text/html")
    assert response.body.startswith("<!doctype html>")


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
def test_the_kind_of_fault_decides_whether_a_request_takes_effect(fault: FaultSpec, effect: bool) -> None:
    """A refused or dropped request has no effect, a changed response has one; `effect` overrides this."""
    assert fault.takes_effect is effect
