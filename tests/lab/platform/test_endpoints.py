from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.lab.platform_client import Platform, basic

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
DOCUMENTED = {
    ("GET", "/api/v2/"),
    ("GET", "/api/v2/runs/:id/status"),
    ("GET", "/api/v2/tests"),
    ("POST", "/api/v2/tests/run"),
    ("GET", "/api/v2/tests/:id/status/last"),
    ("GET", "/api/v2/tests/:tid/stats"),
    ("GET", "/api/v2/tests/:tid/stats/:measure"),
    ("GET", "/api/v2/runs"),
    ("GET", "/api/v2/runs/:sid/stats"),
    ("GET", "/api/v2/runs/:sid/stats/:measure"),
    ("GET", "/api/v2/projects"),
    ("POST", "/api/v2/projects/run"),
    ("GET", "/api/v2/projects/:id/status/last"),
    ("GET", "/api/v2/appimages"),
    ("POST", "/api/v2/appimages"),
}
NIGHTLY = """
tests:
  Basic call: {id: 101, takes: 0, tags: [media, prod], testcase: Media analysis for Audio Call}
  Busy: {id: 102, takes: 0, verdict: failed, description: 486 Busy Here}
  Other: {id: 103, takes: 0, project: Other}
projects:
  Nightly: {id: 4, tests: [Basic call, Busy]}
  Other: {}
account: {agentpool: eu-central-1}
"""


def test_exploring_lists_the_documented_endpoints(lab: Platform) -> None:
    """GET /: fourteen endpoints with http URLs; only the run status has a name."""
    body = lab.get("/api/v2/").json
    listed = {(method, e["url"].removeprefix(lab.url)) for e in body["endpoints"] for method in e["methods"]}
    assert listed == DOCUMENTED
    assert len(body["endpoints"]) == 14
    assert [e["name"] for e in body["endpoints"] if "name" in e] == ["api_run_status"]
    assert body["status"] == 200


def test_a_launch_responds_as_documented(lab: Platform) -> None:
    """Three fields under `data`. The session id differs from the UUID in the URLs, as in the documented sample."""
    body = lab.launch().json
    assert body.keys() == {"data", "status"}
    assert body["status"] == 200
    data = body["data"]
    assert data.keys() == {"report_url", "session_id", "status_url"}
    run = re.fullmatch(rf"{lab.url}/api/v2/runs/({UUID})/status", data["status_url"])
    assert run is not None
    assert data["report_url"] == f"{lab.url}/run/details/{run[1]}"
    assert re.fullmatch(UUID, data["session_id"])
    assert data["session_id"] != run[1]


def test_the_report_url_of_kiosk_mode_has_two_uuids(lab: Platform) -> None:
    """`report.mode=kiosk` changes only the report URL."""
    data = lab.launch(**{"report.mode": "kiosk"}).json["data"]
    run = data["status_url"].split("/")[-2]
    assert re.fullmatch(rf"{lab.url}/kiosk/{UUID}/{run}", data["report_url"])


def test_print_mode_has_another_report_url(lab: Platform) -> None:
    """The vendor's client sends `print` for tests; the URL is an assumption."""
    assert lab.launch(**{"report.mode": "print"}).json["data"]["report_url"].startswith(f"{lab.url}/run/print/")


def test_an_open_run_has_only_a_status(lab: Platform) -> None:
    """The documented body while a test runs, with the field that the vendor's clients read."""
    run = {"status": "running", "session_status": "running"}
    assert lab.get(lab.status_url("Slow")).json == {"run": run, "status": 200}


def test_a_lab_file_can_leave_session_status_out(lab: Platform) -> None:
    """`session_status: false` is the bare documented form, before and after the end of a run."""
    lab.configure("session_status: false\ntests: {Slow: {takes: 60}, Quick: {takes: 0}}")
    assert lab.get(lab.status_url("Slow")).json == {"run": {"status": "running"}, "status": 200}
    assert "session_status" not in lab.run("Quick")


def test_a_finished_run_has_every_documented_field(lab: Platform) -> None:
    """The documented body of a finished test: ints for flags, tags as JSON text, UTC times without a zone."""
    lab.configure(NIGHTLY)
    status_url = lab.status_url("Basic call")
    run = lab.finished(status_url)
    times = [run.pop("started_at"), run.pop("stopped_at")]
    assert all(re.fullmatch(TIME, time) for time in times)
    assert run == {
        "agentpool_name": "eu-central-1 (scripted verdict)",
        "has_passed": 1,
        "id": 12345,
        "is_failed": 0,
        "is_finished": 1,
        "project_id": 4,
        "project_name": "Nightly",
        "result_description": "",
        "session_id": status_url.split("/")[-2],
        "session_status": "passed",
        "status": "passed",
        "tags": '["media", "prod"]',
        "test_id": 101,
        "test_name": "Basic call",
        "testcase_name": "Media analysis for Audio Call",
    }
    assert '"has_passed": 1,' in lab.get(status_url).text


@pytest.mark.parametrize(
    ("verdict", "flags"),
    [("passed", (1, 0, 1)), ("failed", (0, 1, 1)), ("stopped", (0, 0, 1)), ("melted", (0, 0, 1))],
)
def test_the_flags_agree_with_the_state(lab: Platform, verdict: str, flags: tuple[int, int, int]) -> None:
    """Any other final state, also an unknown one, is finished without a flag."""
    lab.configure(f"tests: {{Quick: {{takes: 0, verdict: {verdict}, description: why}}}}")
    run = lab.run()
    assert (run["has_passed"], run["is_failed"], run["is_finished"]) == flags
    assert (run["status"], run["result_description"]) == (verdict, "why")


@pytest.mark.parametrize("post", ["post", "post_form", "post_multipart"])
def test_a_launch_can_be_sent_in_every_documented_format(lab: Platform, post: str) -> None:
    """JSON, urlencoded and multipart bodies with dotted keys start the same run."""
    fields = {"test.name": "Quick", "step.1.0.dial_destination": "+43 1&23", "report.mode": "kiosk"}
    reply = getattr(lab, post)("/api/v2/tests/run", fields)
    assert reply.status == 200
    (run,) = lab.handle.runs
    assert (run["test"], run["overrides"]) == ("Quick", {"step.1.0.dial_destination": "+43 1&23"})
    assert run["report_mode"] == "kiosk"
    assert lab.handle.requests[0]["body"] == fields


def test_overrides_in_json_become_text(lab: Platform) -> None:
    """A number or bool equals the text that a form would send."""
    lab.post("/api/v2/tests/run", {"test.name": "Quick", "step.1.0.max_total_calls": 10, "step.1.0.x": True})
    assert lab.handle.runs[0]["overrides"] == {"step.1.0.max_total_calls": "10", "step.1.0.x": "true"}


def test_overrides_select_the_scripted_verdict(lab: Platform) -> None:
    """`when` matches the test's parameters, updated with the launch's overrides."""
    lab.configure(
        """
        tests:
          Quick:
            takes: 0
            parameters: {step.1.0.dial_destination: "4860"}
            when: [{step.1.0.dial_destination: "486*", verdict: failed, description: 486 Busy Here}]
        """
    )
    assert lab.run()["result_description"] == "486 Busy Here"
    assert lab.run(**{"step.1.0.dial_destination": "1001"})["status"] == "passed"


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({}, 422, "Missing mandatory parameter 'test.name'"),
        ({"test.name": "quick"}, 404, "Test 'quick' not found"),
        ({"test.name": "Quick", "report.mode": "kiosc"}, 422, "Unknown report.mode 'kiosc'"),
        ({"test.name": "Quick", "step.1.0.x": ["a"]}, 422, "Parameter 'step.1.0.x' must be text"),
        (["test.name"], 400, "must be an object"),
    ],
)
def test_an_invalid_launch_is_refused(lab: Platform, fields: Any, status: int, text: str) -> None:
    """The status is 4xx with the reason under `error`, and no run starts."""
    reply = lab.post("/api/v2/tests/run", fields)
    assert reply.status == reply.json["status"] == status
    assert text in reply.json["error"]
    assert lab.handle.counts["launches"] == 0
    assert lab.handle.counts["launch_requests"] == 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("{test.name", "application/json"),
        ('{"test.name": NaN}', "application/json"),
        (b"\xff", "application/json"),
        ("no parts", "multipart/form-data; boundary=b"),
        ("no boundary", "multipart/form-data"),
        ("test.name=Quick", "text/plain"),
        ("test.name=Quick", None),
    ],
)
def test_an_unreadable_body_is_refused(lab: Platform, body: str | bytes, content_type: str | None) -> None:
    """The status is 400, and no run starts."""
    reply = lab.send("POST", "/api/v2/tests/run", body, content_type)
    assert reply.status == 400
    assert reply.json["error"]
    assert lab.handle.launches == 0


def test_a_launch_beyond_the_limit_gets_429_with_retry_after(lab: Platform) -> None:
    """It is not counted as a launch."""
    lab.configure("account: {concurrent_runs: 1, retry_after: 2}\ntests: {Slow: {takes: 60}}")
    assert lab.launch("Slow").status == 200
    refused = lab.launch("Slow")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "2")
    counts = lab.handle.counts
    assert (counts["launches"], counts["launch_requests"], counts["peak_in_flight"]) == (1, 2, 1)


@pytest.mark.parametrize("authorization", [None, "Bearer x", "Basic !", basic("pk", ""), basic("", "sk"), "Basic cGs="])
def test_requests_without_a_basic_pair_get_401(lab: Platform, authorization: str | None) -> None:
    """If the file has no keys, any non-empty pair is accepted."""
    lab.authorization = authorization
    reply = lab.get("/api/v2/tests")
    assert (reply.status, reply.json["error"]) == (401, "Unauthorized")
    assert reply.headers["WWW-Authenticate"].startswith("Basic")
    lab.authorization = basic("any", "body")
    assert lab.get("/api/v2/tests").status == 200


def test_only_the_keys_of_the_file_are_accepted(lab: Platform) -> None:
    """Other credentials get 401."""
    lab.configure("account: {public_key: pk, secret_key: 's:k'}\ntests: {}")
    statuses = []
    for pair in (("pk", "s:k"), ("pk", "wrong"), ("other", "s:k")):
        lab.authorization = basic(*pair)
        statuses.append(lab.get("/api/v2/tests").status)
    assert statuses == [200, 401, 401]


def test_tests_and_projects_are_listed_with_their_parameters(lab: Platform) -> None:
    """GET /tests and /projects; their bodies are an assumption."""
    lab.configure("tests: {A: {id: 9, project: P, tags: [x], parameters: {step.1.0.to: '1'}}}\nprojects: {P: {id: 2}}")
    (test,) = lab.get("/api/v2/tests").json["tests"]
    assert (test["id"], test["name"], test["project_name"], test["tags"]) == (9, "A", "P", '["x"]')
    assert test["parameters"] == {"step.1.0.to": "1"}
    (project,) = lab.get("/api/v2/projects").json["projects"]
    assert project == {"id": 2, "name": "P", "tests": [{"id": 9, "name": "A"}]}


def test_runs_are_listed_newest_first(lab: Platform) -> None:
    """GET /runs; its body is an assumption."""
    lab.run()
    lab.launch("Slow")
    runs = lab.get("/api/v2/runs").json["runs"]
    assert [run["status"] for run in runs] == ["running", "passed"]


def test_the_last_status_of_a_test_is_that_of_its_latest_run(lab: Platform) -> None:
    """GET /tests/:id/status/last has the body of a run status; 404 before the first run."""
    lab.configure(NIGHTLY)
    assert lab.get("/api/v2/tests/102/status/last").status == 404
    run = lab.run("Busy")
    assert lab.get("/api/v2/tests/102/status/last").json == {"run": run, "status": 200}


@pytest.mark.parametrize("path", ["/tests/9/status/last", "/projects/9/status/last", "/projects/x/status/last"])
@pytest.mark.parametrize("more", ["", "x"])
def test_unknown_ids_and_paths_get_404(lab: Platform, path: str, more: str) -> None:
    """The body has a reason."""
    reply = lab.get(f"/api/v2{path}{more}")
    assert reply.status == 404
    assert reply.json["error"]


def test_a_status_url_cannot_be_built_from_the_session_id(lab: Platform) -> None:
    """Only the UUID of the `status_url` in the launch response leads to the status."""
    session = lab.launch().json["data"]["session_id"]
    assert lab.get(f"/api/v2/runs/{session}/status").status == 404


def test_stats_accept_any_id_of_a_run(lab: Platform) -> None:
    """GET /runs/:sid/stats: scripted runs have no measures. An unknown measure or run gets 404."""
    data = lab.launch().json["data"]
    for sid in (data["session_id"], data["status_url"].split("/")[-2], "12345"):
        assert lab.get(f"/api/v2/runs/{sid}/stats").json == {"stats": {}, "status": 200}
    assert lab.get("/api/v2/runs/12345/stats/mos").status == 404
    assert lab.get("/api/v2/runs/1/stats").status == 404
    assert lab.get("/api/v2/tests/101/stats").json == {"stats": {}, "status": 200}


def test_app_images_are_kept_and_listed(lab: Platform) -> None:
    """GET and POST /appimages; their bodies are an assumption."""
    posted = lab.post_multipart("/api/v2/appimages", {"name": "app.apk"})
    assert (posted.status, posted.json["data"]) == (200, {"name": "app.apk"})
    assert lab.get("/api/v2/appimages").json["appimages"] == [{"name": "app.apk"}]


def test_a_project_run_is_polled_at_the_url_of_its_launch(lab: Platform) -> None:
    """Launch and status have the fields that the vendor's GitHub action reads."""
    lab.configure(NIGHTLY)
    data = lab.post("/api/v2/projects/run", {"project.name": "Nightly"}).json["data"]
    assert data.keys() == {"status_url", "report_url", "project_run_id", "project_run_uuid"}
    assert data["report_url"] == f"{lab.url}/projectrun/{data['project_run_uuid']}/details"
    assert isinstance(data["project_run_id"], int)
    run = lab.finished(data["status_url"], "run_status")
    assert re.fullmatch(TIME, run.pop("created_at"))
    assert re.fullmatch(TIME, run.pop("stopped_at"))
    expected = {
        "agentpool_name": "eu-central-1 (scripted verdict)",
        "run_status": "failed",
        "project_id": 4,
        "project_name": "Nightly",
        "total_tests": 2,
        "tests_started": 2,
    }
    assert run == expected


def test_the_last_status_of_a_project_has_the_last_run_of_each_test(lab: Platform) -> None:
    """GET /projects/:id/status/last: tests that have not run are missing."""
    lab.configure(NIGHTLY)
    run = lab.run("Busy")
    body = lab.get("/api/v2/projects/4/status/last").json
    assert body == {"tests": [{"run": run, "test": {"id": 102, "name": "Busy"}}], "status": 200}


@pytest.mark.parametrize("test_ids", [[101], "101", ["101"]])
def test_a_project_runs_only_the_selected_tests(lab: Platform, test_ids: Any) -> None:
    """`test_ids` is a list, or text with commas."""
    lab.configure(NIGHTLY)
    data = lab.post("/api/v2/projects/run", {"id": 4, "test_ids": test_ids}).json["data"]
    run = lab.finished(data["status_url"], "run_status")
    assert (run["run_status"], run["total_tests"]) == ("passed", 1)
    assert [run["test"] for run in lab.handle.runs] == ["Basic call"]


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"project.name": "Nightly", "id": 9}, 404, "Project 9 not found"),
        ({"project.name": "nightly"}, 404, "Project 'nightly' not found"),
        ({}, 422, "Missing mandatory parameter"),
        ({"id": "four"}, 422, "'id' must be an integer >= 0"),
        ({"id": 4, "test_ids": [103]}, 422, "Test 103 is not part of project 'Nightly'"),
        ({"id": 4, "report.mode": "print"}, 422, "Unknown report.mode 'print'; it must be one of full, kiosk"),
    ],
)
def test_an_invalid_project_launch_is_refused(lab: Platform, fields: dict[str, Any], status: int, text: str) -> None:
    """`id` takes precedence over the name. Projects have no print mode."""
    lab.configure(NIGHTLY)
    reply = lab.post("/api/v2/projects/run", fields)
    assert reply.status == status
    assert text in reply.json["error"]
    assert lab.handle.launches == 0


def test_a_project_can_have_a_minimum_duration(lab: Platform) -> None:
    """`takes` of a project, in seconds."""
    lab.configure("tests: {A: {takes: 0}}\nprojects: {P: {tests: [A], takes: 60, states: [queued]}}")
    data = lab.post("/api/v2/projects/run", {"project.name": "P", "report.mode": "kiosk"}).json["data"]
    assert lab.get(data["status_url"]).json["run"]["run_status"] == "queued"
    assert re.fullmatch(rf"{lab.url}/kiosk/{UUID}/{data['project_run_uuid']}", data["report_url"])


def test_scripted_states_are_reported_before_the_verdict(lab: Platform) -> None:
    """`states` replace "running"."""
    lab.configure("tests: {Slow: {takes: 60, states: [queued, running]}}")
    assert lab.get(lab.status_url("Slow")).json["run"]["status"] == "queued"


def test_every_response_is_ascii_json(lab: Platform) -> None:
    """Names with other characters are escaped."""
    lab.configure("tests: {Grüße aus Wien: {takes: 0}}")
    reply = lab.get("/api/v2/tests")
    assert reply.headers["Content-Type"].startswith("application/json")
    assert json.loads(reply.text)["tests"][0]["name"] == "Grüße aus Wien"
    assert lab.run("Grüße aus Wien")["test_name"] == "Grüße aus Wien"


def test_a_launch_can_give_a_fault_to_the_phones(lab: Platform) -> None:
    """The parameter `lab.fault` is allowed for strict tests; an unknown fault is refused, also for projects."""
    lab.configure("tests: {Quick: {takes: 0, strict: true}}\nprojects: {Nightly: {tests: [Quick]}}")
    assert lab.launch(**{"lab.fault": "mute"}).status == 200
    refused = lab.launch(**{"lab.fault": "mut"})
    assert (refused.status, refused.json["error"].partition(";")[0]) == (422, "Unknown lab.fault 'mut'")
    project = {"project.name": "Nightly", "lab.fault": "mut"}
    assert lab.post("/api/v2/projects/run", project).status == 422
