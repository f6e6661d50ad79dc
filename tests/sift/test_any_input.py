"""Any input from Sift or a stranger: no exception escapes, and no callback reaches another call."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_sipfront.clients.service_text import clean
from pytest_sipfront.clients.sift.call_inbox import DONE, EVENT, INCOMING, STATUS, CallInbox, Timeline
from pytest_sipfront.clients.sift.callback_log import CallbackLog
from pytest_sipfront.clients.sift.models import (
    Application,
    Connection,
    Conversation,
    Event,
    PhoneNumber,
    find_connection,
)
from pytest_sipfront.clients.sift.receiver import Receiver, bind, read_body
from pytest_sipfront.errors import InvalidResponse
from pytest_sipfront.sift import answers
from pytest_sipfront.sift.answers import NO_ANSWER, Transcript, word_error_rate
from tests.loop_thread import LoopThread

WORDS = re.findall(
    r"\w+",
    """account_id audio channels choice client_data conference_name connection connection_id conversation_id digits
    direction end_time error event event_type from mixed_audio name number on_incoming phone_number phone_numbers
    results start_time status to transcript type value""",
)
STATUSES = ("connecting", "connected", "failed", "finished")
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([*STATUSES, "2016-05-10T02:28:17Z", "9999-12-31T23:59:59-23:59", "ended", "+15550100200", ""])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=6),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.sampled_from(WORDS) | st.text(), JSON, max_size=8)
# Tests that need a fresh log create one.
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

LogReceiver = Receiver[CallbackLog]


# ---- models


@quick
@given(OBJECTS)
def test_every_model_reads_any_object(data: dict[str, Any]) -> None:
    """Absent and mistyped fields are empty, and `raw` keeps everything."""
    for read in (Connection.read, Conversation.read, Application.read, PhoneNumber.read, Event.read):
        model: Any = read(data)
        assert dict(model.raw) == data or data != data  # noqa: PLR0124 - NaN is in it
    connection = Connection.read(data)
    assert isinstance(connection.status, str)
    assert connection.seconds is None or connection.seconds >= 0


@quick
@given(JSON)
def test_a_connection_in_a_body_has_an_id_or_a_status(body: Any) -> None:
    """A body without both names no connection."""
    connection = find_connection(body)
    assert connection is None or connection.connection_id or connection.status
    assert Event.read(body).raw is not None


READERS: list[Callable[[dict[str, Any]], object]] = [
    answers.read_transcript,
    answers.read_text,
    answers.read_yes_or_no,
    lambda body: answers.read_choice(body, ("yes", "no")),
    lambda body: answers.read_text(body, "digits"),
]


@quick
@given(OBJECTS, st.sampled_from(READERS))
def test_any_done_callback_is_an_answer_no_answer_or_an_error(
    body: dict[str, Any], read: Callable[[dict[str, Any]], object]
) -> None:
    """Only the documented error is raised, and only the documented types are returned."""
    try:
        answer = read(body)
    except InvalidResponse:
        return
    assert answer is NO_ANSWER or isinstance(answer, str | bool | Transcript)
    assert answer != ""


@quick
@given(st.text(), st.text())
@example("!", "?")
def test_a_word_error_rate_is_never_negative_and_zero_for_the_same_words(expected: str, heard: str) -> None:
    """Also for texts without words."""
    assert word_error_rate(expected, heard) >= 0
    assert word_error_rate(expected, f" {expected}  ") == 0


# ---- the log: order, repeats, and callbacks of two calls

ONE, OTHER = "c1c1c1c1c1c1c1c1", "c2c2c2c2c2c2c2c2"


def life_of(connection_id: str, word: str) -> list[tuple[str, int, dict[str, Any]]]:
    """Return the callbacks of a call with two answers and a conversation."""
    statuses = ("connecting", "connected", "finished")
    callbacks: list[tuple[str, int, dict[str, Any]]] = [
        (STATUS, 0, {"connection": {"connection_id": connection_id, "status": status}}) for status in statuses
    ]
    callbacks += [(DONE, n, {"connection_id": connection_id, "value": f"{word} {n}"}) for n in (1, 2)]
    callbacks += [(EVENT, 3, {"conversation_id": word, "event_type": kind}) for kind in ("transcript", "ended")]
    return callbacks


@quick
@given(st.data())
def test_order_and_repeats_of_callbacks_do_not_matter(data: st.DataObject) -> None:
    """The state of a call depends on the set of callbacks only."""
    callbacks = life_of(ONE, "one")
    order = data.draw(st.permutations(callbacks + data.draw(st.lists(st.sampled_from(callbacks), max_size=10))))
    log = CallbackLog()
    inbox = log.open("call")
    inbox.commands |= {1: "GetFreeResponse", 2: "GetFreeResponse", 3: "CallPhone"}
    for kind, number, body in order:
        assert log.deliver(kind, "call", number, body, json.dumps(body)) == ""
    assert (inbox.connection.status, inbox.connection.connection_id) == ("finished", ONE)
    assert sorted(inbox.reached) == ["connected", "connecting", "finished"]
    assert {number: body["value"] for number, body in inbox.answers.items()} == {1: "one 1", 2: "one 2"}
    assert sorted(event.type for event in inbox.events[3]) == ["ended", "transcript"]
    assert len(log.callbacks) == len(order)
    assert not log.unmatched


@quick
@given(st.data())
def test_callbacks_of_two_calls_are_kept_apart(data: st.DataObject) -> None:
    """In any order, and with callbacks that are posted to the URL of the other call."""
    log = CallbackLog()
    inboxes = {"one": log.open("one"), "other": log.open("other")}
    for word, connection_id in (("one", ONE), ("other", OTHER)):
        inboxes[word].commands |= {1: "GetName", 2: "GetName", 3: "CallPhone"}
        inboxes[word].report(Connection.read({"connection_id": connection_id, "status": "connecting"}), "dialled")
    lives = [(word, *callback) for word, id_ in (("one", ONE), ("other", OTHER)) for callback in life_of(id_, word)]
    swapped = {"one": "other", "other": "one"}
    astray = [(swapped[word], kind, number, body) for word, kind, number, body in lives if kind != EVENT]
    for address, kind, number, body in data.draw(st.permutations(lives + astray)):
        log.deliver(kind, address, number, body, json.dumps(body))
    for word, connection_id in (("one", ONE), ("other", OTHER)):
        inbox = inboxes[word]
        assert inbox.connection.connection_id == connection_id
        assert {body["value"] for body in inbox.answers.values()} == {f"{word} 1", f"{word} 2"}
    assert len(log.unmatched) == len(astray)


@quick
@given(st.lists(st.tuples(st.sampled_from([STATUS, DONE, EVENT, INCOMING]), st.integers(0, 4), JSON), max_size=8))
def test_the_log_accepts_any_callback(callbacks: list[tuple[str, int, Any]]) -> None:
    """Each is logged in order on one line without control characters."""
    log = CallbackLog(account_id="mine")
    inbox = log.open("call")
    inbox.commands |= {1: "Say", 2: "GetDigits", 3: "JoinConference"}
    for kind, number, body in callbacks:
        log.deliver(kind, "call", number, body, json.dumps(body))
    assert [callback.number for callback in log.callbacks] == list(range(1, len(callbacks) + 1))
    for line in [*map(str, log.callbacks), *map(str, inbox.timeline)]:
        assert clean(line) == line
        line.encode()


@quick
@given(st.lists(OBJECTS, max_size=8))
@example([{"connection_id": [], "status": "failed"}])
def test_a_call_that_is_over_stays_over(reports: list[dict[str, Any]]) -> None:
    """Later reports do not reopen it, and its id never changes."""
    inbox = CallInbox(Timeline(lambda: 0.0))
    inbox.report(Connection.read({"connection_id": ONE, "status": "finished"}), "status")
    for data in reports:
        inbox.report(Connection.read(data), "status")
    assert inbox.connection.is_over
    assert inbox.connection.connection_id == ONE


# ---- the receiver, over real HTTP


@pytest.fixture(scope="module")
def receiver(background: LoopThread) -> Iterator[LogReceiver]:
    running = Receiver(CallbackLog(account_id="mine"), bind("127.0.0.1", 0))
    background.wait(running.start)
    running.log.open("call").commands |= {1: "Say", 2: "GetDigits", 3: "JoinConference"}
    yield running
    background.wait(running.stop)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as opened:
        yield opened


TARGETS = st.sampled_from(
    [("call", "status"), ("call", "done", 1), ("call", "done", 2), ("call", "event", 3), ("incoming",)]
)
BODIES = JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200)
KINDS = st.sampled_from(["application/json", "applcation/json", "text/html; charset=utf-7", "multipart/form-data", ""])


@quick
@given(TARGETS, BODIES, KINDS)
@example(("call", "status"), b"[" * 5000, "application/json")
@example(("call", "event", 3), b'{"event":' * 400 + b"1" + b"}" * 400, "application/json")
@example(("call", "done", 2), b'{"digits": "\\ud800\\u001b[2J"}', "application/json")
@example(("call", "status"), b"a=1&" * 5000, "application/x-www-form-urlencoded")
@example(("call", "done", 1), b"1" * 5000, "application/json")
def test_the_receiver_accepts_any_body(
    receiver: LogReceiver, client: httpx.Client, place: tuple[object, ...], body: bytes, kind: str
) -> None:
    """Sift receives 200, and the callback is logged."""
    before = receiver.log.callbacks[-1:]
    answer = client.post(receiver.address(*place), content=body, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 200
    assert answer.json() == ({"routine": []} if place == ("incoming",) else {})
    assert receiver.log.callbacks[-1].number == (before[0].number if before else 0) + 1


@quick
@given(st.text(max_size=30))
def test_the_receiver_answers_404_without_the_secret(receiver: LogReceiver, client: httpx.Client, path: str) -> None:
    """A stranger learns nothing from a guess."""
    url = httpx.URL(receiver.address()).copy_with(raw_path=b"/" + path.encode("utf-8", "replace").hex().encode())
    assert client.post(url, content=b"{}").status_code == 404


@quick
@given(st.text())
def test_any_text_can_be_read_as_a_body(raw: str) -> None:
    """It is JSON, a form, or ignored."""
    read_body(raw)
