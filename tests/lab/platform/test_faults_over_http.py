from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected

import pytest

from tests.lab.platform_client import Platform
from tests.support import TIMEOUT


def with_fault(lab: Platform, fault: str, takes: float = 0) -> None:
    lab.configure(f"tests: {{Quick: {{takes: {takes}, faults: [{{{fault}}}]}}}}")


@pytest.mark.parametrize(("drop", "launches"), [("before", 0), ("after", 1)])
def test_a_dropped_launch_gets_no_response(lab: Platform, drop: str, launches: int) -> None:
    """The TCP connection is closed before or after the launch takes effect; the client cannot distinguish the two."""
    with_fault(lab, f"on: launch, drop: {drop}, times: 1")
    with pytest.raises(RemoteDisconnected):
        lab.launch()
    assert lab.handle.launches == launches
    assert lab.handle.requests[0]["status"] == "dropped"
    assert lab.launch().status == 200


def test_a_dropped_poll_leaves_the_run_alone(lab: Platform) -> None:
    """Every kind of request can be dropped."""
    with_fault(lab, "on: status, drop: before, times: 1")
    url = lab.status_url()
    with pytest.raises(RemoteDisconnected):
        lab.get(url)
    assert lab.finished(url)["status"] == "passed"


def test_a_busy_platform_sends_retry_after(lab: Platform) -> None:
    """Exactly two launches get 503 and have no effect."""
    with_fault(lab, "on: launch, status: 503, retry_after: 1, times: 2")
    replies = [lab.launch() for _ in range(3)]
    assert [(reply.status, reply.headers["Retry-After"]) for reply in replies] == [(503, "1"), (503, "1"), (200, None)]
    assert lab.handle.launches == 1


def test_counts_are_exact_if_requests_overlap(lab: Platform) -> None:
    """Of thirty concurrent launches, the fault hits seven, and ten start a run."""
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


def test_an_html_response_hides_a_launch_that_took_effect(lab: Platform) -> None:
    """Like behind a proxy: the status is 200, and a run has started."""
    with_fault(lab, "on: launch, html: true")
    reply = lab.launch()
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert reply.text.startswith("<!doctype html>")
    assert lab.handle.launches == 1


def test_body_replaces_the_response(lab: Platform) -> None:
    """The status is 200 by default."""
    with_fault(lab, "on: launch, body: {error: Test run denied}")
    reply = lab.launch()
    assert (reply.status, reply.json) == (200, {"error": "Test run denied"})


@pytest.mark.parametrize(("key", "text"), [("plain", "No agents"), ("none", ""), ("message", None)])
def test_error_key_moves_the_error_text(lab: Platform, key: str, text: str | None) -> None:
    """To another key, to plain text, or to an empty body."""
    with_fault(lab, f"on: launch, status: 400, error: No agents, error_key: {key}")
    reply = lab.launch()
    assert reply.status == 400
    assert (reply.json["message"] if text is None else reply.text) == ("No agents" if text is None else text)


def test_an_error_can_follow_a_launch_that_took_effect(lab: Platform) -> None:
    """`effect: true` models a gateway that loses the response."""
    with_fault(lab, "on: launch, status: 502, effect: true")
    assert lab.launch().status == 502
    assert lab.handle.launches == 1


def test_omit_and_set_change_the_data_of_a_launch(lab: Platform) -> None:
    """A field can be missing, and another can have a wrong value."""
    with_fault(lab, 'on: launch, omit: [report_url], set: {status_url: "http://other/x"}')
    data = lab.launch().json["data"]
    assert "report_url" not in data
    assert data["status_url"] == "http://other/x"


def test_omit_and_set_change_the_run_of_a_status(lab: Platform) -> None:
    """Here only of runs that have ended."""
    with_fault(lab, 'on: status, during: finished, omit: [is_failed], set: {has_passed: "1", session_status: running}')
    run = lab.run()
    assert "is_failed" not in run
    assert (run["has_passed"], run["session_status"], run["status"]) == ("1", "running", "passed")


def test_a_status_flips_before_it_shows_the_real_state(lab: Platform) -> None:
    """One state per poll, also after the end of the run."""
    with_fault(lab, "on: status, flip: [running, queued, running]")
    url = lab.status_url()
    polled = [lab.get(url).json["run"] for _ in range(4)]
    assert polled[:3] == [{"status": "running"}, {"status": "queued"}, {"status": "running"}]
    assert lab.finished(url)["status"] == "passed"


def test_an_account_wide_fault_hits_every_kind_of_request(lab: Platform) -> None:
    """The top-level key `faults`; its default is `on: any`."""
    lab.configure("faults: [{status: 500, times: 3}]\ntests: {Quick: {takes: 0}}")
    replies = [lab.get("/api/v2/projects"), lab.get("/api/v2/"), lab.launch(), lab.launch()]
    assert [reply.status for reply in replies] == [500, 500, 500, 200]


def test_a_project_can_have_faults(lab: Platform) -> None:
    """They hit its launch and its status."""
    lab.configure("tests: {A: {takes: 0}}\nprojects: {P: {tests: [A], faults: [{on: launch, status: 503, times: 1}]}}")
    launches = [lab.post("/api/v2/projects/run", {"project.name": "P"}).status for _ in range(2)]
    assert launches == [503, 200]


def test_latency_delays_the_response_and_not_the_launch(lab: Platform) -> None:
    """A client that times out has started a run."""
    with_fault(lab, "on: launch, latency: 30")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lab.launch)
        while not lab.handle.launches:
            assert not waiting.done()
        request = lab.handle.requests[0]
        lab.configure("tests: {}")
        assert (request["path"], request["status"]) == ("/api/v2/tests/run", None)
        assert waiting.result(TIMEOUT).status == 200
