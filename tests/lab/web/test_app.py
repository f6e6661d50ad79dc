from __future__ import annotations

import time

import pytest

from pytest_sipfront.lab.process import LabError, LabHandle
from tests.lab.platform_client import Platform

SECRET = "sentinel-4c1f"


def test_counts_of_launches_polls_and_requests(lab: Platform) -> None:
    """GET /lab/counts: accepted launches, polls, runs in flight now and at most, requests by path, the lab's clock."""
    lab.run()
    polls = lab.handle.polls
    lab.launch("Slow")
    lab.launch("Unknown")
    lab.get("/api/v2/nothing")
    counts = lab.handle.counts
    assert counts.pop("now") > 0
    assert 0 < counts.pop("started") < time.monotonic()
    assert counts == {
        "launches": 2,
        "launch_requests": 3,
        "polls": polls,
        "in_flight": 1,
        "peak_in_flight": 1,
        "requests": 4 + polls,
        "by_path": {"/api/v2/tests/run": 3, "/api/v2/runs/:id/status": polls, "/api/:rest": 1},
    }
    assert polls >= 1


def test_control_endpoints_and_pages_are_not_counted(lab: Platform) -> None:
    """They are not part of the platform."""
    lab.get("/")
    lab.get("/lab/runs")
    assert lab.handle.counts["requests"] == 0


def test_requests_are_logged_in_order_without_credentials(lab: Platform) -> None:
    """GET /lab/requests: method, path, time, authorization scheme, content type, body and status."""
    lab.authorization = f"Basic {SECRET}"
    lab.get("/api/v2/tests")
    lab.authorization = None
    lab.post_form("/api/v2/tests/run", {"test.name": "Quick"})
    first, second = lab.handle.requests
    assert second["time"] >= first.pop("time") > 0
    assert first == {
        "method": "GET",
        "path": "/api/v2/tests",
        "authorization": "basic",
        "content_type": "",
        "body": None,
        "status": 401,
    }
    assert (second["authorization"], second["content_type"]) == ("none", "application/x-www-form-urlencoded")
    assert SECRET not in lab.get("/lab/requests").text


def test_runs_are_listed_with_their_times(lab: Platform) -> None:
    """GET /lab/runs: every run with test, overrides and state; times are in seconds since the lab's start."""
    lab.run(**{"step.1.0.to": "1"})
    lab.launch("Slow")
    ended, running = lab.handle.runs
    assert (ended["test"], ended["overrides"], ended["state"]) == ("Quick", {"step.1.0.to": "1"}, "passed")
    assert ended["stopped"] >= ended["started"] > 0
    assert (running["test"], running["state"], running["stopped"]) == ("Slow", "running", None)


def test_another_file_resets_the_lab(lab: Platform) -> None:
    """PUT /lab/config: tests, runs, counts, requests, app images and faults are those of a new lab."""
    url = lab.status_url("Slow")
    lab.post("/api/v2/appimages", {"name": "x"})
    lab.configure("tests: {New: {takes: 0}}")
    assert (lab.handle.runs, lab.handle.requests, lab.handle.in_flight) == ([], [], 0)
    assert lab.handle.counts["by_path"] == {}
    assert lab.get(url).status == 404
    assert lab.get("/api/v2/appimages").json["appimages"] == []
    assert lab.run("New")["id"] == 12345


def test_an_invalid_file_is_rejected_and_changes_nothing(lab: Platform) -> None:
    """PUT /lab/config answers 400 with the mistakes, and open runs continue."""
    lab.launch("Slow")
    with pytest.raises(LabError, match=r"^lab.yaml:1: test: unknown key 'test'; did you mean 'tests'"):
        lab.handle.configure("test: {}")
    assert lab.handle.in_flight == 1
    assert lab.send("PUT", "/lab/config", b"\xff").status == 400


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_a_handle_needs_url_and_token(lab: Platform, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Any process that has both can use the lab, for example a worker that did not start it."""
    lab.launch("Slow")
    if source == "environment":
        monkeypatch.setenv("SIPFRONT_LAB_TOKEN", lab.handle.token)
    handle = LabHandle(lab.url + "/", lab.handle.token if source == "argument" else "")
    assert (handle.launches, handle.in_flight, handle.peak_in_flight, handle.polls) == (1, 1, 1, 0)


def test_a_handle_names_a_lab_that_does_not_answer() -> None:
    """The error has its URL, and no traceback of the HTTP library."""
    with pytest.raises(LabError, match=r"the lab at http://127\.0\.0\.1:1 does not answer"):
        _ = LabHandle("http://127.0.0.1:1").counts


def test_a_handle_uses_no_proxy(lab: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to this machine does not go to the proxy of the environment."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert lab.handle.launches == 0
