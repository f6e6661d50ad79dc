"""The receiver of callbacks, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from pytest_sipfront.clients.sift.callback_log import CallbackLog
from pytest_sipfront.clients.sift.receiver import LARGEST_BODY, Receiver, bind
from pytest_sipfront.secret import Secret
from tests.loop_thread import LoopThread

ACCOUNT, ID = "a0a0a0a0a0a0a0a0", "c1c1c1c1c1c1c1c1"

LogReceiver = Receiver[CallbackLog]


@contextmanager
def receiving(background: LoopThread, **options: Any) -> Iterator[LogReceiver]:
    token = Secret("t" * 24)
    log = CallbackLog(scrub=token.scrub, account_id=ACCOUNT)
    receiver = Receiver(log, bind("127.0.0.1", 0), token=token.reveal(), **options)
    background.wait(receiver.start)
    try:
        yield receiver
    finally:
        background.wait(receiver.stop)


@pytest.fixture
def receiver(background: LoopThread) -> Iterator[LogReceiver]:
    with receiving(background) as running:
        yield running


_CLIENT = httpx.Client(trust_env=False)


@pytest.fixture(scope="module", autouse=True)
def _end() -> Iterator[None]:
    yield
    _CLIENT.close()


def post(url: str, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _CLIENT.post(url, content=content, headers=headers)


def test_a_status_callback_is_logged_with_time_and_number(receiver: LogReceiver) -> None:
    """The response has no routine, since it would start at once."""
    inbox = receiver.log.open("call")
    body = {"account_id": ACCOUNT, "connection": {"connection_id": ID, "status": "connected"}}
    answer = post(receiver.address("call", "status"), body)
    assert (answer.status_code, answer.json()) == (200, {})
    assert inbox.connection.status == "connected"
    received = receiver.log.callbacks
    assert [callback.number for callback in received] == [1]
    assert received[0].kind == "status"
    assert received[0].moment.utcoffset() is not None


@pytest.mark.parametrize(
    "body",
    [{"connection_id": ID, "status": "connecting"}, {"connection": {"connection_id": ID, "status": "connecting"}}],
)
def test_a_status_callback_may_be_flat_or_nested(receiver: LogReceiver, body: dict[str, Any]) -> None:
    """Its body is not documented."""
    inbox = receiver.log.open("call")
    post(receiver.address("call", "status"), body)
    assert inbox.connection.connection_id == ID


def test_a_done_callback_is_identified_by_its_url(receiver: LogReceiver) -> None:
    """The bodies of Say and Play are equal."""
    inbox = receiver.log.open("call")
    inbox.commands |= {1: "Say", 2: "Play"}
    post(receiver.address("call", "done", 2), {"account_id": ACCOUNT, "connection_id": ID})
    assert list(inbox.answers) == [2]


@pytest.mark.parametrize(
    "kind",
    ["application/json", "applcation/json", "applicaiton/json", "json", "text/plain", "application/octet-stream"],
)
def test_any_content_type_is_read_as_json(receiver: LogReceiver, kind: str) -> None:
    """The documentation misspells it in three ways."""
    inbox = receiver.log.open("call")
    post(receiver.address("call", "status"), {"connection_id": ID, "status": "connected"}, **{"Content-Type": kind})
    assert inbox.connection.status == "connected"


def test_a_form_is_accepted(receiver: LogReceiver) -> None:
    """A guide uses forms for requests that are documented as JSON."""
    inbox = receiver.log.open("call")
    post(receiver.address("call", "status"), f"connection_id={ID}&status=connected".encode())
    assert inbox.connection.status == "connected"


def test_an_incoming_call_is_answered_with_a_routine(receiver: LogReceiver) -> None:
    """`routine` is required; an empty one leaves the call to the test."""
    body = {
        "account_id": ACCOUNT,
        "connection": {"connection_id": ID, "status": "connected", "from": "+15550100999", "to": "+15550100300"},
    }
    for _ in range(2):
        assert post(receiver.incoming_url, body).json() == {"routine": []}
    claimed = receiver.log.claim("+15550100300", 0.0)
    assert claimed is not None
    assert claimed.from_ == "+15550100999"
    assert receiver.log.claim(None, 0.0) is None


@pytest.mark.parametrize(
    ("segments", "body", "why"),
    [
        (("unknown", "status"), {"connection_id": ID, "status": "connected"}, "no call of this session"),
        (("call", "done", 7), {"connection_id": ID}, "no command 7"),
        (("call", "dance"), {}, "no callback has this address"),
        (("call", "done", "x"), {}, "no callback has this address"),
        (("call", "status"), {"account_id": "other", "status": "connected"}, "another account"),
        (("call", "status"), {"unknown": 1}, "names no connection"),
        (("call", "status"), [1, 2], "not a JSON object"),
        (("call", "status"), b"\xff\xfe", "not a JSON object"),
        (("call", "status"), b"[" * 100_000, "not a JSON object"),
        (("call", "status"), b"", "not a JSON object"),
        (("incoming",), {"connection": {"status": "connected"}}, "names no connection"),
    ],
)
def test_an_unmatched_callback_is_logged_with_the_reason(
    receiver: LogReceiver, segments: tuple[object, ...], body: object, why: str
) -> None:
    """The response is 200 all the same."""
    receiver.log.open("call")
    assert post(receiver.address(*segments), body).status_code == 200
    assert why in receiver.log.unmatched[-1].unmatched


def test_a_body_over_the_limit_is_refused_and_logged(receiver: LogReceiver) -> None:
    """The limit is one megabyte."""
    answer = post(receiver.address("call", "status"), b"x" * (LARGEST_BODY + 1))
    assert answer.status_code == 413
    assert "too large" in receiver.log.unmatched[-1].unmatched


@pytest.mark.parametrize("path", ["/", "/call/status", f"/{'u' * 24}/call/status"])
def test_a_url_without_the_secret_is_not_found(receiver: LogReceiver, path: str) -> None:
    """A stranger cannot report a callback."""
    inbox = receiver.log.open("call")
    address = receiver.address("").partition("/tttt")[0] + path
    assert post(address, {"connection_id": ID, "status": "finished"}).status_code == 404
    assert inbox.connection.status == ""


def test_the_secret_of_the_urls_is_not_shown(receiver: LogReceiver) -> None:
    """Log and timeline do not contain it."""
    inbox = receiver.log.open("call")
    body = {"connection_id": ID, "status": "connected", "status_url": receiver.address("call", "status")}
    post(receiver.address("call", "status"), body)
    post(receiver.address("x", "y", "z"), body)
    text = f"{receiver.log.callbacks} {inbox.timeline}"
    assert "t" * 24 not in text
    assert "[secret]" in text


def test_each_session_has_another_secret() -> None:
    """It is long and random."""
    listening = [bind("127.0.0.1", 0) for _ in range(2)]
    first, second = (Receiver(CallbackLog(), socket) for socket in listening)
    assert first.token != second.token
    assert len(first.token) >= 32
    for socket in listening:
        socket.close()


def test_the_receiver_listens_on_loopback_by_default() -> None:
    """It binds 127.0.0.1."""
    listening = bind("127.0.0.1", 0)
    assert Receiver(CallbackLog(), listening).address("x").startswith("http://127.0.0.1:")
    listening.close()


def test_callback_urls_begin_with_the_public_url(background: LoopThread) -> None:
    """Including its path."""
    with receiving(background, public_url="https://qa.example/hook/") as receiver:
        assert receiver.address("call", "done", 3) == f"https://qa.example/hook/{'t' * 24}/call/done/3"


def test_repeated_callbacks_have_no_effect(receiver: LogReceiver) -> None:
    """The first answer of a command counts."""
    inbox = receiver.log.open("call")
    inbox.commands[1] = "GetDigits"
    for digits in ("12", "12", "34"):
        post(receiver.address("call", "done", 1), {"connection_id": ID, "digits": digits})
    assert inbox.answers[1]["digits"] == "12"
    assert len(receiver.log.callbacks) == 3


def test_concurrent_callbacks_are_logged_in_one_order(receiver: LogReceiver) -> None:
    """Numbers have no gaps, and times never decrease."""
    inbox = receiver.log.open("call")
    inbox.commands.update(dict.fromkeys(range(100), "Say"))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: post(receiver.address("call", "done", n), {"connection_id": ID}), range(100)))
    received = receiver.log.callbacks
    assert [callback.number for callback in received] == list(range(1, 101))
    assert [callback.at for callback in received] == sorted(callback.at for callback in received)
    assert len(inbox.answers) == 100


@pytest.mark.parametrize("name", ["event_type", "type"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("kind", ["transcript", "ended", "scan", "talk_time", "topic"])
def test_an_event_is_accepted_in_each_documented_form(
    receiver: LogReceiver, name: str, nested: bool, kind: str
) -> None:
    """The pages disagree on event_type and type, and on an event field. Unknown events keep their fields."""
    inbox = receiver.log.open("call")
    inbox.commands[1] = "JoinConference"
    fields = {name: kind, "transcript": "please hold", "key": "hold", "emotion": {"sem_v0": [0.1, 0.8, 0.1]}}
    body = {"conversation_id": "c", "event": fields} if nested else {"conversation_id": "c", **fields}
    post(receiver.address("call", "event", 1), body)
    [event] = inbox.events[1]
    assert (event.type, event.conversation_id, event.transcript) == (kind, "c", "please hold")
    assert event.fields["key"] == "hold"
    assert event.fields["emotion"] == {"sem_v0": [0.1, 0.8, 0.1]}


def test_an_invalid_sample_of_the_documentation_is_logged(receiver: LogReceiver) -> None:
    """Two samples lack a comma or have one too many."""
    receiver.log.open("call")
    post(receiver.address("call", "status"), b'{"to": "webrtc:jimmy" "direction": "incoming"}')
    assert receiver.log.unmatched[-1].unmatched == "it is not a JSON object"
    assert "webrtc:jimmy" in str(receiver.log.unmatched[-1])


@pytest.mark.parametrize("prefix", ["hook", "a/b/c"])
def test_a_proxy_may_prefix_the_path(receiver: LogReceiver, prefix: str) -> None:
    """Some proxies remove their prefix, and some do not."""
    inbox = receiver.log.open("call")
    address = receiver.address("call", "status").replace(f"/{'t' * 24}", f"/{prefix}/{'t' * 24}")
    assert post(address, {"connection_id": ID, "status": "connected"}).status_code == 200
    assert inbox.connection.status == "connected"


def test_control_characters_in_callbacks_are_escaped(receiver: LogReceiver) -> None:
    """A callback is text from a stranger."""
    inbox = receiver.log.open("call")
    post(receiver.address("call", "status"), {"connection_id": "\x1b[2J", "status": "connected", "x": "\x07\ud800"})
    texts = [str(receiver.log.callbacks[-1]), str(inbox.timeline), inbox.connection.connection_id]
    assert all(text.isprintable() for text in texts)
