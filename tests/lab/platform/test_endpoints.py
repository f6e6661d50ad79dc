from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.lab.talking import Platform, basic

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
    """GET /: fourteen endpoints with http URLs, and a name on the run status alone."""
    body = lab.get("/api/v2/").json
    listed = {(method, e["url"].removeprefix(lab.url)) for e in body["endpoints"] for method in e["methods"]}
    assert listed == DOCUMENTED
    assert len(body["endpoints"]) == 14
    assert [e["name"] for e in body["endpoints"] if "name" in e] == ["api_run_status"]
    assert body["status"] == 200


def test_a_launch_answers_as_the_documentation_shows(lab: Platform) -> None:
    """Three fields under `data`; the session id is another UUID than that of the URLs, as in the sample."""
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


def test_kiosk_mode_has_a_report_url_of_two_uuids(lab: Platform) -> None:
    """`report.mode=kiosk` changes the report URL alone."""
    data = lab.launch(**{"report.mode": "kiosk"}).json["data"]
    run = data["status_url"].split("/")[-2]
    assert re.fullmatch(rf"{lab.url}/kiosk/{UUID}/{run}", data["report_url"])


def test_print_mode_has_a_report_of_its_own(lab: Platform) -> None:
    """The vendor's client knows `print` for tests; its URL is the lab's assumption."""
    assert lab.launch(**{"report.mode": "print"}).json["data"]["report_url"].startswith(f"{lab.url}/run/print/")


def test_a_running_run_has_its_status_and_nothing_else(lab: Platform) -> None:
    """The documented body while a test runs."""
    assert lab.get(lab.status_url("Slow")).json == {"run": {"status": "running"}, "status": 200}


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
def test_flags_follow_the_state(lab: Platform, verdict: str, flags: tuple[int, int, int]) -> None:
    """A state that is neither passed nor failed is finished with neither flag set, known or not."""
    lab.configure(f"tests: {{Quick: {{takes: 0, verdict: {verdict}, description: why}}}}")
    run = lab.run()
    assert (run["has_passed"], run["is_failed"], run["is_finished"]) == flags
    assert (run["status"], run["result_description"]) == (verdict, "why")


@pytest.mark.parametrize("post", ["post", "post_form", "post_multipart"])
def test_a_launch_is_taken_in_every_documented_form(lab: Platform, post: str) -> None:
    """JSON, urlencoded and multipart with flat dotted keys start the same run with the same overrides."""
    fields = {"test.name": "Quick", "step.1.0.dial_destination": "+43 1&23", "report.mode": "kiosk"}
    reply = getattr(lab, post)("/api/v2/tests/run", fields)
    assert reply.status == 200
    (run,) = lab.handle.runs
    assert (run["test"], run["overrides"]) == ("Quick", {"step.1.0.dial_destination": "+43 1&23"})
    assert run["report_mode"] == "kiosk"
    assert lab.handle.requests[0]["body"] == fields


def test_overrides_are_text_however_json_says_them(lab: Platform) -> None:
    """A number or flag in JSON counts as the text that a form would have sent."""
    lab.post("/api/v2/tests/run", {"test.name": "Quick", "step.1.0.max_total_calls": 10, "step.1.0.x": True})
    assert lab.handle.runs[0]["overrides"] == {"step.1.0.max_total_calls": "10", "step.1.0.x": "true"}


def test_overrides_decide_a_scripted_verdict(lab: Platform) -> None:
    """`when` is matched against the test's own parameters with the launch's overrides laid over them."""
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
    ("fields", "status", "said"),
    [
        ({}, 422, "Missing mandatory parameter 'test.name'"),
        ({"test.name": "quick"}, 404, "Test 'quick' not found"),
        ({"test.name": "Quick", "report.mode": "kiosc"}, 422, "Unknown report.mode 'kiosc'"),
        ({"test.name": "Quick", "step.1.0.x": ["a"]}, 422, "Parameter 'step.1.0.x' must be text"),
        (["test.name"], 400, "must be an object"),
    ],
)
def test_a_launch_that_cannot_be_is_refused_and_starts_nothing(
    lab: Platform, fields: Any, status: int, said: str
) -> None:
    """4xx with the reason under `error`, no run."""
    reply = lab.post("/api/v2/tests/run", fields)
    assert reply.status == reply.json["status"] == status
    assert said in reply.json["error"]
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
def test_a_body_that_cannot_be_read_is_refused(lab: Platform, body: str | bytes, content_type: str | None) -> None:
    """400, and a launch that starts nothing."""
    reply = lab.ask("POST", "/api/v2/tests/run", body, content_type)
    assert reply.status == 400
    assert reply.json["error"]
    assert lab.handle.launches == 0


def test_the_account_s_limit_answers_429_with_retry_after(lab: Platform) -> None:
    """`concurrent_runs`: the launch beyond it is refused for now and not counted."""
    lab.configure("account: {concurrent_runs: 1, retry_after: 2}\ntests: {Slow: {takes: 60}}")
    assert lab.launch("Slow").status == 200
    refused = lab.launch("Slow")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "2")
    counts = lab.handle.counts
    assert (counts["launches"], counts["launch_requests"], counts["peak_in_flight"]) == (1, 2, 1)


@pytest.mark.parametrize("authorization", [None, "Bearer x", "Basic !", basic("pk", ""), basic("", "sk"), "Basic cGs="])
def test_without_a_basic_pair_nothing_is_told(lab: Platform, authorization: str | None) -> None:
    """Any non-empty pair is let in unless the file names one; anything else gets 401."""
    lab.authorization = authorization
    reply = lab.get("/api/v2/tests")
    assert (reply.status, reply.json["error"]) == (401, "Unauthorized")
    assert reply.headers["WWW-Authenticate"].startswith("Basic")
    lab.authorization = basic("any", "body")
    assert lab.get("/api/v2/tests").status == 200


def test_the_file_s_own_keys_are_the_only_ones_let_in(lab: Platform) -> None:
    """With `public_key` and `secret_key` other credentials get 401."""
    lab.configure("account: {public_key: pk, secret_key: 's:k'}\ntests: {}")
    answers = []
    for pair in (("pk", "s:k"), ("pk", "wrong"), ("other", "s:k")):
        lab.authorization = basic(*pair)
        answers.append(lab.get("/api/v2/tests").status)
    assert answers == [200, 401, 401]


def test_tests_and_projects_are_listed_with_their_parameters(lab: Platform) -> None:
    """GET /tests and /projects; their bodies are the lab's assumption."""
    lab.configure("tests: {A: {id: 9, project: P, tags: [x], parameters: {step.1.0.to: '1'}}}\nprojects: {P: {id: 2}}")
    (test,) = lab.get("/api/v2/tests").json["tests"]
    assert (test["id"], test["name"], test["project_name"], test["tags"]) == (9, "A", "P", '["x"]')
    assert test["parameters"] == {"step.1.0.to": "1"}
    (project,) = lab.get("/api/v2/projects").json["projects"]
    assert project == {"id": 2, "name": "P", "tests": [{"id": 9, "name": "A"}]}


def test_runs_are_listed_newest_first(lab: Platform) -> None:
    """GET /runs; its body is the lab's assumption."""
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
def test_what_is_not_there_is_not_found(lab: Platform, path: str, more: str) -> None:
    """404 with a reason, for ids and for paths."""
    reply = lab.get(f"/api/v2{path}{more}")
    assert reply.status == 404
    assert reply.json["error"]


def test_a_status_url_cannot_be_built_from_the_session_id(lab: Platform) -> None:
    """Only the UUID of the answer's own status_url leads to the status."""
    session = lab.launch().json["data"]["session_id"]
    assert lab.get(f"/api/v2/runs/{session}/status").status == 404


def test_stats_are_there_for_any_id_of_a_run(lab: Platform) -> None:
    """GET /runs/:sid/stats: scripted runs have no measures, an unknown measure or run is 404."""
    data = lab.launch().json["data"]
    for sid in (data["session_id"], data["status_url"].split("/")[-2], "12345"):
        assert lab.get(f"/api/v2/runs/{sid}/stats").json == {"stats": {}, "status": 200}
    assert lab.get("/api/v2/runs/12345/stats/mos").status == 404
    assert lab.get("/api/v2/runs/1/stats").status == 404
    assert lab.get("/api/v2/tests/101/stats").json == {"stats": {}, "status": 200}


def test_app_images_are_kept_and_listed(lab: Platform) -> None:
    """GET and POST /appimages; their bodies are the lab's assumption."""
    posted = lab.post_multipart("/api/v2/appimages", {"name": "app.apk"})
    assert (posted.status, posted.json["data"]) == (200, {"name": "app.apk"})
    assert lab.get("/api/v2/appimages").json["appimages"] == [{"name": "app.apk"}]


def test_a_project_run_is_followed_by_the_answer_s_own_url(lab: Platform) -> None:
    """POST /projects/run and its status have the fields that the vendor's client reads."""
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


def test_a_project_s_last_status_has_each_test_s_last_run(lab: Platform) -> None:
    """GET /projects/:id/status/last: a test and its run, for each test that ever ran."""
    lab.configure(NIGHTLY)
    run = lab.run("Busy")
    body = lab.get("/api/v2/projects/4/status/last").json
    assert body == {"tests": [{"run": run, "test": {"id": 102, "name": "Busy"}}], "status": 200}


@pytest.mark.parametrize("test_ids", [[101], "101", ["101"]])
def test_a_project_runs_the_selected_tests_alone(lab: Platform, test_ids: Any) -> None:
    """`test_ids` selects, as list or as text with commas."""
    lab.configure(NIGHTLY)
    data = lab.post("/api/v2/projects/run", {"id": 4, "test_ids": test_ids}).json["data"]
    run = lab.finished(data["status_url"], "run_status")
    assert (run["run_status"], run["total_tests"]) == ("passed", 1)
    assert [one["test"] for one in lab.handle.runs] == ["Basic call"]


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"project.name": "Nightly", "id": 9}, 404, "Project 9 not found"),
        ({"project.name": "nightly"}, 404, "Project 'nightly' not found"),
        ({}, 422, "Missing mandatory parameter"),
        ({"id": "four"}, 422, "'id' must be an integer >= 0"),
        ({"id": 4, "test_ids": [103]}, 422, "Test 103 is not part of project 'Nightly'"),
        ({"id": 4, "report.mode": "print"}, 422, "Unknown report.mode 'print'; it must be one of full, kiosk"),
    ],
)
def test_a_project_launch_that_cannot_be_is_refused(
    lab: Platform, fields: dict[str, Any], status: int, said: str
) -> None:
    """4xx with the reason; `id` wins over the name; no print mode for projects."""
    lab.configure(NIGHTLY)
    reply = lab.post("/api/v2/projects/run", fields)
    assert reply.status == status
    assert said in reply.json["error"]
    assert lab.handle.launches == 0


def test_a_project_lasts_as_long_as_it_says(lab: Platform) -> None:
    """`takes` of a project is the least time its run lasts."""
    lab.configure("tests: {A: {takes: 0}}\nprojects: {P: {tests: [A], takes: 60, states: [queued]}}")
    data = lab.post("/api/v2/projects/run", {"project.name": "P", "report.mode": "kiosk"}).json["data"]
    assert lab.get(data["status_url"]).json["run"]["run_status"] == "queued"
    assert re.fullmatch(rf"{lab.url}/kiosk/{UUID}/{data['project_run_uuid']}", data["report_url"])


def test_scripted_states_are_reported_before_the_verdict(lab: Platform) -> None:
    """`states` stand in for running."""
    lab.configure("tests: {Slow: {takes: 60, states: [queued, running]}}")
    assert lab.get(lab.status_url("Slow")).json == {"run": {"status": "queued"}, "status": 200}


def test_every_answer_is_json_that_python_reads_back(lab: Platform) -> None:
    """The media type is that of JSON and the body is ASCII, whatever the names."""
    lab.configure("tests: {Grüße aus Wien: {takes: 0}}")
    reply = lab.get("/api/v2/tests")
    assert reply.headers["Content-Type"].startswith("application/json")
    assert json.loads(reply.text)["tests"][0]["name"] == "Grüße aus Wien"
    assert lab.run("Grüße aus Wien")["test_name"] == "Grüße aus Wien"
