"""Where the platform's sources contradict one another, the plugin absorbs it: one test for each contradiction."""

from __future__ import annotations

import ast
import json

import pytest

from tests.end_to_end.suite import Suite

ONE_TEST = "@marked(test='Basic call')\ndef test_call(): pass\n"
SHOW = (
    "@marked(test='Basic call')\n"
    "def test_call(sipfront_run, record_property):\n"
    "    record_property('shown', repr({expression}))\n"
)


def lying(suite: Suite, fault: str, verdict: str = "passed", during: str = "finished") -> None:
    """A platform whose status answers are changed by `fault`."""
    suite.platform(
        "tests:\n"
        "  Basic call:\n"
        "    takes: 0.05\n"
        f"    verdict: {verdict}\n"
        "    description: what the platform says\n"
        f"    faults: [{{on: status, during: {during}, {fault}}}]\n"
    )


def outcome(suite: Suite) -> str:
    """Run the one test and name its outcome."""
    counts = suite.run().parseoutcomes()
    return next(name for name in ("passed", "failed", "errors", "error") if counts.get(name))


@pytest.mark.parametrize("field", ["status", "session_status", "run_status"])
def test_the_state_is_read_from_whichever_field_carries_it(suite: Suite, field: str) -> None:
    """Samples, vendor code and project runs name the state differently."""
    omitted = "" if field == "status" else "omit: [status], "
    lying(suite, f"{omitted}set: {{{field}: failed}}", verdict="failed")
    suite.write(ONE_TEST)
    assert outcome(suite) == "failed"


def test_a_field_that_still_says_running_wins_over_one_that_says_passed(suite: Suite) -> None:
    """State fields lag behind one another: while one still runs, ask on."""
    lying(suite, "times: 3, set: {session_status: running}")
    suite.write(ONE_TEST)
    assert outcome(suite) == "passed"
    assert suite.lab.polls >= 4


def test_a_field_that_says_failed_wins_over_one_that_says_passed(suite: Suite) -> None:
    """Of two final states the worse counts."""
    lying(suite, "set: {session_status: failed, has_passed: 0, is_failed: 1}")
    suite.write(ONE_TEST)
    assert outcome(suite) == "failed"


@pytest.mark.parametrize("fault", ["omit: [status]", "set: {status: null}", "set: {status: 200}", "set: {status: ''}"])
def test_a_missing_state_is_never_a_pass(suite: Suite, fault: str) -> None:
    """A client that takes 'not running' for 'over and well' would report success here."""
    lying(suite, fault)
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("has_passed: 1, is_failed: 0", "passed"),
        ("has_passed: true, is_failed: false", "passed"),
        ("has_passed: '1', is_failed: '0', is_finished: '1'", "passed"),
        ("has_passed: 'true', is_failed: 'false'", "passed"),
        ("has_passed: '0'", "error"),
        ("has_passed: false", "error"),
        ("is_failed: '1'", "error"),
        ("is_failed: true", "error"),
    ],
)
def test_flags_are_read_as_number_bool_or_text(suite: Suite, flags: str, expected: str) -> None:
    """0 and 1 come as int, bool and string, and contradict a state in any of these forms."""
    lying(suite, f"set: {{{flags}}}")
    suite.write(ONE_TEST)
    assert outcome(suite).rstrip("s") == expected


def test_a_running_status_needs_nothing_but_its_state(suite: Suite) -> None:
    """While it runs, the documented body holds the state alone."""
    suite.platform("tests: {Basic call: {takes: 0.2}}\n")
    suite.write(ONE_TEST)
    assert outcome(suite) == "passed"
    assert suite.lab.polls > 1


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (json.dumps(["media", "prod"]), ("media", "prod")),
        (json.dumps(json.dumps(["media", "prod"])), ("media", "prod")),
        (json.dumps(json.dumps(json.dumps(["media"]))), ("media",)),
        ("null", ()),
        ("garbage", ()),
        ("17", ()),
    ],
)
def test_tags_are_a_list_however_they_are_encoded(suite: Suite, tags: str, expected: tuple[str, ...]) -> None:
    """A list, JSON in a string, JSON encoded twice, or nothing usable: never a reason to lose the verdict."""
    lying(suite, f"set: {{tags: {tags}}}")
    suite.write(SHOW.format(expression="sipfront_run.status.tags"))
    assert outcome(suite) == "passed"
    assert suite.properties("test_call")["shown"] == repr(expected)


def test_a_launch_is_flat_json_with_dotted_keys(suite: Suite) -> None:
    """Documentation and vendor disagree on the encoding; JSON is in both."""
    suite.write("@marked(test='Basic call', step_1_0_max_total_calls=10)\ndef test_call(): pass\n")
    assert outcome(suite) == "passed"
    launch = suite.lab.requests[0]
    assert launch["content_type"] == "application/json"
    assert launch["body"] == {"test.name": "Basic call", "step.1.0.max_total_calls": 10}


@pytest.mark.parametrize("number", ["'0043123'", "'+43123'", "431231234"])
def test_a_dial_destination_is_sent_as_text(suite: Suite, number: str) -> None:
    """A leading 0 or + must survive, whatever type the suite gives."""
    suite.write(f"@marked(test='Basic call', step_1_0_dial_destination={number})\ndef test_call(): pass\n")
    assert outcome(suite) == "passed"
    assert suite.lab.requests[0]["body"]["step.1.0.dial_destination"] == number.strip("'")


def test_a_status_url_with_another_scheme_is_refused_and_not_requested(suite: Suite) -> None:
    """The endpoint listing shows http where https is meant; credentials go to one origin only."""
    port = suite.lab.url.rsplit(":", 1)[1]
    suite.platform(
        "tests:\n  Basic call:\n    faults:\n"
        f"      - {{on: launch, set: {{status_url: 'https://127.0.0.1:{port}/api/v2/runs/x/status'}}}}\n"
    )
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert f"is outside {suite.lab.url}: not requested, no credentials sent" in (error.get("message") or "")
    assert suite.lab.polls == 0


def test_a_status_url_on_another_host_gets_no_request_at_all(suite: Suite, free_port: int) -> None:
    """Basic auth is for the configured origin, whatever an answer says; the run's report is still shown."""
    suite.platform(
        "tests:\n  Basic call:\n    faults:\n"
        f"      - {{on: launch, set: {{status_url: 'http://127.0.0.1:{free_port}/api/v2/runs/x/status'}}}}\n"
    )
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    assert "/run/details/" in suite.properties("test_call")["sipfront.report_url"]


def test_ids_that_disagree_do_not_matter(suite: Suite) -> None:
    """The launch's session_id is not the one in the status_url: URLs are followed, never rebuilt from ids."""
    suite.write(ONE_TEST)
    assert outcome(suite) == "passed"
    polled = {request["path"] for request in suite.lab.requests if request["path"].endswith("/status")}
    session_id = suite.properties("test_call")["sipfront.session_id"]
    assert len(polled) == 1
    assert session_id not in polled.pop()


def test_both_kinds_of_id_are_kept(suite: Suite) -> None:
    """Paths want one kind or another: what the launch called the session, and what its status calls it."""
    suite.write(
        SHOW.format(expression="(sipfront_run.session_id, sipfront_run.status.session_id, sipfront_run.raw['id'])")
    )
    assert outcome(suite) == "passed"
    launched, told, number = ast.literal_eval(suite.properties("test_call")["shown"])
    assert launched == suite.properties("test_call")["sipfront.session_id"]
    assert told
    assert told != launched
    assert isinstance(number, int)


@pytest.mark.parametrize("session_id", ["null", "17", "''"])
def test_a_launch_without_a_usable_session_id_is_followed_all_the_same(suite: Suite, session_id: str) -> None:
    """Only the status_url is needed."""
    suite.platform(f"tests:\n  Basic call:\n    faults: [{{on: launch, set: {{session_id: {session_id}}}}}]\n")
    suite.write(ONE_TEST)
    assert outcome(suite) == "passed"


@pytest.mark.parametrize(
    ("key", "said"),
    [("error", "No quota"), ("description", "No quota"), ("message", "No quota"), ("plain", "No quota"), ("none", "")],
)
def test_error_text_is_found_wherever_it_stands(suite: Suite, key: str, said: str) -> None:
    """`error`, `description`, `message`, plain text, or nothing but the code."""
    suite.platform(
        f"tests:\n  Basic call:\n    faults:\n      - {{on: launch, status: 422, error: No quota, error_key: {key}}}\n"
    )
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    expected = f"Sipfront refused: {said} (422 Unprocessable" if said else "Sipfront refused: 422 Unprocessable"
    assert expected in (error.get("message") or "")


def test_a_404_may_come_with_nothing(suite: Suite) -> None:
    """The vendor's own client turns it into a null result; here it is an error."""
    suite.platform("tests:\n  Basic call:\n    faults: [{on: launch, status: 404, error_key: none}]\n")
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert "Sipfront refused: 404 Not Found" in (error.get("message") or "")


def test_error_text_is_bounded(suite: Suite) -> None:
    """A page of text is no message."""
    suite.platform(
        f"tests:\n  Basic call:\n    faults:\n      - {{on: launch, status: 422, error: '{'word ' * 2000}'}}\n"
    )
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert len(error.get("message") or "") < 500


@pytest.mark.parametrize(
    ("words", "mode"),
    [
        ("test='Basic call'", "full"),
        ("test='Basic call'", "kiosk"),
        ("test='Basic call'", "print"),
        ("project='Nightly'", "full"),
        ("project='Nightly'", "kiosk"),
    ],
)
def test_a_report_mode_is_what_its_kind_of_run_knows(suite: Suite, words: str, mode: str) -> None:
    """A test has three modes, a project two."""
    suite.platform("tests: {Basic call: {takes: 0.05}}\nprojects: {Nightly: {tests: [Basic call]}}\n")
    suite.write(f"@marked({words}, report_mode='{mode}')\ndef test_call(): pass\n")
    assert outcome(suite) == "passed"
    assert suite.lab.requests[0]["body"]["report.mode"] == mode


def test_a_report_mode_that_is_new_can_be_passed_through(suite: Suite) -> None:
    """The platform may know more than its documentation."""
    suite.write("@marked(test='Basic call', params={'report.mode': 'compact'})\ndef test_call(): pass\n")
    outcome(suite)
    assert suite.lab.requests[0]["body"]["report.mode"] == "compact"


def test_report_and_session_are_kept_when_the_wait_fails(suite: Suite) -> None:
    """What the launch said is in the report, however the wait ends."""
    suite.platform("tests:\n  Basic call:\n    takes: 0.05\n    faults: [{on: status, status: 410}]\n")
    suite.write(ONE_TEST)
    suite.run().assert_outcomes(errors=1)
    properties = suite.properties("test_call")
    assert properties["sipfront.verdict"] == "none"
    assert properties["sipfront.session_id"]
    assert properties["sipfront.report_url"].startswith(suite.lab.url)


@pytest.mark.parametrize("value", ["''", "None"])
def test_an_empty_override_is_left_out(suite: Suite, value: str) -> None:
    """An empty destination is no destination: the test's own one applies."""
    suite.write(f"@marked(test='Basic call', step_1_0_dial_destination={value})\ndef test_call(): pass\n")
    assert outcome(suite) == "passed"
    assert suite.lab.requests[0]["body"] == {"test.name": "Basic call"}


@pytest.mark.parametrize("pool", ["eu-central-1", "aws-eu-central-1", "my own pool"])
def test_an_agent_pool_is_any_text(suite: Suite, pool: str) -> None:
    """Pools are named with and without a provider, and freely where private."""
    lying(suite, f"set: {{agentpool_name: {pool}}}")
    suite.write(ONE_TEST)
    assert outcome(suite) == "passed"
    assert suite.properties("test_call")["sipfront.agentpool"] == pool


def test_times_are_utc(suite: Suite) -> None:
    """Times come without a zone; they are UTC."""
    lying(suite, "set: {started_at: '2024-02-09 08:20:18', stopped_at: '2024-02-09 08:22:13'}")
    suite.write(ONE_TEST)
    assert outcome(suite) == "passed"
    properties = suite.properties("test_call")
    assert properties["sipfront.started_at"] == "2024-02-09T08:20:18+00:00"
    assert properties["sipfront.stopped_at"] == "2024-02-09T08:22:13+00:00"
    assert 115 <= float(suite.case("test_call").attrib["time"]) < 120


@pytest.mark.parametrize("started", ["null", "17", "yesterday"])
def test_unreadable_times_do_not_lose_the_verdict(suite: Suite, started: str) -> None:
    """A time of a wrong type is left empty; the duration is then measured here."""
    lying(suite, f"set: {{started_at: {started}}}")
    suite.write(ONE_TEST)
    assert outcome(suite) == "passed"
    assert suite.properties("test_call")["sipfront.started_at"] == ""


def test_the_test_that_really_ran_is_recorded(suite: Suite) -> None:
    """Names may collide between projects: what the platform says it ran is in the result."""
    lying(suite, "set: {test_id: '123', project_name: Other}")
    suite.write(SHOW.format(expression="(sipfront_run.status.test_id, sipfront_run.status.project_name)"))
    assert outcome(suite) == "passed"
    assert suite.properties("test_call")["shown"] == "(123, 'Other')"


def test_measures_come_as_the_platform_names_and_types_them(suite: Suite) -> None:
    """Units and number formats differ between sources: stats are handed on as they are."""
    suite.platform(
        "tests:\n  Basic call:\n    takes: 0.05\n"
        "    faults: [{on: stats, body: {mos_average: '4.3', rtt_dsct_average: 20000}}]\n"
    )
    suite.write(
        "def test_call(sipfront):\n"
        "    run = sipfront.run(test='Basic call')\n"
        "    assert sipfront.stats(run).data == {'mos_average': '4.3', 'rtt_dsct_average': 20000}\n"
    )
    assert outcome(suite) == "passed"
