"""The documents about the platform contradict one another. The plugin accepts each of the variants."""

from __future__ import annotations

import ast
import json

from tests.end_to_end.suite import Suite, lab_tests

ONE_TEST = "@marked(test='Basic call')\ndef test_call(): pass\n"
SHOW = "record_property('value', repr({expression}))"
NO_POLL = "http://127.0.0.1:1/api/v2/runs/x/status"


def when_finished(fault: str, verdict: str = "passed") -> str:
    """Return a test of the lab whose final status is changed by `fault`."""
    return (
        f"takes: 0.02, verdict: {verdict}, description: the reason, faults: [{{on: status, during: finished, {fault}}}]"
    )


def outcomes(suite: Suite, definitions: dict[str, str]) -> dict[str, str]:
    """Run one test for each of these tests of the lab and return the outcomes."""
    return {name: report.outcome for name, report in suite.run_tests(definitions).items()}


# ---- statuses and flags


def test_the_status_is_read_from_each_field_that_can_have_it(suite: Suite) -> None:
    """Samples, the vendor's code and project runs name the field differently."""
    fields = ("session_status", "run_status")
    definitions = {
        "status": when_finished("set: {status: failed}", verdict="failed"),
        **{field: when_finished(f"omit: [status], set: {{{field}: failed}}", verdict="failed") for field in fields},
    }
    assert outcomes(suite, definitions) == dict.fromkeys(definitions, "failure")


def test_polling_continues_while_one_field_is_still_running(suite: Suite) -> None:
    """The fields of one status are not updated at the same time."""
    definitions = {"Basic call": when_finished("times: 3, set: {session_status: running}")}
    assert outcomes(suite, definitions) == {"Basic call": "passed"}
    assert suite.lab.polls >= 4


def test_failed_in_one_field_wins_over_passed_in_another(suite: Suite) -> None:
    """Of two final statuses the worse one counts."""
    definitions = {"Basic call": when_finished("set: {session_status: failed, has_passed: 0, is_failed: 1}")}
    assert outcomes(suite, definitions) == {"Basic call": "failure"}


def test_a_missing_status_is_never_a_pass(suite: Suite) -> None:
    """A client that takes "not running" for "passed" would report a false green here."""
    faults = ("omit: [status]", "set: {status: null}", "set: {status: 200}", "set: {status: ''}")
    assert outcomes(suite, {fault: when_finished(fault) for fault in faults}) == dict.fromkeys(faults, "error")


FLAGS = {
    "has_passed: 1, is_failed: 0": "passed",
    "has_passed: true, is_failed: false": "passed",
    "has_passed: '1', is_failed: '0', is_finished: '1'": "passed",
    "has_passed: 'true', is_failed: 'false'": "passed",
    "has_passed: '0'": "error",
    "has_passed: false": "error",
    "is_failed: '1'": "error",
    "is_failed: true": "error",
}


def test_flags_can_be_numbers_booleans_or_strings(suite: Suite) -> None:
    """A flag contradicts the status in each of these forms."""
    assert outcomes(suite, {flags: when_finished(f"set: {{{flags}}}") for flags in FLAGS}) == FLAGS


def test_a_running_status_requires_no_other_field(suite: Suite) -> None:
    """The documented response for a running test has only the status."""
    assert outcomes(suite, {"Basic call": "takes: 0.2"}) == {"Basic call": "passed"}
    assert suite.lab.polls > 1


# ---- launches


def test_a_launch_is_flat_json_with_dotted_keys(suite: Suite) -> None:
    """JSON is the only encoding that the documentation and the vendor's code have in common."""
    suite.run_marked({"test_call": "test='Basic call', step_1_0_max_total_calls=10"})
    [launch] = [request for request in suite.lab.requests if request["method"] == "POST"]
    assert launch["content_type"] == "application/json"
    assert launch["body"] == {"test.name": "Basic call", "step.1.0.max_total_calls": 10}


def test_a_dial_destination_is_sent_as_a_string(suite: Suite) -> None:
    """A leading 0 or + survives, and an integer becomes a string."""
    numbers = ("'0043123'", "'+43123'", "431231234")
    reports = suite.run_marked({n: f"test='Basic call', step_1_0_dial_destination={n}" for n in numbers})
    assert {report.outcome for report in reports.values()} == {"passed"}
    assert launched(suite, "step.1.0.dial_destination") == ["0043123", "+43123", "431231234"]


def test_an_empty_override_is_not_sent(suite: Suite) -> None:
    """The test's default destination applies."""
    reports = suite.run_marked({v: f"test='Basic call', step_1_0_dial_destination={v}" for v in ("''", "None")})
    assert {report.outcome for report in reports.values()} == {"passed"}
    assert launched(suite, "step.1.0.dial_destination") == [None, None]


def launched(suite: Suite, key: str) -> list[object]:
    """Return the value of this key in each launch."""
    return [request["body"].get(key) for request in suite.lab.requests if request["method"] == "POST"]


def test_report_modes_depend_on_the_kind_of_run(suite: Suite) -> None:
    """A test has three modes and a project two; `params` passes any other mode through."""
    suite.configure("tests: {Basic call: {takes: 0.02}}\nprojects: {Nightly: {tests: [Basic call]}}\n")
    modes = {
        **{f"test {mode}": f"test='Basic call', report_mode='{mode}'" for mode in ("full", "kiosk", "print")},
        **{f"project {mode}": f"project='Nightly', report_mode='{mode}'" for mode in ("full", "kiosk")},
        "a new mode": "test='Basic call', params={'report.mode': 'compact'}",
    }
    reports = suite.run_marked(modes)
    assert launched(suite, "report.mode") == ["full", "kiosk", "print", "full", "kiosk", "compact"]
    assert [name for name, report in reports.items() if report.outcome != "passed"] == ["a new mode"]


# ---- URLs and ids


def test_a_status_url_with_another_origin_is_not_requested(suite: Suite) -> None:
    """The credentials are for the configured scheme, host and port. The report of the run is still shown."""
    port = suite.lab.url.rsplit(":", 1)[1]
    urls = (f"https://127.0.0.1:{port}/api/v2/runs/x/status", NO_POLL)
    reports = suite.run_tests({url: f"faults: [{{on: launch, set: {{status_url: '{url}'}}}}]" for url in urls})
    for report in reports.values():
        assert report.outcome == "error"
        assert f"is outside {suite.lab.url}: not requested, no credentials sent" in report.message
        assert "/run/details/" in report.properties["sipfront.report_url"]
    assert suite.lab.polls == 0


def test_urls_are_followed_and_never_built_from_ids(suite: Suite) -> None:
    """The session_id of the launch differs from the id in its status_url."""
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(passed=1)
    [polled] = {request["path"] for request in suite.lab.requests if request["path"].endswith("/status")}
    assert suite.report().properties["sipfront.session_id"] not in polled


def test_the_result_has_the_ids_of_the_launch_and_of_the_status(suite: Suite) -> None:
    """Paths of the API use one or the other."""
    ids = SHOW.format(expression="(sipfront_run.session_id, sipfront_run.status.session_id, sipfront_run.raw['id'])")
    report = suite.run_marked({"ids": "test='Basic call'"}, body=ids)["ids"]
    of_launch, of_status, number = ast.literal_eval(report.properties["value"])
    assert of_launch == report.properties["sipfront.session_id"]
    assert of_status not in {"", of_launch}
    assert isinstance(number, int)


def test_a_launch_without_a_usable_session_id_is_followed(suite: Suite) -> None:
    """Only the status_url is required."""
    ids = ("null", "17", "''")
    definitions = {i: f"takes: 0.02, faults: [{{on: launch, set: {{session_id: {i}}}}}]" for i in ids}
    assert outcomes(suite, definitions) == dict.fromkeys(ids, "passed")


def test_report_and_session_id_are_kept_if_the_status_is_unavailable(suite: Suite) -> None:
    """They come from the launch, so they do not depend on the end of the wait."""
    report = suite.run_tests({"Basic call": "takes: 0.02, faults: [{on: status, status: 410}]"})["Basic call"]
    assert report.outcome == "error"
    assert report.properties["sipfront.verdict"] == "none"
    assert report.properties["sipfront.session_id"]
    assert report.properties["sipfront.report_url"].startswith(suite.lab.url)


# ---- error texts


def test_the_error_text_is_found_under_each_key(suite: Suite) -> None:
    """`error`, `description`, `message`, plain text, or only a code."""
    keys = ("error", "description", "message", "plain")
    texts = dict.fromkeys(keys, "Sipfront refused: No quota (422 Unprocessable")
    texts |= {"none": "Sipfront refused: 422 Unprocessable", "404": "Sipfront refused: 404 Not Found"}
    definitions = {
        key: f"faults: [{{on: launch, status: 422, error: No quota, error_key: {key}}}]" for key in (*keys, "none")
    }
    definitions["404"] = "faults: [{on: launch, status: 404, error_key: none}]"
    reports = suite.run_tests(definitions)
    assert {report.outcome for report in reports.values()} == {"error"}
    assert not {name: report.message for name, report in reports.items() if texts[name] not in report.message}


def test_an_error_text_is_shortened(suite: Suite) -> None:
    """A page of text does not fit into a message."""
    definition = f"faults: [{{on: launch, status: 422, error: '{'word ' * 2000}'}}]"
    report = suite.run_tests({"Basic call": definition})["Basic call"]
    assert "word word" in report.message
    assert len(report.message) < 500


# ---- fields of a result

TAGS = {
    json.dumps(["media", "prod"]): ("media", "prod"),
    json.dumps(json.dumps(["media", "prod"])): ("media", "prod"),
    json.dumps(json.dumps(json.dumps(["media"]))): ("media",),
    "null": (),
    "garbage": (),
    "17": (),
}


def test_tags_are_a_list_in_each_encoding(suite: Suite) -> None:
    """A list, JSON in a string, or JSON encoded twice. Unusable tags do not affect the verdict."""
    names = [f"tags {n}" for n in range(len(TAGS))]
    suite.configure(lab_tests({n: when_finished(f"set: {{tags: {t}}}") for n, t in zip(names, TAGS, strict=True)}))
    show = SHOW.format(expression="sipfront_run.status.tags")
    reports = suite.run_marked({name: f"test='{name}'" for name in names}, body=show)
    assert [report.outcome for report in reports.values()] == ["passed"] * len(TAGS)
    assert [ast.literal_eval(report.properties["value"]) for report in reports.values()] == list(TAGS.values())


def test_an_agent_pool_can_be_any_text(suite: Suite) -> None:
    """A pool is named with or without its provider, and private pools have any name."""
    pools = ("eu-central-1", "aws-eu-central-1", "my own pool")
    reports = suite.run_tests({pool: when_finished(f"set: {{agentpool_name: {pool}}}") for pool in pools})
    assert [report.outcome for report in reports.values()] == ["passed"] * len(pools)
    assert [report.properties["sipfront.agentpool"] for report in reports.values()] == list(pools)


def test_times_are_utc(suite: Suite) -> None:
    """The platform sends times without a zone. The duration of the test case is that of the run."""
    times = "set: {started_at: '2024-02-09 08:20:18', stopped_at: '2024-02-09 08:22:13'}"
    report = suite.run_tests({"Basic call": when_finished(times)})["Basic call"]
    assert report.outcome == "passed"
    assert report.properties["sipfront.started_at"] == "2024-02-09T08:20:18+00:00"
    assert report.properties["sipfront.stopped_at"] == "2024-02-09T08:22:13+00:00"
    assert report.duration >= 115


def test_unreadable_times_are_left_empty(suite: Suite) -> None:
    """They do not affect the verdict; the duration is then measured by the plugin."""
    values = ("null", "17", "yesterday")
    reports = suite.run_tests({value: when_finished(f"set: {{started_at: {value}}}") for value in values})
    assert [report.outcome for report in reports.values()] == ["passed"] * len(values)
    assert {report.properties["sipfront.started_at"] for report in reports.values()} == {""}


def test_the_result_names_the_test_and_project_that_ran(suite: Suite) -> None:
    """Tests of different projects can have the same name."""
    suite.configure(lab_tests({"Basic call": when_finished("set: {test_id: '123', project_name: Other}")}))
    show = SHOW.format(expression="(sipfront_run.status.test_id, sipfront_run.status.project_name)")
    report = suite.run_marked({"ids": "test='Basic call'"}, body=show)["ids"]
    assert (report.outcome, report.properties["value"]) == ("passed", "(123, 'Other')")


def test_measurements_keep_their_names_and_types(suite: Suite) -> None:
    """Units and number formats differ between the documents, so the plugin does not convert them."""
    suite.configure(
        lab_tests({"Basic call": "faults: [{on: stats, body: {mos_average: '4.3', rtt_dsct_average: 20000}}]"})
    )
    suite.write(
        "def test_call(sipfront):\n"
        "    run = sipfront.run(test='Basic call')\n"
        "    assert sipfront.stats(run).data == {'mos_average': '4.3', 'rtt_dsct_average': 20000}\n"
    )
    suite.run().assert_outcomes(passed=1)
