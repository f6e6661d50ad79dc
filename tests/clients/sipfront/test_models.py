from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.sipfront.models import Document, Endpoint, LastStatus, Launched, RunRequest, RunStatus

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
JUNK: list[object] = [None, 2, -1, 1.0, "yes", "", [], {}, [1]]
FIELDS = [
    "status",
    "session_status",
    "run_status",
    "has_passed",
    "is_failed",
    "is_finished",
    "result_description",
    "started_at",
    "created_at",
    "stopped_at",
    "test_id",
    "test_name",
    "testcase_name",
    "project_id",
    "project_name",
    "agentpool_name",
    "session_id",
    "tags",
    "total_tests",
    "tests_started",
    "status_url",
    "report_url",
    "project_run_uuid",
    "project_run_id",
    "url",
    "methods",
    "name",
    "test",
    "run",
]
OBJECTS = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), JSON, max_size=8)

DOCUMENTED = {
    "agentpool_name": "eu-central-1",
    "has_passed": 1,
    "id": 12345,
    "is_failed": 0,
    "is_finished": 1,
    "project_id": 7,
    "project_name": "Default",
    "result_description": "",
    "session_id": "bae59eae-c123-45ee-6789-abcdef012345",
    "started_at": "2024-02-09 13:06:49",
    "status": "passed",
    "stopped_at": "2024-02-09 13:08:44",
    "tags": '["media", "audio"]',
    "test_id": 101,
    "test_name": "Basic call",
    "testcase_name": "Media analysis for Audio Call",
}


def test_a_finished_run_is_read_as_documented() -> None:
    """Every field of the documented sample."""
    status = RunStatus.read(DOCUMENTED)
    assert (dict(status.states), status.has_passed, status.is_failed, status.is_finished) == (
        {"status": "passed"},
        True,
        False,
        True,
    )
    assert status.started_at == datetime(2024, 2, 9, 13, 6, 49, tzinfo=UTC)
    assert status.stopped_at == datetime(2024, 2, 9, 13, 8, 44, tzinfo=UTC)
    assert (status.test_id, status.test_name, status.testcase_name) == (
        101,
        "Basic call",
        "Media analysis for Audio Call",
    )
    assert (status.project_id, status.project_name, status.agentpool_name) == (7, "Default", "eu-central-1")
    assert (status.session_id, status.tags) == (DOCUMENTED["session_id"], ("media", "audio"))
    assert (status.result_description, status.total_tests, status.tests_started) == ("", None, None)
    assert dict(status.raw) == DOCUMENTED


def test_a_running_run_has_only_a_state() -> None:
    """Discrepancy 5."""
    assert RunStatus.read({"status": "running"}) == RunStatus(states={"status": "running"}, raw={"status": "running"})


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        *((yes, True) for yes in (1, True, "1", "true", "True", " 1 ")),
        *((no, False) for no in (0, False, "0", "false", "FALSE")),
        *((junk, None) for junk in JUNK),
    ],
)
@pytest.mark.parametrize("field", ["has_passed", "is_failed", "is_finished"])
def test_a_flag_is_read_from_any_type(field: str, value: object, flag: bool | None) -> None:
    """Discrepancy 4. A flag that is present and unreadable is named."""
    status = RunStatus.read({field: value})
    assert getattr(status, field) is flag
    assert status.unreadable == (() if flag is not None or value is None else (field,))


@pytest.mark.parametrize("value", [7, True, [], {}, 1.0])
def test_a_state_that_is_not_a_string_is_unreadable(value: object) -> None:
    """An absent, null or empty state is missing."""
    assert RunStatus.read({"status": "passed", "session_status": value}).unreadable == ("session_status",)
    assert RunStatus.read({"session_status": "", "run_status": None}).unreadable == ()


def test_long_and_numerous_values_are_cut() -> None:
    """`raw` keeps them."""
    status = RunStatus.read({"status": "x" * 9999, "result_description": "x" * 9999, "tags": ["x"] * 9999})
    assert (len(status.state), len(status.result_description), len(status.tags)) == (100, 4000, 100)
    assert len(status.raw["tags"]) == 9999


def test_decoded_tags_are_cleaned() -> None:
    """The escapes of the inner JSON hide control characters from the HTTP client."""
    assert RunStatus.read({"tags": '["\\u001b[31m\\ud800"]'}).tags == (r"\x1b[31m\ud800",)


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ('["media", "audio"]', ("media", "audio")),
        (["media", "audio"], ("media", "audio")),
        (json.dumps(json.dumps(["media"])), ("media",)),
        ("[]", ()),
        ([], ()),
        (None, ()),
        ("", ()),
        ("media, audio", ()),
        ({"a": 1}, ()),
        (7, ()),
        (["media", None, {"a": 1}, "", 7], ("media", "7")),
        ("7", ()),
        ("null", ()),
        ('"media"', ()),
    ],
)
def test_tags_are_read_from_a_list_or_encoded_list(value: object, tags: tuple[str, ...]) -> None:
    """Discrepancy 6: a list, JSON-encoded once or twice, null, garbage."""
    assert RunStatus.read({"tags": value}).tags == tags


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2024-02-09 13:06:49", datetime(2024, 2, 9, 13, 6, 49, tzinfo=UTC)),
        ("2024-02-09T13:06:49Z", datetime(2024, 2, 9, 13, 6, 49, tzinfo=UTC)),
        ("2024-02-09T14:06:49+01:00", datetime(2024, 2, 9, 13, 6, 49, tzinfo=UTC)),
        (" 2024-02-09 13:06:49.5 ", datetime(2024, 2, 9, 13, 6, 49, 500000, tzinfo=UTC)),
        ("soon", None),
        ("", None),
        (None, None),
        (1707484009, None),
        ("2024-02-30 00:00:00", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("9999-01-01 00:00:00", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("1969-12-31 23:59:59", None),
    ],
)
def test_a_time_without_a_zone_is_utc(value: object, moment: datetime | None) -> None:
    """As the vendor's action says. An unreadable time is unknown."""
    status = RunStatus.read({"started_at": value, "stopped_at": value})
    assert (status.started_at, status.stopped_at) == (moment, moment)


def test_the_start_of_a_project_is_its_creation() -> None:
    """Discrepancy 14: `created_at` if `started_at` is missing."""
    noon, later = "2024-02-09 12:00:00", "2024-02-09 13:00:00"
    created = RunStatus.read({"created_at": noon}).started_at
    assert created == datetime(2024, 2, 9, 12, tzinfo=UTC)
    assert RunStatus.read({"created_at": noon, "started_at": later}).started_at != created


@pytest.mark.parametrize(
    ("run", "states", "state"),
    [
        ({"status": " Passed "}, {"status": "passed"}, "passed"),
        ({"run_status": "stopped"}, {"run_status": "stopped"}, "stopped"),
        ({"status": "passed", "session_status": "passed"}, {"status": "passed", "session_status": "passed"}, "passed"),
        (
            {"session_status": "running", "status": "passed"},
            {"status": "passed", "session_status": "running"},
            "status passed, session_status running",
        ),
        ({"status": None, "session_status": "", "run_status": 7}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_the_state_is_read_from_all_fields(run: dict[str, Any], states: dict[str, str], state: str) -> None:
    """Discrepancy 1: messages show all fields if they disagree."""
    status = RunStatus.read(run)
    assert (dict(status.states), status.state) == (states, state)


@pytest.mark.parametrize(
    ("value", "number"),
    [(101, 101), ("101", 101), (True, None), (1.5, None), ("x", None), (None, None), ("²", None), ("7" * 6000, None)],
)
def test_an_id_is_an_integer_or_a_string_of_digits(value: object, number: int | None) -> None:
    """Discrepancy 8."""
    assert RunStatus.read({"test_id": value}).test_id == number


@pytest.mark.parametrize("name", ["eu-central-1", "aws-eu-central-1", "Büro im 3. Stock"])
def test_the_name_of_a_pool_may_be_any_text(name: str) -> None:
    """Discrepancy 20."""
    assert RunStatus.read({"agentpool_name": name}).agentpool_name == name


@given(run=OBJECTS)
def test_any_run_object_can_be_read(run: dict[str, Any]) -> None:
    """Absent and mistyped fields keep their default, and `raw` keeps everything."""
    status = RunStatus.read(run)
    assert dict(status.raw) == run or run != run  # noqa: PLR0124 - NaN in it
    assert isinstance(status.state, str)


# ---- launches ---------------------------------------------------------------------------------------------------


def test_a_launched_test_is_read_as_documented() -> None:
    """Discrepancy 10: the ids of one response differ."""
    data = {
        "report_url": "https://app.sipfront.com/run/details/bae59eae-c123",
        "session_id": "bae59eae-c723",
        "status_url": "https://app.sipfront.com/api/v2/runs/bae59eae-c123/status",
    }
    launched = Launched.read(data)
    assert launched == Launched(**data, raw=data)


def test_a_launched_project_is_read_as_by_the_vendor_s_action() -> None:
    """Discrepancy 12: its id is the id of the project run."""
    launched = Launched.read({"status_url": "/s", "project_run_uuid": "uuid", "project_run_id": 9})
    assert launched is not None
    assert (launched.status_url, launched.session_id, launched.report_url) == ("/s", "uuid", "")
    launched = Launched.read({"status_url": "/s", "project_run_id": 9})
    assert launched is not None
    assert launched.session_id == "9"


@pytest.mark.parametrize("data", [{}, {"status_url": ""}, {"status_url": None}, {"status_url": 7}, {"session_id": "x"}])
def test_a_launch_without_a_status_url_is_unreadable(data: dict[str, Any]) -> None:
    """The run could not be polled."""
    assert Launched.read(data) is None


@pytest.mark.parametrize(
    ("url", "run_id"),
    [
        ("https://app.sipfront.com/api/v2/runs/bae59eae-c123/status", "bae59eae-c123"),
        ("https://app.sipfront.com/api/v2/projectruns/7/status/?a=b/c/status", "7"),
        ("/runs/a%20b/status", "a b"),
        ("https://app.sipfront.com/status", ""),
        ("https://app.sipfront.com/runs/7", ""),
        ("/s", ""),
    ],
)
def test_the_id_of_a_run_is_in_its_status_url(url: str, run_id: str) -> None:
    """Discrepancy 10: the final status repeats this id, and not the session_id of the launch."""
    assert Launched(status_url=url).run_id == run_id


@given(data=OBJECTS)
def test_any_launch_data_can_be_read(data: dict[str, Any]) -> None:
    """A launch requires a URL to poll. All fields are strings."""
    launched = Launched.read(data)
    url = data.get("status_url")
    assert (launched is not None) is (isinstance(url, str) and url != "")
    if launched is not None:
        assert isinstance(launched.report_url, str)
        assert isinstance(launched.session_id, str)


# ---- requests ---------------------------------------------------------------------------------------------------


def test_a_request_has_a_name_for_messages() -> None:
    """The type is shown for projects only."""
    assert RunRequest(test="Basic call").target == "Basic call"
    assert RunRequest(project="Nightly").target == "project Nightly"
    assert RunRequest(project=7).target == "project 7"


def test_a_payload_is_flat_with_dotted_keys() -> None:
    """Discrepancy 7: both encodings carry it."""
    request = RunRequest(test="x", report_mode="kiosk", overrides={"step.1.0.dial_destination": "0431"})
    assert request.payload() == {"test.name": "x", "report.mode": "kiosk", "step.1.0.dial_destination": "0431"}


# ---- lists ------------------------------------------------------------------------------------------------------


def test_the_last_run_of_a_test_has_the_id_and_name_of_the_test() -> None:
    """From `test`, or from the run if `test` is missing."""
    last = LastStatus.read({"test": {"id": 1, "name": "Inner"}, "run": {**DOCUMENTED}})
    assert (last.test_id, last.test_name, last.status.state) == (1, "Inner", "passed")
    last = LastStatus.read({"run": {**DOCUMENTED}})
    assert (last.test_id, last.test_name) == (101, "Basic call")


@given(entry=OBJECTS)
def test_any_entry_of_a_list_can_be_read(entry: dict[str, Any]) -> None:
    """Tests, runs and endpoints of any form."""
    assert isinstance(LastStatus.read(entry).test_name, str)
    endpoint = Endpoint.read(entry)
    assert isinstance(endpoint.url, str)
    assert all(isinstance(method, str) for method in endpoint.methods)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ({"tests": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}, ("a", "b")),
        ([{"test_name": "a"}, {"project_name": "b"}, {"test.name": "c"}], ("a", "b", "c")),
        ({"data": {"x": {"name": "deep", "parts": [{"name": "deeper"}]}}}, ("deep", "deeper")),
        ({"name": 7}, ()),
        ("name", ()),
        (None, ()),
    ],
)
def test_the_names_in_a_document_are_found(data: Any, names: tuple[str, ...]) -> None:
    """Suggestions for misspelt names need them. Each occurs once, in order."""
    assert Document(data).names() == names


@given(data=JSON)
def test_names_can_be_read_from_any_document(data: Any) -> None:
    """Its form is not published."""
    assert all(isinstance(name, str) for name in Document(data).names())


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ([{"name": "a"}], ["a"]),
        ({"tests": [{"name": "a"}]}, ["a"]),
        ({"data": {"tests": [{"name": "a"}]}}, ["a"]),
        ({"status": 200}, []),
        ("text", []),
        ({"tests": ["a", {"name": "b"}]}, ["b"]),
    ],
)
def test_lists_are_found_in_any_shape(data: object, names: list[str]) -> None:
    """The shape of the lists is not published."""
    assert [entry["name"] for entry in Document(data).entries("tests")] == names
