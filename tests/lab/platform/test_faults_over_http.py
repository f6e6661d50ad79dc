from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected

import pytest

from tests.lab.talking import Platform


def with_fault(lab: Platform, fault: str, takes: float = 0) -> None:
    lab.configure(f"tests: {{Quick: {{takes: {takes}, faults: [{{{fault}}}]}}}}")


@pytest.mark.parametrize(("drop", "launches"), [("before", 0), ("after", 1)])
def test_a_dropped_launch_gets_no_answer_whether_or_not_it_took_effect(lab: Platform, drop: str, launches: int) -> None:
    """The TCP connection is closed without a byte of HTTP; the lab alone knows what became of the launch."""
    with_fault(lab, f"on: launch, drop: {drop}, times: 1")
    with pytest.raises(RemoteDisconnected):
        lab.launch()
    assert lab.handle.launches == launches
    assert lab.handle.requests[0]["status"] == "dropped"
    assert lab.launch().status == 200


def test_a_dropped_poll_closes_the_connection_too(lab: Platform) -> None:
    """Every request can be dropped, and the run goes on."""
    with_fault(lab, "on: status, drop: before, times: 1")
    url = lab.status_url()
    with pytest.raises(RemoteDisconnected):
        lab.get(url)
    assert lab.finished(url)["status"] == "passed"


def test_a_busy_platform_says_when_to_come_back(lab: Platform) -> None:
    """503 with Retry-After for exactly two launches, none of which takes effect."""
    with_fault(lab, "on: launch, status: 503, retry_after: 1, times: 2")
    replies = [lab.launch() for _ in range(3)]
    assert [(reply.status, reply.headers["Retry-After"]) for reply in replies] == [(503, "1"), (503, "1"), (200, None)]
    assert lab.handle.launches == 1


def test_faults_are_counted_exactly_when_requests_overlap(lab: Platform) -> None:
    """Of thirty launches at once exactly seven meet the fault and exactly ten find a place."""
    lab.configure(
        """
        account: {concurrent_runs: 10}
        tests: {Slow: {takes: 60, faults: [{on: launch, status: 500, times: 7, latency: 0.05}]}}
        """
    )
    with ThreadPoolExecutor(30) as pool:
        statuses = sorted(reply.status for reply in pool.map(lambda _: lab.launch("Slow"), range(30)))
    assert statuses == [200] * 10 + [429] * 13 + [500] * 7
    assert lab.handle.peak_in_flight == 10


def test_a_page_instead_of_json_comes_with_200_after_the_launch_took_effect(lab: Platform) -> None:
    """As behind a proxy: HTML, status 200, and a run that the client knows nothing of."""
    with_fault(lab, "on: launch, html: true")
    reply = lab.launch()
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert reply.text.startswith("<!doctype html>")
    assert lab.handle.launches == 1


def test_a_body_is_replaced_as_a_whole(lab: Platform) -> None:
    """Any JSON, status 200 unless another is given."""
    with_fault(lab, "on: launch, body: {error: Test run denied}")
    reply = lab.launch()
    assert (reply.status, reply.json) == (200, {"error": "Test run denied"})


@pytest.mark.parametrize(("key", "text"), [("plain", "No agents"), ("none", ""), ("message", None)])
def test_error_texts_can_stand_anywhere(lab: Platform, key: str, text: str | None) -> None:
    """In another key, as plain text, or nowhere."""
    with_fault(lab, f"on: launch, status: 400, error: No agents, error_key: {key}")
    reply = lab.launch()
    assert reply.status == 400
    assert (reply.json["message"] if text is None else reply.text) == ("No agents" if text is None else text)


def test_an_error_after_the_launch_took_effect_is_possible(lab: Platform) -> None:
    """A gateway's 502 says nothing about what was behind it."""
    with_fault(lab, "on: launch, status: 502, effect: true")
    assert lab.launch().status == 502
    assert lab.handle.launches == 1


def test_fields_of_a_launch_can_be_missing_or_wrong(lab: Platform) -> None:
    """`omit` and `set` work on `data`."""
    with_fault(lab, 'on: launch, omit: [report_url], set: {status_url: "http://other/x"}')
    data = lab.launch().json["data"]
    assert "report_url" not in data
    assert data["status_url"] == "http://other/x"


def test_fields_of_a_status_can_be_missing_or_wrong(lab: Platform) -> None:
    """`omit` and `set` work on `run`, here of ended runs only."""
    with_fault(lab, 'on: status, during: finished, omit: [is_failed], set: {has_passed: "1", session_status: running}')
    run = lab.run()
    assert "is_failed" not in run
    assert (run["has_passed"], run["session_status"], run["status"]) == ("1", "running", "passed")


def test_a_status_flips_before_it_tells_the_truth(lab: Platform) -> None:
    """One state a poll, also after the run has ended."""
    with_fault(lab, "on: status, flip: [running, queued, running]")
    url = lab.status_url()
    polled = [lab.get(url).json["run"] for _ in range(4)]
    assert polled[:3] == [{"status": "running"}, {"status": "queued"}, {"status": "running"}]
    assert lab.finished(url)["status"] == "passed"


def test_an_account_wide_fault_hits_every_kind_of_request(lab: Platform) -> None:
    """`faults` at the top of the file; "any" is the default."""
    lab.configure("faults: [{status: 500, times: 3}]\ntests: {Quick: {takes: 0}}")
    replies = [lab.get("/api/v2/projects"), lab.get("/api/v2/"), lab.launch(), lab.launch()]
    assert [reply.status for reply in replies] == [500, 500, 500, 200]


def test_a_project_has_faults_of_its_own(lab: Platform) -> None:
    """A project's launch and status meet the faults of the project."""
    lab.configure("tests: {A: {takes: 0}}\nprojects: {P: {tests: [A], faults: [{on: launch, status: 503, times: 1}]}}")
    launches = [lab.post("/api/v2/projects/run", {"project.name": "P"}).status for _ in range(2)]
    assert launches == [503, 200]


def test_a_slow_answer_comes_after_the_launch_took_effect(lab: Platform) -> None:
    """`latency` holds the answer back, not the launch: a client that gives up has started a run."""
    with_fault(lab, "on: launch, latency: 30")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lab.launch)
        while not lab.handle.launches:
            assert not waiting.done()
        request = lab.handle.requests[0]
        lab.configure("tests: {}")
        assert (request["path"], request["status"]) == ("/api/v2/tests/run", None)
        assert waiting.result(10).status == 200
