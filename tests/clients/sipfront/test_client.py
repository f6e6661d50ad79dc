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
from tests.clients.sipfront.conftest import UseClient
from tests.support import RESET, FakeTime, Reply, Server

BASIC = RunRequest(test="Basic call")
WITH_FAULT = "tests:\n  Basic call:\n    takes: 0\n    faults: [{fault}]\n"
UNKNOWN_SHAPES: list[Any] = [None, True, 7, "text", [], [1, None], {}, {"run": 7}, {"data": []}, {"tests": "x"}]


async def launch_and_look(client: SipfrontClient) -> tuple[Launched, RunStatus]:
    launched = await client.launch(BASIC)
    return launched, await client.status(launched.status_url)


# ---- launches ---------------------------------------------------------------------------------------------------


def test_a_test_is_launched_and_its_status_read(lab: LabProcess, use_client: UseClient) -> None:
    """The documented exchange: POST, then the `status_url` of the response."""
    launched, status = use_client(launch_and_look)
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
def test_a_launch_is_encoded_as_json_or_as_a_form(
    lab: LabProcess, use_client: UseClient, form: bool, content_type: str, calls: object
) -> None:
    """Discrepancies 7 and 8: flat dotted keys. A number keeps its type in JSON, a destination is a string in both."""
    request = RunRequest(
        test="Basic call",
        report_mode="kiosk",
        overrides={"step.1.0.dial_destination": "0431", "step.1.0.max_total_calls": 3},
    )
    launched = use_client(lambda client: client.launch(request), form=form)
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
def test_a_project_is_launched_and_its_status_read(lab: LabProcess, use_client: UseClient, project: str | int) -> None:
    """Discrepancy 12: the status URL of a project is in the response only."""

    async def both(client: SipfrontClient) -> RunStatus:
        launched = await client.launch(RunRequest(project=project, test_ids=(102,)))
        return await client.status(launched.status_url)

    status = use_client(both)
    assert (status.total_tests, status.project_name) == (1, "Elsewhere")
    assert set(status.states) == {"run_status"}
    key = "id" if project == 2 else "project.name"
    assert lab.requests[0]["body"] == {key: project, "test_ids": [102]}
    assert lab.requests[0]["path"] == "/api/v2/projects/run"


@pytest.mark.parametrize("key", ["error", "description", "message", "plain"])
def test_a_refused_launch_quotes_the_platform(lab: LabProcess, use_client: UseClient, key: str) -> None:
    """Discrepancy 16: from each field in which the platform puts its message."""
    lab.configure(WITH_FAULT.format(fault=f'{{on: launch, status: 422, error: "Test run denied", error_key: {key}}}'))
    with pytest.raises(RequestRefused, match="Test run denied"):
        use_client(lambda client: client.launch(BASIC))
    assert (lab.launches, lab.counts["launch_requests"]) == (0, 1)


def test_a_launch_of_an_unknown_test_is_not_found(lab: LabProcess, use_client: UseClient) -> None:
    """The message is the text of the platform."""
    with pytest.raises(NotFound, match="Test 'Basik' not found"):
        use_client(lambda client: client.launch(RunRequest(test="Basik")))
    assert lab.launches == 0


def test_a_launch_may_be_refused_in_a_2xx_response(use_client: UseClient) -> None:
    """Discrepancy 16: the vendor's client looks for an error there."""
    reply = Reply(body={"error": "Test run denied", "status": 200})
    with Server(reply) as server, pytest.raises(RequestRefused, match="Sipfront refused: Test run denied"):
        use_client(lambda client: client.launch(BASIC), url=server.url)
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
def test_a_launch_response_without_data_and_message_leaves_the_outcome_unknown(
    use_client: UseClient, body: Any
) -> None:
    """A refusal requires a message."""
    reply = Reply(body="null" if body is None else body, content_type="application/json")
    if isinstance(body, str):
        reply = Reply(body=f'"{body}"', content_type="application/json")
    with Server(reply) as server, pytest.raises((LaunchOutcomeUnknown, RequestRefused)) as caught:
        use_client(lambda client: client.launch(BASIC), url=server.url)
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
def test_a_launch_with_unknown_outcome_is_sent_once(
    lab: LabProcess, use_client: UseClient, fault: str, launches: int
) -> None:
    """A connection that is dropped before or after the effect looks the same to the client."""
    lab.configure(WITH_FAULT.format(fault=f"{{on: launch, times: 1, {fault}}}"))
    with pytest.raises(LaunchOutcomeUnknown, match="the run may have been started"):
        use_client(lambda client: client.launch(BASIC))
    assert (lab.launches, lab.counts["launch_requests"]) == (launches, 1)


@pytest.mark.parametrize("status", [429, 503])
def test_a_launch_is_not_retried_by_the_client_if_the_platform_is_busy(
    lab: LabProcess, use_client: UseClient, status: int
) -> None:
    """The scheduler decides when to send it again, with the hint of the platform."""
    lab.configure(WITH_FAULT.format(fault=f"{{on: launch, times: 1, status: {status}, retry_after: 2}}"))
    with pytest.raises(PlatformBusy) as caught:
        use_client(lambda client: client.launch(BASIC))
    assert (caught.value.retry_after, caught.value.at_capacity) == (2.0, status == 429)
    assert (lab.launches, lab.counts["launch_requests"]) == (0, 1)


@pytest.mark.parametrize(
    ("status", "message", "at_capacity"),
    [(503, "No free agents", True), (503, "Maintenance", False), (409, "Too many concurrent sessions", True)],
)
def test_a_missing_capacity_is_recognised_in_several_forms(
    lab: LabProcess, use_client: UseClient, status: int, message: str, at_capacity: bool
) -> None:
    """No status code is documented for it."""
    lab.configure(WITH_FAULT.format(fault=f"{{on: launch, status: {status}, error: {message}}}"))
    with pytest.raises(PlatformBusy, match=message) as caught:
        use_client(lambda client: client.launch(BASIC))
    assert caught.value.at_capacity is at_capacity


def test_wrong_credentials_are_refused_by_the_platform(lab: LabProcess, use_client: UseClient) -> None:
    """One request is sufficient."""
    lab.configure("account: {public_key: other, secret_key: other}\ntests:\n  Basic call: {}\n")
    with pytest.raises(AuthenticationFailed, match="Unauthorized"):
        use_client(lambda client: client.launch(BASIC))
    assert lab.counts["requests"] == 1


# ---- status -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["html: true", "body: [1]", "body: {run: 7}", "status: 404", "status: 500", "status: 503", "drop: before"]
)
def test_an_unreadable_status_is_polled_again(lab: LabProcess, use_client: UseClient, fault: str) -> None:
    """One bad response must not end the polling of an active run."""
    lab.configure(WITH_FAULT.format(fault=f"{{on: status, times: 2, {fault}}}"))
    _, status = use_client(launch_and_look)
    assert status.state in {"running", "passed"}
    assert lab.polls == 3


@pytest.mark.parametrize("body", UNKNOWN_SHAPES, ids=repr)
def test_a_status_of_unknown_form_is_unreadable(use_client: UseClient, body: Any) -> None:
    """After retries. It is never treated as a state."""
    reply = Reply(body=body if not isinstance(body, str) else f'"{body}"', content_type="application/json")
    with Server(reply) as server, pytest.raises(InvalidResponse, match="is not a run's status"):
        use_client(lambda client: client.status("/status"), url=server.url)
    assert len(server.requests) > 1


def test_no_poll_begins_after_the_deadline(use_client: UseClient) -> None:
    """The deadline is the run's timeout."""
    time = FakeTime()
    with Server(Reply(body={})) as server, pytest.raises(InvalidResponse):
        use_client(lambda client: client.status("/status", deadline=time.start + 1), url=server.url, time=time)
    assert time.seconds <= time.start + 1


def test_refused_credentials_are_not_retried(use_client: UseClient) -> None:
    """A retry cannot help."""
    with Server(Reply(status=401)) as server, pytest.raises(AuthenticationFailed):
        use_client(lambda client: client.status("/status"), url=server.url)
    assert len(server.requests) == 1


def test_the_last_status_of_a_test_is_read(lab: LabProcess, use_client: UseClient) -> None:
    """Discrepancy 11: by the id of the test."""

    async def look(client: SipfrontClient) -> RunStatus:
        await client.launch(BASIC)
        return await client.last_status_of_test(101)

    assert use_client(look).state in {"running", "passed"}
    with pytest.raises(NotFound, match="has not run yet"):
        use_client(lambda client: client.last_status_of_test(102))
    assert lab.requests[-1]["path"] == "/api/v2/tests/102/status/last"


@pytest.mark.parametrize(
    "wrap", [lambda x: {"tests": x}, lambda x: {"data": x}, lambda x: x], ids=["tests", "data", ""]
)
def test_the_last_status_of_a_project_is_read_in_each_form(use_client: UseClient, wrap: Any) -> None:
    """Discrepancy 13: in `tests`, then `data`, then at the root."""
    entries = [{"run": {"status": "failed"}, "test": {"id": 1, "name": "Inner"}}, "noise", None]
    with Server(Reply(body=wrap(entries))) as server:
        (last,) = use_client(lambda client: client.last_status_of_project(7), url=server.url)
    assert (last.test_id, last.test_name, last.status.state) == (1, "Inner", "failed")
    assert server.requests[0].target == "/api/v2/projects/7/status/last"


def test_a_project_of_the_lab_has_the_last_runs_of_its_tests(use_client: UseClient) -> None:
    """Tests without a run are missing."""

    async def look(client: SipfrontClient) -> list[str]:
        await client.launch(BASIC)
        return [last.test_name for last in await client.last_status_of_project(1)]

    assert use_client(look) == ["Basic call"]


# ---- what is not published --------------------------------------------------------------------------------------


def test_the_api_lists_its_endpoints(lab: LabProcess, use_client: UseClient) -> None:
    """`GET /api/v2/`, with a slash at the end."""
    endpoints = use_client(lambda client: client.explore())
    named = [e for e in endpoints if e.name]
    assert [(e.name, e.methods) for e in named] == [("api_run_status", ("GET",))]
    assert lab.requests[0]["path"] == "/api/v2/"


def test_lists_of_unknown_form_are_returned_unchanged(lab: LabProcess, use_client: UseClient) -> None:
    """The document has parsed JSON, its URL, and the names in it."""
    tests = use_client(lambda client: client.tests())
    assert set(tests.names()) >= {"Basic call", "Never ran", "Slow", "Elsewhere"}
    assert tests.url == f"{lab.url}/api/v2/tests"
    assert "Elsewhere" in use_client(lambda client: client.projects()).names()
    assert use_client(lambda client: client.runs()).data["runs"] == []


def test_stats_are_requested_for_a_run_and_for_a_test(lab: LabProcess, use_client: UseClient) -> None:
    """Discrepancy 11: all measures, or one."""

    async def look(client: SipfrontClient) -> None:
        launched = await client.launch(BASIC)
        await client.run_stats(launched.session_id)
        await client.test_stats(101)

    use_client(look)
    with pytest.raises(NotFound, match="Measure 'mos' not found"):
        use_client(lambda client: client.test_stats(101, "mos"))
    with pytest.raises(NotFound, match="Run not found"):
        use_client(lambda client: client.run_stats("nobody", "mos"))
    paths = [r["path"] for r in lab.requests][-3:]
    assert paths == ["/api/v2/tests/101/stats", "/api/v2/tests/101/stats/mos", "/api/v2/runs/nobody/stats/mos"]


def test_any_other_request_can_be_sent(lab: LabProcess, use_client: UseClient) -> None:
    """Below `/api/v2`, once, with body and query."""
    sent = use_client(lambda client: client.request("POST", "/appimages", body={"name": "x"}, params={"a": "b"}))
    assert sent.data["data"] == {"name": "x"}
    assert use_client(lambda client: client.request("GET", "/appimages")).data["appimages"] == [{"name": "x"}]
    assert [r["method"] for r in lab.requests] == ["POST", "GET"]


@pytest.mark.parametrize(
    "method",
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
def test_a_document_may_have_any_form(use_client: UseClient, method: Any, body: Any) -> None:
    """Its form is not published."""
    with Server(Reply(body=body)) as server:
        assert use_client(method, url=server.url).data == body


@pytest.mark.parametrize("body", [[], {}, {"endpoints": {}}, {"endpoints": None}, 7], ids=repr)
def test_a_list_of_endpoints_of_unknown_form_is_unreadable(use_client: UseClient, body: Any) -> None:
    """Its form is published."""
    with Server(Reply(body=body)) as server, pytest.raises(InvalidResponse, match="is not a list of endpoints"):
        use_client(lambda client: client.explore(), url=server.url)
    with Server(Reply(body={"tests": body})) as server:
        if body != []:
            with pytest.raises(InvalidResponse, match="is not a list of tests"):
                use_client(lambda client: client.last_status_of_project(1), url=server.url)


def test_a_lost_response_to_any_other_request_is_an_error(use_client: UseClient) -> None:
    """It is not sent again."""
    with Server(RESET) as server, pytest.raises(PlatformUnavailable):
        use_client(lambda client: client.request("POST", "/x"), url=server.url)
    assert len(server.requests) == 1
