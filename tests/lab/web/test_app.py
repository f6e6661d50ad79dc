from __future__ import annotations

import time

import pytest

from pytest_sipfront.lab.process import LabError, LabHandle
from tests.lab.talking import Platform

SECRET = "sentinel-4c1f"


def test_counts_tell_launches_polls_and_flights(lab: Platform) -> None:
    """GET /lab/counts: accepted launches, polls, runs in flight now and at most, requests in all and by path, time."""
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


def test_asking_the_lab_counts_as_no_request(lab: Platform) -> None:
    """The control plane and the pages are not part of the platform."""
    lab.get("/")
    lab.get("/lab/runs")
    assert lab.handle.counts["requests"] == 0


def test_requests_are_kept_in_order_with_all_but_the_credentials(lab: Platform) -> None:
    """GET /lab/requests: method, path, time, kind of authorization, content type, body and answer; never a secret."""
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


def test_runs_tell_what_was_launched_and_when(lab: Platform) -> None:
    """GET /lab/runs: every run with test, overrides, state, and its times in seconds since the lab's start."""
    lab.run(**{"step.1.0.to": "1"})
    lab.launch("Slow")
    ended, running = lab.handle.runs
    assert (ended["test"], ended["overrides"], ended["state"]) == ("Quick", {"step.1.0.to": "1"}, "passed")
    assert ended["stopped"] >= ended["started"] > 0
    assert (running["test"], running["state"], running["stopped"]) == ("Slow", "running", None)


def test_another_file_starts_everything_anew(lab: Platform) -> None:
    """PUT /lab/config: tests, runs, counts, requests, app images and faults are those of a fresh lab."""
    url = lab.status_url("Slow")
    lab.post("/api/v2/appimages", {"name": "x"})
    lab.configure("tests: {New: {takes: 0}}")
    assert (lab.handle.runs, lab.handle.requests, lab.handle.in_flight) == ([], [], 0)
    assert lab.handle.counts["by_path"] == {}
    assert lab.get(url).status == 404
    assert lab.get("/api/v2/appimages").json["appimages"] == []
    assert lab.run("New")["id"] == 12345


def test_a_wrong_file_is_refused_and_changes_nothing(lab: Platform) -> None:
    """PUT /lab/config answers 400 with the file's error, and runs go on."""
    lab.launch("Slow")
    with pytest.raises(LabError, match=r"^lab.yaml:1: test: unknown key 'test'; did you mean 'tests'"):
        lab.handle.configure("test: {}")
    assert lab.handle.in_flight == 1
    assert lab.ask("PUT", "/lab/config", b"\xff").status == 400


def test_a_handle_needs_the_url_alone(lab: Platform) -> None:
    """Any process of the machine can ask, such as a worker that did not start the lab."""
    lab.launch("Slow")
    handle = LabHandle(lab.url + "/")
    assert (handle.launches, handle.in_flight, handle.peak_in_flight, handle.polls) == (1, 1, 1, 0)


def test_a_handle_says_that_nobody_answers() -> None:
    """A lab that is gone is an error with its URL, not a traceback of the library's own."""
    with pytest.raises(LabError, match=r"the lab at http://127\.0\.0\.1:1 does not answer"):
        _ = LabHandle("http://127.0.0.1:1").counts


def test_a_proxy_of_the_environment_is_left_alone(lab: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant for this machine is not sent to a proxy."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert lab.handle.launches == 0
