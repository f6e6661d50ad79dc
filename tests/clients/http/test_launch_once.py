from __future__ import annotations

import json
import socket
import time

import anyio
import pytest

from pytest_sipfront.clients.http import HttpClient, Timeouts
from pytest_sipfront.errors import InvalidResponse, PlatformBusy, PlatformUnavailable
from tests.clients.http.conftest import AUTHORIZATION, BODY, BUSY, FINE, data_of, post_that_never_arrives, posting
from tests.support import (
    CLOSE,
    HANG,
    RESET,
    FakeTime,
    Received,
    Reply,
    Server,
    TlsFiles,
    refusing_port,
    silent_port,
    talk,
)


def test_gets_share_a_connection_and_posts_open_one_each() -> None:
    """If the server closes an idle connection while a launch is sent, it is unknown whether the launch arrived."""

    async def several(http: HttpClient) -> None:
        await http.get("/a", data_of)
        await http.get("/b", data_of)
        await http.post("/c", BODY)
        await http.post("/d", BODY)

    with Server(FINE) as server:
        talk(server.url, several)
    numbers = [r.connection for r in server.requests]
    assert numbers[0] == numbers[1]
    assert len(set(numbers[1:])) == 3


class _Slow(Server):
    """Answers after 0.1 s."""

    def received(self, request: Received) -> Reply:
        time.sleep(0.1)
        return super().received(request)


def test_waiting_for_a_free_connection_does_not_count_as_read_timeout() -> None:
    """The last of fifty concurrent launches waits longer than the read timeout for its connection."""

    async def fifty(http: HttpClient) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(http.post, "/x", BODY)

    with _Slow(FINE) as server:
        talk(server.url, fifty, limits=Timeouts(read=0.35, retry=0))
    assert len(server.requests) == 50


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_launch_is_retried_after_a_refused_connection(host: str) -> None:
    """No run was started. The message holds the operating system's error, also if the host has several addresses."""
    with refusing_port() as port:
        assert "Connection refused" in str(post_that_never_arrives(f"http://{host}:{port}"))


def test_a_launch_is_retried_if_the_host_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server may fail for a moment, and no run was started."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = post_that_never_arrives("http://platform.invalid")
    assert "platform.invalid" in str(error)
    assert "not known" in str(error)


def test_a_launch_is_retried_after_a_connect_timeout() -> None:
    """The request was not sent."""
    with silent_port() as port:
        assert "Timeout" in str(post_that_never_arrives(f"http://127.0.0.1:{port}"))


def test_a_launch_is_retried_after_a_failed_tls_handshake(tls: TlsFiles) -> None:
    """A server without TLS or with an untrusted certificate does not receive the request."""
    with Server(FINE) as server:
        post_that_never_arrives(server.url.replace("http", "https"))
    assert server.requests == []
    with Server(FINE, tls=(tls.certificate, tls.key)) as server:
        error = post_that_never_arrives(server.url)
    assert server.requests == []
    assert "certificate" in str(error).lower()


@pytest.mark.parametrize("status", [429, 503])
def test_a_launch_is_retried_after_429_and_503(status: int) -> None:
    """The service says that no run was started, and when to come back."""
    time = FakeTime()
    with Server(Reply(status=status, headers={"Retry-After": "3"}), FINE) as server:
        assert talk(server.url, posting(), time=time).data == {"fine": True}
    assert [json.loads(r.body) for r in server.requests] == [BODY, BODY]
    assert time.sleeps == [3.0]


@pytest.mark.parametrize(
    "reply",
    [
        HANG,
        RESET,
        CLOSE,
        *(Reply(status=status) for status in (500, 501, 502, 504, 507, 520)),
    ],
    ids=lambda reply: reply.act if reply.act != "answer" else str(reply.status),
)
def test_a_launch_that_may_have_arrived_is_not_retried(reply: Reply) -> None:
    """A call cannot be undone, so the server receives one request however much retry time is left."""
    time = FakeTime()
    with Server(reply, FINE) as server, pytest.raises(PlatformUnavailable) as caught:
        talk(server.url, posting(), time=time, limits=Timeouts(read=0.2, retry=600))
    assert caught.value.arrived is True
    assert (len(server.requests), time.sleeps) == (1, [])


def test_a_retried_launch_that_breaks_is_not_retried_again() -> None:
    """The decision depends on the latest attempt."""
    with Server(BUSY, RESET, FINE) as server, pytest.raises(PlatformUnavailable) as caught:
        talk(server.url, posting())
    assert caught.value.arrived is True
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "reply",
    [Reply(body="<html>"), Reply(headers={"Content-Encoding": "gzip"}, body="not gzip")],
    ids=["html", "not gzip"],
)
def test_a_launch_with_an_unreadable_response_is_not_retried(reply: Reply) -> None:
    """The service received it."""
    with Server(reply, FINE) as server, pytest.raises(InvalidResponse):
        talk(server.url, posting())
    assert len(server.requests) == 1


def test_a_body_is_sent_as_json_or_as_a_form() -> None:
    """The API documents both encodings."""
    with Server(FINE) as server:
        talk(server.url, posting())
        talk(server.url, posting(form=True))
    as_json, as_form = server.requests
    assert (as_json.headers["content-type"], json.loads(as_json.body)) == ("application/json", BODY)
    assert (as_form.headers["content-type"], as_form.body) == (
        "application/x-www-form-urlencoded",
        b"test.name=Basic+call",
    )


def test_an_unpublished_request_is_sent_once() -> None:
    """Its effect is unknown, so repeating it may do harm."""
    with Server(BUSY) as server, pytest.raises(PlatformBusy):
        talk(server.url, lambda http: http.request("PUT", "/x", body=[1], params={"a": "b c"}))
    (request,) = server.requests
    assert (request.method, request.target, json.loads(request.body)) == ("PUT", "/x?a=b+c", [1])
    assert request.headers["authorization"] == AUTHORIZATION
