from __future__ import annotations

from typing import Any

import pytest

from pytest_sipfront.clients.sipfront.client import SipfrontClient
from pytest_sipfront.clients.sipfront.models import Launched, RunRequest, RunStatus
from pytest_sipfront.errors import (
    AuthenticationFailed,
    InvalidResponse,
    LaunchOutcomeUnknown,
    NotFound,
    PlatformBusy,
    PlatformUnavailable,
    RequestRefused,
)
from pytest_sipfront.lab.process import LabProcess
from tests.clients.sipfront.conftest import Ask
from tests.support import RESET, FakeTime, Reply, Server

BASIC = RunRequest(test="Basic call")
WITH_FAULT = "tests:\n  Basic call:\n    takes: 0\n    faults: [{fault}]\n"
UNKNOWN_SHAPES: list[Any] = [None, True, 7, "text", [], [1, None], {}, {"run": 7}, {"data": []}, {"tests": "x"}]


async def launch_and_look(client: SipfrontClient) -> tuple[Launched, RunStatus]:
    launched = await client.launch(BASIC)
    return launched, await client.status(launched.status_url)


# ---- launches ---------------------------------------------------------------------------------------------------


def test_a_test_is_launched_and_its_status_read(lab: LabProcess, ask: Ask) -> None:
    """The documented exchange: POST, then the `status_url` of its answer."""
    launched, status = ask(launch_and_look)
    assert launched.report_url.startswith(lab.url)
    assert launched.session_id
    assert status.state in {"running", "passed"}
    assert [(r["method"], r["path"]) for r in lab.requests] == [
        ("POST", "/api/v2/tests/run"),
        ("GET", launched.status_url.removeprefix(lab.url)),
    ]
    assert {r["authorization"] for r in lab.requests} == {"basic"}


@pytest.mark.parametrize(
    ("form", "content_type", "calls"),
    [(False, "application/json", 3), (True, "application/x-www-form-urlencoded", "3")],
    ids=["json", "form"],
)
def test_a_launch_is_encoded_either_way(
    lab: LabProcess, ask: Ask, form: bool, content_type: str, calls: object
) -> None:
    """Discrepancies 7 and 8: flat dotted keys; a number keeps its type in JSON, a destination is a text in both."""
    request = RunRequest(
        test="Basic call",
        report_mode="kiosk",
        overrides={"step.1.0.dial_destination": "0431", "step.1.0.max_total_calls": 3},
    )
    launched = ask(lambda client: client.launch(request), form=form)
    (sent,) = lab.requests
    assert sent["content_type"] == content_type
    assert sent["body"] == {
        "test.name": "Basic call",
        "report.mode": "kiosk",
        "step.1.0.dial_destination": "0431",
        "step.1.0.max_total_calls": calls,
    }
    assert "/kiosk/" in launched.report_url


@pytest.mark.parametrize("project", ["Elsewhere", 2], ids=["name", "id"])
def test_a_project_is_launched_and_its_status_read(lab: LabProcess, ask: Ask, project: str | int) -> None:
    """Discrepancy 12: by the URL of the answer, which stands in no list."""

    async def both(client: SipfrontClient) -> RunStatus:
        launched = await client.launch(RunRequest(project=project, test_ids=(102,)))
        return await client.status(launched.status_url)

    status = ask(both)
    assert (status.total_tests, status.project_name) == (1, "Elsewhere")
    assert set(status.states) == {"run_status"}
    key = "id" if project == 2 else "project.name"
    assert lab.requests[0]["body"] == {key: project, "test_ids": [102]}
    assert lab.requests[0]["path"] == "/api/v2/projects/run"


@pytest.mark.parametrize("key", ["error", "description", "message", "plain"])
def test_a_refused_launch_says_why(lab: LabProcess, ask: Ask, key: str) -> None:
    """Discrepancy 16: wherever the platform puts its text."""
    lab.configure(WITH_FAULT.format(fault=f'{{on: launch, status: 422, error: "Test run denied", error_key: {key}}}'))
    with pytest.raises(RequestRefused, match="Test run denied"):
        ask(lambda client: client.launch(BASIC))
    assert (lab.launches, lab.counts["launch_requests"]) == (0, 1)


def test_a_launch_of_an_unknown_test_is_not_found(lab: LabProcess, ask: Ask) -> None:
    """With the platform's own words."""
    with pytest.raises(NotFound, match="Test 'Basik' not found"):
        ask(lambda client: client.launch(RunRequest(test="Basik")))
    assert lab.launches == 0


def test_a_launch_is_refused_inside_a_2xx(ask: Ask) -> None:
    """Discrepancy 16: the vendor's client looks for an error there, so there may be one."""
    reply = Reply(body={"error": "Test run denied", "status": 200})
    with Server(reply) as server, pytest.raises(RequestRefused, match="Sipfront refused: Test run denied"):
        ask(lambda client: client.launch(BASIC), url=server.url)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        *UNKNOWN_SHAPES,
        {"data": {}},
        {"data": {"report_url": "x"}},
        {"data": {"status_url": ""}},
        {"data": {"status_url": 7}},
        {"data": {}, "error": "half"},
    ],
    ids=repr,
)
def test_a_launch_whose_answer_says_nothing_is_uncertain(ask: Ask, body: Any) -> None:
    """It was accepted, as far as the status goes; a refusal needs words."""
    reply = Reply(body="null" if body is None else body, content_type="application/json")
    if isinstance(body, str):
        reply = Reply(body=f'"{body}"', content_type="application/json")
    with Server(reply) as server, pytest.raises((LaunchOutcomeUnknown, RequestRefused)) as caught:
        ask(lambda client: client.launch(BASIC), url=server.url)
    assert isinstance(caught.value, RequestRefused) is (body == "text")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("fault", "launches"),
    [
        ("drop: before", 0),
        ("drop: after", 1),
        ("status: 500", 0),
        ("status: 500, effect: true", 1),
        ("status: 502", 0),
        ("html: true", 1),
        ("omit: [status_url]", 1),
        ("set: {status_url: 7}", 1),
        ("body: [1]", 1),
    ],
)
def test_a_launch_of_which_nobody_knows_whether_it_took_effect_is_sent_once(
    lab: LabProcess, ask: Ask, fault: str, launches: int
) -> None:
    """Dropped before or after it took effect looks the same from here: uncertain, and never sent again."""
    lab.configure(WITH_FAULT.format(fault=f"{{on: launch, times: 1, {fault}}}"))
    with pytest.raises(LaunchOutcomeUnknown, match="the run may have been started"):
        ask(lambda client: client.launch(BASIC))
    assert (lab.launches, lab.counts["launch_requests"]) == (launches, 1)


@pytest.mark.parametrize("status", [429, 503])
def test_a_launch_that_the_platform_puts_off_was_not_started(lab: LabProcess, ask: Ask, status: int) -> None:
    """That is certain. When to send it again is for who launches many to decide, and the platform's hint helps."""
    lab.configure(WITH_FAULT.format(fault=f"{{on: launch, times: 1, status: {status}, retry_after: 2}}"))
    with pytest.raises(PlatformBusy) as caught:
        ask(lambda client: client.launch(BASIC))
    assert (caught.value.retry_after, caught.value.at_capacity) == (2.0, status == 429)
    assert (lab.launches, lab.counts["launch_requests"]) == (0, 1)


@pytest.mark.parametrize(
    ("status", "said", "at_capacity"),
    [(503, "No free agents", True), (503, "Maintenance", False), (409, "Too many concurrent sessions", True)],
)
def test_a_platform_without_capacity_says_so_in_several_ways(
    lab: LabProcess, ask: Ask, status: int, said: str, at_capacity: bool
) -> None:
    """No code is documented for it; what it means is that a place will be free again."""
    lab.configure(WITH_FAULT.format(fault=f"{{on: launch, status: {status}, error: {said}}}"))
    with pytest.raises(PlatformBusy, match=said) as caught:
        ask(lambda client: client.launch(BASIC))
    assert caught.value.at_capacity is at_capacity


def test_wrong_credentials_are_refused_by_the_platform(lab: LabProcess, ask: Ask) -> None:
    """One request tells."""
    lab.configure("account: {public_key: other, secret_key: other}\ntests:\n  Basic call: {}\n")
    with pytest.raises(AuthenticationFailed, match="Unauthorized"):
        ask(lambda client: client.launch(BASIC))
    assert lab.counts["requests"] == 1


# ---- status -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["html: true", "body: [1]", "body: {run: 7}", "status: 404", "status: 500", "status: 503", "drop: before"]
)
def test_a_status_that_cannot_be_read_is_asked_again(lab: LabProcess, ask: Ask, fault: str) -> None:
    """One bad reply must not end the wait for a run that goes on."""
    lab.configure(WITH_FAULT.format(fault=f"{{on: status, times: 2, {fault}}}"))
    _, status = ask(launch_and_look)
    assert status.state in {"running", "passed"}
    assert lab.polls == 3


@pytest.mark.parametrize("body", UNKNOWN_SHAPES, ids=repr)
def test_a_status_of_unknown_shape_is_unreadable(ask: Ask, body: Any) -> None:
    """After a while of asking again; never a state."""
    reply = Reply(body=body if not isinstance(body, str) else f'"{body}"', content_type="application/json")
    with Server(reply) as server, pytest.raises(InvalidResponse, match="is not a run's status"):
        ask(lambda client: client.status("/status"), url=server.url)
    assert len(server.requests) > 1


def test_a_status_is_asked_no_longer_than_until_its_deadline(ask: Ask) -> None:
    """A run's time limits its questions."""
    time = FakeTime()
    with Server(Reply(body={})) as server, pytest.raises(InvalidResponse):
        ask(lambda client: client.status("/status", deadline=time.start + 1), url=server.url, time=time)
    assert time.seconds <= time.start + 1


def test_refused_credentials_end_the_questions_at_once(ask: Ask) -> None:
    """They will not become right."""
    with Server(Reply(status=401)) as server, pytest.raises(AuthenticationFailed):
        ask(lambda client: client.status("/status"), url=server.url)
    assert len(server.requests) == 1


def test_the_last_status_of_a_test_is_read(lab: LabProcess, ask: Ask) -> None:
    """Discrepancy 11: by the test's number."""

    async def look(client: SipfrontClient) -> RunStatus:
        await client.launch(BASIC)
        return await client.last_status_of_test(101)

    assert ask(look).state in {"running", "passed"}
    with pytest.raises(NotFound, match="has not run yet"):
        ask(lambda client: client.last_status_of_test(102))
    assert lab.requests[-1]["path"] == "/api/v2/tests/102/status/last"


@pytest.mark.parametrize(
    "wrap", [lambda x: {"tests": x}, lambda x: {"data": x}, lambda x: x], ids=["tests", "data", ""]
)
def test_the_last_status_of_a_project_is_found_where_it_may_be(ask: Ask, wrap: Any) -> None:
    """Discrepancy 13: in `tests`, then `data`, then at the root."""
    entries = [{"run": {"status": "failed"}, "test": {"id": 1, "name": "Inner"}}, "noise", None]
    with Server(Reply(body=wrap(entries))) as server:
        (last,) = ask(lambda client: client.last_status_of_project(7), url=server.url)
    assert (last.test_id, last.test_name, last.status.state) == (1, "Inner", "failed")
    assert server.requests[0].target == "/api/v2/projects/7/status/last"


def test_a_lab_s_project_gives_the_last_runs_of_its_tests(ask: Ask) -> None:
    """Those that ever ran."""

    async def look(client: SipfrontClient) -> list[str]:
        await client.launch(BASIC)
        return [last.test_name for last in await client.last_status_of_project(1)]

    assert ask(look) == ["Basic call"]


# ---- what is not published --------------------------------------------------------------------------------------


def test_the_api_lists_its_endpoints(lab: LabProcess, ask: Ask) -> None:
    """`GET /api/v2/`, with the slash at its end."""
    endpoints = ask(lambda client: client.explore())
    named = [e for e in endpoints if e.name]
    assert [(e.name, e.methods) for e in named] == [("api_run_status", ("GET",))]
    assert lab.requests[0]["path"] == "/api/v2/"


def test_lists_of_unknown_shape_come_as_they_are(lab: LabProcess, ask: Ask) -> None:
    """Parsed JSON, where it came from, and the names in it."""
    tests = ask(lambda client: client.tests())
    assert set(tests.names()) >= {"Basic call", "Never ran", "Slow", "Elsewhere"}
    assert tests.url == f"{lab.url}/api/v2/tests"
    assert "Elsewhere" in ask(lambda client: client.projects()).names()
    assert ask(lambda client: client.runs()).data["runs"] == []


def test_stats_are_asked_for_a_run_and_for_a_test(lab: LabProcess, ask: Ask) -> None:
    """Discrepancy 11: whole, or one measure."""

    async def look(client: SipfrontClient) -> None:
        launched = await client.launch(BASIC)
        await client.run_stats(launched.session_id)
        await client.test_stats(101)

    ask(look)
    with pytest.raises(NotFound, match="Measure 'mos' not found"):
        ask(lambda client: client.test_stats(101, "mos"))
    with pytest.raises(NotFound, match="Run not found"):
        ask(lambda client: client.run_stats("nobody", "mos"))
    paths = [r["path"] for r in lab.requests][-3:]
    assert paths == ["/api/v2/tests/101/stats", "/api/v2/tests/101/stats/mos", "/api/v2/runs/nobody/stats/mos"]


def test_anything_else_can_be_requested(lab: LabProcess, ask: Ask) -> None:
    """Below `/api/v2`, once, with body and query."""
    sent = ask(lambda client: client.request("POST", "/appimages", body={"name": "x"}, params={"a": "b"}))
    assert sent.data["data"] == {"name": "x"}
    assert ask(lambda client: client.request("GET", "/appimages")).data["appimages"] == [{"name": "x"}]
    assert [r["method"] for r in lab.requests] == ["POST", "GET"]


@pytest.mark.parametrize(
    "question",
    [
        lambda client: client.tests(),
        lambda client: client.projects(),
        lambda client: client.runs(),
        lambda client: client.run_stats("x", "mos"),
        lambda client: client.test_stats(1),
        lambda client: client.request("GET", "/x"),
    ],
)
@pytest.mark.parametrize("body", [[], {}, {"anything": [1, None]}, [None]], ids=repr)
def test_a_document_has_no_shape_to_violate(ask: Ask, question: Any, body: Any) -> None:
    """It is never guessed."""
    with Server(Reply(body=body)) as server:
        assert ask(question, url=server.url).data == body


@pytest.mark.parametrize("body", [[], {}, {"endpoints": {}}, {"endpoints": None}, 7], ids=repr)
def test_a_listing_of_unknown_shape_is_unreadable(ask: Ask, body: Any) -> None:
    """Its shape is published, so it is held to it."""
    with Server(Reply(body=body)) as server, pytest.raises(InvalidResponse, match="is not a list of endpoints"):
        ask(lambda client: client.explore(), url=server.url)
    with Server(Reply(body={"tests": body})) as server:
        if body != []:
            with pytest.raises(InvalidResponse, match="is not a list of tests"):
                ask(lambda client: client.last_status_of_project(1), url=server.url)


def test_a_lost_answer_to_an_unpublished_request_is_an_error(ask: Ask) -> None:
    """It is not sent again either."""
    with Server(RESET) as server, pytest.raises(PlatformUnavailable):
        ask(lambda client: client.request("POST", "/x"), url=server.url)
    assert len(server.requests) == 1
