"""The page "Connections", row by row, over real HTTP."""

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
from tests.sift.conftest import BANK, SiftLab, bank

T = TypeVar("T")
UseClient = Callable[..., Any]
NOWHERE = "http://127.0.0.1:9/status"


async def all_of(entries: AsyncIterator[T]) -> list[T]:
    return [entry async for entry in entries]


def create(use_client: UseClient, **endpoint: str) -> Any:
    return use_client(lambda client: client.create_connection(status_url=NOWHERE, **endpoint))


# ---- the object


def test_a_finished_connection_has_every_documented_property(
    sift_lab: SiftLab, dial: Callable[..., Call], use_client: UseClient
) -> None:
    """connection_id, status, start_time, end_time, from, to and direction have the documented types."""
    sift_lab.configure(bank())
    with dial() as call:
        call.expect_connected()
    connection = use_client(lambda client: client.connection(call.connection.connection_id))
    assert len(connection.connection_id) == 16
    assert connection.status == "finished"
    assert connection.start_time.tzinfo is UTC
    assert connection.start_time <= connection.end_time
    assert (connection.from_, connection.to) == ("+15550100000", BANK)
    assert connection.direction == "incoming"
    assert connection.client_data is None


def test_only_a_finished_connection_has_an_end_time(
    sift_lab: SiftLab, dial: Callable[..., Call], use_client: UseClient
) -> None:
    """As documented."""
    sift_lab.configure(bank())
    with dial() as call:
        call.expect_connected()
        during = use_client(lambda client: client.connection(call.connection.connection_id))
        assert during.status == "connected"
        assert during.start_time is not None
        assert "end_time" not in during.raw
    after = use_client(lambda client: client.connection(call.connection.connection_id))
    assert after.end_time is not None


def test_a_client_has_a_webrtc_name(sift_lab: SiftLab, use_client: UseClient) -> None:
    """`to` may be a webrtc name."""
    sift_lab.configure('callees:\n  "webrtc:jimmy": {rings: 5}')
    assert create(use_client, client_name="jimmy").to == "webrtc:jimmy"


def test_client_data_of_any_type_is_kept() -> None:
    """`client_data` is any argument of the client."""
    for data in ({"username": "jimmy"}, [1, None], "text", 7):
        assert Connection.read({"client_data": data}).client_data == data


def test_a_contradictory_sample_is_read_unchanged() -> None:
    """A call from a phone to a client is "incoming", connected and has an end_time."""
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


def test_the_sample_of_the_list_is_read() -> None:
    """It has no direction and no client_data."""
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


def test_the_list_is_read_page_by_page(sift_lab: SiftLab, use_client: UseClient) -> None:
    """`next` is followed until it is null, and every connection occurs once."""
    sift_lab.configure(bank(page_size=2))
    made = [create(use_client, phone_number=BANK).connection_id for _ in range(5)]
    listed = use_client(lambda client: all_of(client.connections()))
    assert [connection.connection_id for connection in listed] == made[::-1]
    assert sift_lab.service.recorder.by_kind["sift-list"] == 3


def test_a_page_is_requested_when_it_is_needed(sift_lab: SiftLab, use_client: UseClient) -> None:
    """Iteration is lazy."""
    sift_lab.configure(bank(page_size=2))
    for _ in range(5):
        create(use_client, phone_number=BANK)

    async def first(client: SiftClient) -> Connection:
        async for connection in client.connections():
            return connection
        raise AssertionError

    use_client(first)
    assert sift_lab.service.recorder.by_kind["sift-list"] == 1


def test_a_page_has_next_previous_and_results(sift_lab: SiftLab, use_client: UseClient) -> None:
    """`next` and `previous` are absolute URLs, or null at the ends."""
    sift_lab.configure(bank(page_size=2))
    for _ in range(5):
        create(use_client, phone_number=BANK)
    first = use_client(lambda client: client.request("GET", "/connections"))
    assert first["previous"] is None
    assert first["next"].startswith(f"{sift_lab.url}/connections?cursor=")
    second = use_client(lambda client: client.request("GET", first["next"].removeprefix(sift_lab.url)))
    assert second["previous"].startswith(f"{sift_lab.url}/connections?cursor=")
    assert len(second["results"]) == 2


@pytest.mark.usefixtures("sift_lab")
def test_an_empty_list_is_empty(use_client: UseClient) -> None:
    """The account has no connections."""
    assert use_client(lambda client: all_of(client.connections())) == []


@pytest.mark.parametrize("url", ["https://evil.example/v0/connections?cursor=x", "http://127.0.0.1:9/v0/connections"])
def test_a_next_page_of_another_origin_is_not_requested(sift_lab: SiftLab, use_client: UseClient, url: str) -> None:
    """Credentials are sent to the configured origin only."""
    sift_lab.configure(f'faults:\n  - on: list\n    body: {{next: "{url}", previous: null, results: []}}')
    with pytest.raises(CrossOriginURL, match="no credentials sent"):
        use_client(lambda client: all_of(client.connections()))


def test_a_circular_list_is_an_error(sift_lab: SiftLab, use_client: UseClient) -> None:
    """It would be read endlessly."""
    sift_lab.configure(f'faults:\n  - on: list\n    body: {{next: "{sift_lab.url}/connections", results: []}}')
    with pytest.raises(InvalidResponse, match="leads back"):
        use_client(lambda client: all_of(client.connections()))


@pytest.mark.parametrize("body", ["{}", "{results: 3}", "'text'", "7"])
def test_a_response_that_is_not_a_page_is_an_error(sift_lab: SiftLab, use_client: UseClient, body: str) -> None:
    """It is not treated as an empty list."""
    sift_lab.configure(f"faults:\n  - on: list\n    body: {body}")
    with pytest.raises(InvalidResponse, match="not a page of results"):
        use_client(lambda client: all_of(client.connections()))


# ---- retrieve


@pytest.mark.usefixtures("sift_lab")
def test_an_unknown_connection_is_not_found(use_client: UseClient) -> None:
    """The message is Sift's text."""
    with pytest.raises(NotFound, match="Connection not found"):
        use_client(lambda client: client.connection("0000000000000000"))


def test_a_response_with_another_connection_is_an_error(sift_lab: SiftLab, use_client: UseClient) -> None:
    """The ids must be equal."""
    sift_lab.configure(
        "faults:\n  - on: retrieve\n    body: {connection_id: other, status: connected}\n    effect: false"
    )
    with pytest.raises(InvalidResponse, match="not connection mine"):
        use_client(lambda client: client.connection("mine"))


@pytest.mark.usefixtures("sift_lab")
def test_an_id_is_escaped_in_the_path(use_client: UseClient) -> None:
    """An id with a slash is unknown."""
    with pytest.raises(NotFound):
        use_client(lambda client: client.connection("../applications?x="))


# ---- create


def test_a_connection_is_created_by_phone_number_as_json(sift_lab: SiftLab, use_client: UseClient) -> None:
    """The body holds status_url and phone_number only."""
    sift_lab.configure(bank())
    create(use_client, phone_number=BANK)
    entry = sift_lab.service.recorder.entries[-1]
    assert (entry.method, entry.path, entry.content_type) == ("POST", "/v0/connections", "application/json")
    assert entry.body == {"status_url": NOWHERE, "phone_number": BANK}


def test_a_connection_is_created_by_client_name(sift_lab: SiftLab, use_client: UseClient) -> None:
    """client_name replaces phone_number."""
    create(use_client, client_name="agent-7")
    assert sift_lab.service.recorder.entries[-1].body == {"status_url": NOWHERE, "client_name": "agent-7"}


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
def test_an_invalid_endpoint_is_an_error_before_a_request(
    sift_lab: SiftLab, use_client: UseClient, endpoint: dict[str, str], why: str
) -> None:
    """Exactly one of phone_number and client_name is required."""
    with pytest.raises(ConfigurationError, match=why):
        create(use_client, **endpoint)
    assert not sift_lab.service.recorder.entries


@pytest.mark.parametrize("shape", ["bare", "wrapped", "id"])
def test_each_form_of_the_response_names_the_connection(sift_lab: SiftLab, use_client: UseClient, shape: str) -> None:
    """The response is not documented: a bare connection, {connection}, and an id are accepted."""
    sift_lab.configure(bank(created=shape))
    created = create(use_client, phone_number=BANK)
    assert created.connection_id == next(iter(sift_lab.service.calls.connections)).id


def test_an_empty_response_to_a_creation_is_accepted(sift_lab: SiftLab, use_client: UseClient) -> None:
    """The connection is unknown until the first status callback."""
    sift_lab.configure(bank(created="empty"))
    assert create(use_client, phone_number=BANK) is None


def test_a_refused_creation_quotes_sift(sift_lab: SiftLab, use_client: UseClient) -> None:
    """The message is in `error`."""
    sift_lab.configure("faults:\n  - {on: create, status: 402, error: Out of credit}")
    with pytest.raises(RequestRefused, match="Sift refused: Out of credit"):
        create(use_client, phone_number=BANK)


def test_a_call_is_never_placed_twice(sift_lab: SiftLab, use_client: UseClient) -> None:
    """A request whose response is lost is not sent again."""
    sift_lab.configure("faults:\n  - {on: create, drop: after, times: 1}")
    with pytest.raises(PlatformUnavailable) as raised:
        create(use_client, phone_number=BANK)
    assert raised.value.arrived
    assert sift_lab.service.recorder.by_kind["sift-create"] == 1


# ---- set the routine


def test_a_routine_is_set_as_a_list_of_commands(
    sift_lab: SiftLab, dial: Callable[..., Call], use_client: UseClient
) -> None:
    """POST /connections/:id with `routine`; 200 with an empty body is success."""
    sift_lab.configure(bank())
    with dial() as call:
        call.expect_connected()
        connection_id = call.connection.connection_id
        use_client(lambda client: client.set_routine(connection_id, [HangUp()]))
        call.wait_finished(within=60)
    entries = sift_lab.service.recorder.entries
    posted = next(entry for entry in entries if entry.method == "POST" and entry.path.endswith(connection_id))
    assert posted.body == {"routine": [{"name": "HangUp"}]}


def test_a_new_routine_stops_the_previous_one(sift_lab: SiftLab, dial: Callable[..., Call]) -> None:
    """The second command of the first routine does not start."""
    sift_lab.configure(bank("silence: 9"))
    with dial() as call:
        call.expect_connected()
        call.run([{"name": "GetFreeResponse", "timeout_seconds": 60}, {"name": "Say", "text": "never"}])
        call.say("instead")
    assert [command["name"] for command in sift_lab.commands] == ["GetFreeResponse", "Say", "HangUp"]
    assert sift_lab.commands[1]["text"] == "instead"


def test_a_rejected_routine_quotes_sift(sift_lab: SiftLab, use_client: UseClient) -> None:
    """The message is in `error`."""
    sift_lab.configure(bank())
    connection = create(use_client, phone_number=BANK)
    with pytest.raises(RequestRefused, match="Unknown command Dance"):
        use_client(lambda client: client.set_routine(connection.connection_id, [{"name": "Dance"}]))


def test_an_error_inside_a_200_is_a_refusal(sift_lab: SiftLab, use_client: UseClient) -> None:
    """The documentation names no status code for failures, so `error` decides."""
    sift_lab.configure(bank(faults="[{on: routine, body: {error: routine too long}}]"))
    connection = create(use_client, phone_number=BANK)
    with pytest.raises(RequestRefused, match="routine too long"):
        use_client(lambda client: client.set_routine(connection.connection_id, [HangUp()]))


@pytest.mark.parametrize("routine", [Say(text="hi"), {"name": "HangUp"}, "HangUp", None, 3])
def test_a_routine_that_is_not_a_list_is_an_error_before_a_request(
    sift_lab: SiftLab, use_client: UseClient, routine: Any
) -> None:
    """The message shows the correct form."""
    with pytest.raises(ConfigurationError, match="a routine must be a list of commands"):
        use_client(lambda client: client.set_routine("any", routine))
    assert not sift_lab.service.recorder.entries


# ---- credentials


@pytest.mark.parametrize(
    "credentials", [Basic(Secret("lab-public"), Secret("lab-secret")), Bearer(Secret("lab-secret"))]
)
def test_basic_and_bearer_credentials_are_accepted(sift_lab: SiftLab, background: Any, credentials: Any) -> None:
    """The account's id and token, or a temporary key."""

    async def listed() -> list[Connection]:
        async with SiftClient(HttpClient(sift_lab.url, credentials)) as client:
            return await all_of(client.connections())

    assert background.wait(listed) == []


def test_wrong_credentials_are_an_error_without_the_secret(sift_lab: SiftLab, background: Any) -> None:
    """401 has an error class."""

    async def listed() -> None:
        async with SiftClient(
            HttpClient(sift_lab.url, Basic(Secret("me"), Secret("sesame")), service="Sift")
        ) as client:
            await all_of(client.connections())

    with pytest.raises(AuthenticationFailed, match="Sift refused the credentials") as raised:
        background.wait(listed)
    assert "sesame" not in f"{raised.value} {raised.value.evidence}"


def test_an_unreachable_sift_is_an_error(background: Any) -> None:
    """After a refused connection it is certain that no call was placed."""

    async def created() -> None:
        limits = Timeouts(retry=0.0)
        http = HttpClient("http://127.0.0.1:9/v0", Basic(Secret("a"), Secret("b")), service="Sift", limits=limits)
        async with SiftClient(http) as client:
            await client.create_connection(status_url=NOWHERE, phone_number=BANK)

    with pytest.raises(PlatformUnavailable, match=r"Sift .* cannot be reached") as raised:
        background.wait(created)
    assert not raised.value.arrived
