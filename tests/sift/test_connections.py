"""Every row of the page "Connections", over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC
from typing import Any, TypeVar

import pytest

from pytest_sipfront.clients.http import Basic, Bearer, HttpClient, Timeouts
from pytest_sipfront.clients.sift import SiftClient
from pytest_sipfront.clients.sift.models import Connection
from pytest_sipfront.clients.sift.routine import HangUp, Say
from pytest_sipfront.errors import (
    AuthenticationFailed,
    ConfigurationError,
    CrossOriginURL,
    InvalidResponse,
    NotFound,
    PlatformUnavailable,
    RequestRefused,
)
from pytest_sipfront.secret import Secret
from pytest_sipfront.sift.call import Call
from tests.sift.conftest import BANK, Stand, bank

T = TypeVar("T")
Ask = Callable[..., Any]
NOWHERE = "http://127.0.0.1:9/status"


async def all_of(entries: AsyncIterator[T]) -> list[T]:
    return [entry async for entry in entries]


def create(use_client: Ask, **endpoint: str) -> Any:
    return use_client(lambda client: client.create_connection(status_url=NOWHERE, **endpoint))


# ---- the object


def test_a_finished_connection_has_every_documented_property(
    stand: Stand, dial: Callable[..., Call], use_client: Ask
) -> None:
    """connection_id, status, start_time, end_time, from, to, direction are read as the page types them."""
    stand.configure(bank())
    with dial() as call:
        call.expect_connected()
    seen = use_client(lambda client: client.connection(call.connection.connection_id))
    assert len(seen.connection_id) == 16
    assert seen.status == "finished"
    assert seen.start_time.tzinfo is UTC
    assert seen.start_time <= seen.end_time
    assert (seen.from_, seen.to) == ("+15550100000", BANK)
    assert seen.direction == "incoming"
    assert seen.client_data is None


def test_end_time_is_there_only_once_finished(stand: Stand, dial: Callable[..., Call], use_client: Ask) -> None:
    """`end_time` is present only if the status is finished."""
    stand.configure(bank())
    with dial() as call:
        call.expect_connected()
        during = use_client(lambda client: client.connection(call.connection.connection_id))
        assert during.status == "connected"
        assert during.start_time is not None
        assert "end_time" not in during.raw
    after = use_client(lambda client: client.connection(call.connection.connection_id))
    assert after.end_time is not None


def test_a_client_is_shown_with_its_webrtc_name(stand: Stand, use_client: Ask) -> None:
    """`to` may be a webrtc name."""
    stand.configure('callees:\n  "webrtc:jimmy": {rings: 5}')
    assert create(use_client, client_name="jimmy").to == "webrtc:jimmy"


def test_client_data_of_any_type_is_kept() -> None:
    """`client_data` is whatever the client passed."""
    for data in ({"username": "jimmy"}, [1, None], "text", 7):
        assert Connection.read({"client_data": data}).client_data == data


def test_an_example_with_the_pages_own_contradictions_is_read_as_it_stands() -> None:
    """A call from a phone to a client that is "incoming", connected and has an end_time: nothing is inferred."""
    connection = Connection.read(
        {
            "connection_id": "1994a0ee21b612ee",
            "status": "connected",
            "start_time": "2016-05-10T02:28:17Z",
            "end_time": "2016-05-10T05:38:22Z",
            "from": "+15554443333",
            "to": "webrtc:jimmy",
            "direction": "incoming",
            "client_data": {"username": "jimmy"},
        }
    )
    assert not connection.is_over
    assert connection.seconds is None
    assert connection.direction == "incoming"
    assert connection.end_time is not None


def test_the_list_example_without_direction_is_read() -> None:
    """The page's list shows neither direction nor client_data."""
    connection = Connection.read(
        {
            "connection_id": "bb09c6c4e1b34275",
            "status": "finished",
            "start_time": "2016-05-10T02:28:17Z",
            "end_time": "2016-05-10T05:38:22Z",
            "from": "+15554443333",
            "to": "webrtc:jimmy",
        }
    )
    assert (connection.direction, connection.client_data) == ("", None)
    assert connection.seconds == 11405.0


# ---- list


def test_the_list_is_read_page_by_page_over_next(stand: Stand, use_client: Ask) -> None:
    """`next` is followed until it is null, and every connection appears once."""
    stand.configure(bank(page_size=2))
    made = [create(use_client, phone_number=BANK).connection_id for _ in range(5)]
    listed = use_client(lambda client: all_of(client.connections()))
    assert [one.connection_id for one in listed] == made[::-1]
    assert stand.now.recorder.by_kind["sift-list"] == 3


def test_a_page_is_only_requested_when_it_is_needed(stand: Stand, use_client: Ask) -> None:
    """Iteration is lazy."""
    stand.configure(bank(page_size=2))
    for _ in range(5):
        create(use_client, phone_number=BANK)

    async def first(client: SiftClient) -> Connection:
        async for connection in client.connections():
            return connection
        raise AssertionError

    use_client(first)
    assert stand.now.recorder.by_kind["sift-list"] == 1


def test_a_page_has_next_previous_and_results(stand: Stand, use_client: Ask) -> None:
    """The envelope is the documented one: null at the ends, absolute URLs between."""
    stand.configure(bank(page_size=2))
    for _ in range(5):
        create(use_client, phone_number=BANK)
    first = use_client(lambda client: client.request("GET", "/connections"))
    assert first["previous"] is None
    assert first["next"].startswith(f"{stand.url}/connections?cursor=")
    second = use_client(lambda client: client.request("GET", first["next"].removeprefix(stand.url)))
    assert second["previous"].startswith(f"{stand.url}/connections?cursor=")
    assert len(second["results"]) == 2


@pytest.mark.usefixtures("stand")
def test_an_empty_list_is_empty(use_client: Ask) -> None:
    """An account without connections lists none."""
    assert use_client(lambda client: all_of(client.connections())) == []


@pytest.mark.parametrize("url", ["https://evil.example/v0/connections?cursor=x", "http://127.0.0.1:9/v0/connections"])
def test_a_next_page_elsewhere_is_not_requested(stand: Stand, use_client: Ask, url: str) -> None:
    """Credentials go to the configured origin only."""
    stand.configure(f'faults:\n  - on: list\n    body: {{next: "{url}", previous: null, results: []}}')
    with pytest.raises(CrossOriginURL, match="no credentials sent"):
        use_client(lambda client: all_of(client.connections()))


def test_a_next_page_that_leads_back_ends_in_an_error(stand: Stand, use_client: Ask) -> None:
    """A list that goes in circles is not read for ever."""
    stand.configure(f'faults:\n  - on: list\n    body: {{next: "{stand.url}/connections", results: []}}')
    with pytest.raises(InvalidResponse, match="leads back"):
        use_client(lambda client: all_of(client.connections()))


@pytest.mark.parametrize("body", ["{}", "{results: 3}", "'text'", "7"])
def test_what_is_no_page_is_an_error(stand: Stand, use_client: Ask, body: str) -> None:
    """A list that is none is unreadable, never an empty one."""
    stand.configure(f"faults:\n  - on: list\n    body: {body}")
    with pytest.raises(InvalidResponse, match="not a page of results"):
        use_client(lambda client: all_of(client.connections()))


# ---- retrieve


@pytest.mark.usefixtures("stand")
def test_an_unknown_connection_is_not_found(use_client: Ask) -> None:
    """The error is Sift's own text."""
    with pytest.raises(NotFound, match="Connection not found"):
        use_client(lambda client: client.connection("0000000000000000"))


def test_another_connection_than_asked_for_is_an_error(stand: Stand, use_client: Ask) -> None:
    """One call is never taken for another."""
    stand.configure("faults:\n  - on: retrieve\n    body: {connection_id: other, status: connected}\n    effect: false")
    with pytest.raises(InvalidResponse, match="not connection mine"):
        use_client(lambda client: client.connection("mine"))


@pytest.mark.usefixtures("stand")
def test_an_id_cannot_leave_its_place_in_the_path(use_client: Ask) -> None:
    """An id with a slash is escaped and so simply unknown."""
    with pytest.raises(NotFound):
        use_client(lambda client: client.connection("../applications?x="))


# ---- create


def test_a_connection_is_created_by_phone_number_as_json(stand: Stand, use_client: Ask) -> None:
    """POST /connections with application/json, status_url and phone_number, and nothing else."""
    stand.configure(bank())
    create(use_client, phone_number=BANK)
    entry = stand.now.recorder.entries[-1]
    assert (entry.method, entry.path, entry.content_type) == ("POST", "/v0/connections", "application/json")
    assert entry.body == {"status_url": NOWHERE, "phone_number": BANK}


def test_a_connection_is_created_by_client_name(stand: Stand, use_client: Ask) -> None:
    """client_name takes the place of phone_number."""
    create(use_client, client_name="agent-7")
    assert stand.now.recorder.entries[-1].body == {"status_url": NOWHERE, "client_name": "agent-7"}


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ({}, "required, got neither"),
        ({"phone_number": BANK, "client_name": "jimmy"}, "required, got both"),
        ({"phone_number": "555-0100"}, "not a phone number in E.164"),
        ({"phone_number": "+1 (555) 010-0200"}, r"did you mean '\+15550100200'"),
        ({"phone_number": ""}, "not a phone number"),
        ({"client_name": " "}, "must be the name of a VoIP client"),
    ],
)
def test_a_wrong_endpoint_is_an_error_before_anything_is_sent(
    stand: Stand, use_client: Ask, endpoint: dict[str, str], why: str
) -> None:
    """One of phone_number and client_name must be provided, and nothing is dialled otherwise."""
    with pytest.raises(ConfigurationError, match=why):
        create(use_client, **endpoint)
    assert not stand.now.recorder.entries


@pytest.mark.parametrize("shape", ["bare", "wrapped", "id"])
def test_each_shape_of_the_create_answer_names_the_connection(stand: Stand, use_client: Ask, shape: str) -> None:
    """What create answers is on no page: a bare connection, {connection}, and an id alone are understood."""
    stand.configure(bank(created=shape))
    created = create(use_client, phone_number=BANK)
    assert created.connection_id == next(iter(stand.now.calls.connections)).id


def test_an_empty_create_answer_is_an_answer(stand: Stand, use_client: Ask) -> None:
    """With an empty body there is no connection yet, and no error."""
    stand.configure(bank(created="empty"))
    assert create(use_client, phone_number=BANK) is None


def test_a_refused_create_says_why_in_sifts_words(stand: Stand, use_client: Ask) -> None:
    """`{"error": ...}` is the message."""
    stand.configure("faults:\n  - {on: create, status: 402, error: Out of credit}")
    with pytest.raises(RequestRefused, match="Sift refused: Out of credit"):
        create(use_client, phone_number=BANK)


def test_a_call_is_never_placed_twice(stand: Stand, use_client: Ask) -> None:
    """A create whose answer is lost is not sent again."""
    stand.configure("faults:\n  - {on: create, drop: after, times: 1}")
    with pytest.raises(PlatformUnavailable) as raised:
        create(use_client, phone_number=BANK)
    assert raised.value.arrived
    assert stand.now.recorder.by_kind["sift-create"] == 1


# ---- set the routine


def test_a_routine_is_set_as_a_list_of_commands(stand: Stand, dial: Callable[..., Call], use_client: Ask) -> None:
    """POST /connections/:id with `routine`; 200 with an empty body is success."""
    stand.configure(bank())
    with dial() as call:
        call.expect_connected()
        connection_id = call.connection.connection_id
        use_client(lambda client: client.set_routine(connection_id, [HangUp()]))
        call.wait_finished(within=5)
    posted = next(entry for entry in stand.now.recorder.entries if entry.path.endswith(connection_id))
    assert posted.body == {"routine": [{"name": "HangUp"}]}


def test_a_new_routine_stops_the_one_before_at_once(stand: Stand, dial: Callable[..., Call]) -> None:
    """It stops any previously executing routine: the second command of the first is never begun."""
    stand.configure(bank("silence: 9"))
    with dial() as call:
        call.expect_connected()
        call.run([{"name": "GetFreeResponse", "timeout_seconds": 60}, {"name": "Say", "text": "never"}])
        call.say("instead")
    assert [command["name"] for command in stand.commands] == ["GetFreeResponse", "Say", "HangUp"]
    assert stand.commands[1]["text"] == "instead"


def test_a_rejected_routine_says_why_in_sifts_words(stand: Stand, use_client: Ask) -> None:
    """In a failure case, the reply describes the error."""
    stand.configure(bank())
    connection = create(use_client, phone_number=BANK)
    with pytest.raises(RequestRefused, match="Unknown command Dance"):
        use_client(lambda client: client.set_routine(connection.connection_id, [{"name": "Dance"}]))


def test_an_error_inside_a_200_is_a_refusal(stand: Stand, use_client: Ask) -> None:
    """The page gives no status code for failures, so the `error` itself decides."""
    stand.configure(bank(faults="[{on: routine, body: {error: routine too long}}]"))
    connection = create(use_client, phone_number=BANK)
    with pytest.raises(RequestRefused, match="routine too long"):
        use_client(lambda client: client.set_routine(connection.connection_id, [HangUp()]))


@pytest.mark.parametrize("routine", [Say(text="hi"), {"name": "HangUp"}, "HangUp", None, 3])
def test_a_routine_that_is_no_list_is_an_error_before_anything_is_sent(
    stand: Stand, use_client: Ask, routine: Any
) -> None:
    """The message says what to write."""
    with pytest.raises(ConfigurationError, match="a routine must be a list of commands"):
        use_client(lambda client: client.set_routine("any", routine))
    assert not stand.now.recorder.entries


# ---- who we are


@pytest.mark.parametrize(
    "credentials", [Basic(Secret("lab-public"), Secret("lab-secret")), Bearer(Secret("lab-secret"))]
)
def test_basic_and_bearer_credentials_are_let_in(stand: Stand, background: Any, credentials: Any) -> None:
    """An account's id and token, or a temporary key."""

    async def listed() -> list[Connection]:
        async with SiftClient(HttpClient(stand.url, credentials)) as client:
            return await all_of(client.connections())

    assert background.wait(listed) == []


def test_wrong_credentials_are_an_error_that_shows_no_secret(stand: Stand, background: Any) -> None:
    """401 is an error of its own."""

    async def listed() -> None:
        async with SiftClient(HttpClient(stand.url, Basic(Secret("me"), Secret("sesame")), service="Sift")) as client:
            await all_of(client.connections())

    with pytest.raises(AuthenticationFailed, match="Sift refused the credentials") as raised:
        background.wait(listed)
    assert "sesame" not in f"{raised.value} {raised.value.evidence}"


def test_an_unreachable_sift_is_an_error_that_says_so(background: Any) -> None:
    """A refused connection certainly placed no call."""

    async def created() -> None:
        limits = Timeouts(retry=0.0)
        http = HttpClient("http://127.0.0.1:9/v0", Basic(Secret("a"), Secret("b")), service="Sift", limits=limits)
        async with SiftClient(http) as client:
            await client.create_connection(status_url=NOWHERE, phone_number=BANK)

    with pytest.raises(PlatformUnavailable, match=r"Sift .* cannot be reached") as raised:
        background.wait(created)
    assert not raised.value.arrived
