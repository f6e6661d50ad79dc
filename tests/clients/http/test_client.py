from __future__ import annotations

import base64
import datetime as dt
import json
import random
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.http import (
    TEXT_LIMIT,
    Bearer,
    HttpClient,
    Response,
    Timeouts,
    Timing,
    complaint,
    error_text,
    one_line,
    origin,
    retry_after,
)
from pytest_sipfront.errors import (
    AuthenticationFailed,
    ConfigurationError,
    CrossOriginURL,
    DetailedError,
    InvalidResponse,
    NotFound,
    PlatformBusy,
    PlatformUnavailable,
    RequestRefused,
    SipfrontError,
)
from pytest_sipfront.secret import Secret
from tests.support import (
    CLOSE,
    HANG,
    NOON,
    PUBLIC_KEY,
    RESET,
    SECRET_KEY,
    FakeTime,
    Received,
    Reply,
    Server,
    TlsFiles,
    credentials,
    plain_environment,
    refusing_port,
    silent_port,
    talk,
    tls_files,
)

OURS = "Basic " + base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
FINE = Reply(body={"fine": True})
BUSY = Reply(status=503)
BODY = {"test.name": "Basic call"}
REFUSED = f"422 {HTTPStatus(422).phrase}"  # which Python 3.13 words anew
QUICK = Timeouts(read=0.2, retry=0)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def _files() -> Iterator[TlsFiles]:
    with tls_files() as files:
        yield files


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, _files: TlsFiles) -> None:
    plain_environment(monkeypatch)
    monkeypatch.setenv("SSL_CERT_FILE", str(_files.authority))  # read faster than the default hundred


@pytest.fixture
def tls(_files: TlsFiles, monkeypatch: pytest.MonkeyPatch) -> TlsFiles:
    """Certificates that are trusted only by who is told to."""
    monkeypatch.delenv("SSL_CERT_FILE")
    return _files


def whole(answer: Response) -> Any:
    return answer.data


def getting(url: str = "/x", **options: Any) -> Callable[[HttpClient], Awaitable[Any]]:
    return lambda http: http.get(url, whole, **options)


def posting(**options: Any) -> Callable[[HttpClient], Awaitable[Response]]:
    return lambda http: http.post("/x", BODY, **options)


def all_text(error: DetailedError) -> str:
    return f"{error} {error!r} {dict(error.evidence)} {error.hint}"


# ---- origin -----------------------------------------------------------------------------------------------------


def test_credentials_go_to_the_own_origin_with_the_first_request() -> None:
    """Basic authentication is sent pre-emptively, as the API asks for."""
    with Server(FINE) as server:
        assert talk(server.url, getting()) == {"fine": True}
    assert [r.headers["authorization"] for r in server.requests] == [OURS]


@pytest.mark.parametrize(
    "foreign",
    [
        "http://127.0.0.1:{other}/x",
        "http://localhost:{own}/x",
        "https://127.0.0.1:{own}/x",
        "http://127.0.0.1:{own}@127.0.0.1:{other}/x",
        "http://127.0.0.1:{other}\\@127.0.0.1:{own}.evil.example/x",
        "http://127.0.0.1/x",
        "ftp://127.0.0.1:{own}/x",
        "http://127.0.0.1:{own}:1/x",
        "http://127.0.0.1:none/x",
        "http://[127.0.0.1/x",
        "http:/x",
        "x",
        "",
    ],
)
def test_a_foreign_url_is_refused_before_anything_is_sent(foreign: str) -> None:
    """No connection is opened and no credentials leave: the origin is compared before the request is built."""
    with Server(FINE) as own, Server(FINE) as other:
        url = foreign.format(own=own.port, other=other.port)
        with pytest.raises(CrossOriginURL, match="no credentials sent") as caught:
            talk(own.url, getting(url))
        assert own.url in str(caught.value)
        assert (own.connections, other.connections) == (0, 0)


def test_a_plain_http_url_is_refused_where_the_base_is_https(tls: TlsFiles) -> None:
    """Over http, credentials would be readable on the way."""
    with Server(FINE, tls=(tls.certificate, tls.key)) as server, pytest.raises(CrossOriginURL):
        talk(server.url, getting(server.url.replace("https", "http")), ca_bundle=str(tls.authority))
    assert server.connections == 0


@pytest.mark.parametrize("base", ["https://app.sipfront.com", "HTTPS://App.Sipfront.Com:443/"])
@pytest.mark.parametrize(
    "url",
    [
        "https://app.sipfront.com/x",
        "https://APP.SIPFRONT.COM/x",
        "https://app.sipfront.com:443/x",
        "HTTPS://app.sipfront.com/x",
        "https://anybody:anything@app.sipfront.com/x",
    ],
)
def test_case_and_default_port_make_no_other_origin(base: str, url: str) -> None:
    """A host's case and a scheme's own port say nothing."""

    async def resolve(http: HttpClient) -> str:
        return http.resolve(url)

    assert talk(base, resolve) == url


@pytest.mark.parametrize("url", ["/a/b?c=d", "//127.0.0.1:9/a"])
def test_a_path_is_asked_of_the_own_origin(url: str) -> None:
    """A `status_url` may be a path; two slashes at its head do not lead to another host."""
    with Server(FINE) as server:
        talk(server.url + "/", getting(url))
    assert [r.target.lstrip("/") for r in server.requests] == [url.lstrip("/")]


@given(
    url=st.one_of(
        st.text(),
        st.builds(
            "".join, st.lists(st.sampled_from([*"https:/@\\?#.[]%\t\n 0", "app.sipfront.com", "evil.example", ":443"]))
        ),
        st.text().map(lambda tail: f"https://app.sipfront.com{tail}"),
    )
)
def test_what_is_accepted_leads_to_the_base_by_the_http_library_s_own_reading(url: str) -> None:
    """Two parsers of URLs may disagree, and then credentials would leave."""

    async def resolve(http: HttpClient) -> str:
        return http.resolve(url)

    try:
        absolute = talk("https://app.sipfront.com", resolve)
        read = httpx.URL(absolute)
    except (CrossOriginURL, httpx.InvalidURL):
        return
    assert (read.scheme, read.host, read.port) == ("https", "app.sipfront.com", None)


def test_a_user_in_the_url_is_neither_sent_nor_shown() -> None:
    """Credentials come from the settings alone."""
    with Server(Reply(status=422)) as server:
        url = f"http://someone:hidden@127.0.0.1:{server.port}/x"
        with pytest.raises(RequestRefused) as caught:
            talk(server.url, getting(url))
    assert [r.headers["authorization"] for r in server.requests] == [OURS]
    assert "hidden" not in all_text(caught.value)


def test_a_refused_url_is_shown_without_its_user() -> None:
    """A URL with a password in it goes into reports otherwise."""
    with pytest.raises(CrossOriginURL) as caught:
        talk("https://app.sipfront.com", getting("https://someone:hidden@evil.example/x"))
    assert "hidden" not in all_text(caught.value)
    assert "evil.example" in str(caught.value)


@pytest.mark.parametrize("url", ["", "x", "ftp://host/", "http://", "http://host:99999/"])
def test_a_url_without_an_origin_is_a_value_error(url: str) -> None:
    """Whoever asks decides what that means."""
    with pytest.raises(ValueError, match=r"."):
        origin(url)


@pytest.mark.parametrize(
    "tail",
    ["\x01", "\x7f", "a\nb", "a\tb", "\ud800", "x" * 70_000],
    ids=["control", "del", "line", "tab", "half", "long"],
)
def test_a_url_that_cannot_be_sent_is_refused_on_one_bounded_line(tail: str) -> None:
    """A `status_url` comes from outside: whatever it holds, it ends in an error of ours."""
    with Server(FINE) as server, pytest.raises(CrossOriginURL) as caught:
        talk(server.url, getting(f"{server.url}/{tail}"))
    assert server.connections == 0
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2 * TEXT_LIMIT


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("use", [getting(), posting()], ids=["GET", "POST"])
def test_a_redirect_is_not_followed(status: int, use: Callable[[HttpClient], Awaitable[Any]]) -> None:
    """Neither elsewhere, where credentials would go, nor within the origin, where a launch would be repeated."""
    with Server(FINE) as elsewhere:
        location = f"http://someone:hidden@127.0.0.1:{elsewhere.port}/y"
        with Server(Reply(status=status, headers={"Location": location})) as server:
            with pytest.raises(RequestRefused, match=f"redirects \\({status}\\)") as caught:
                talk(server.url, use)
            assert len(server.requests) == 1
        assert elsewhere.connections == 0
    assert "hidden" not in all_text(caught.value)
    assert str(elsewhere.port) in str(caught.value)


# ---- GET --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_get_is_tried_again_while_the_platform_fails(status: int) -> None:
    """A question has no effect, so it may be asked again."""
    time = FakeTime()
    with Server(Reply(status=status), Reply(status=status), FINE) as server:
        assert talk(server.url, getting(), time=time) == {"fine": True}
    assert len(server.requests) == 3
    assert time.sleeps == [0.5, 1.0]


@pytest.mark.parametrize("broken", [RESET, CLOSE, HANG], ids=["reset", "closed", "silent"])
def test_a_get_is_tried_again_after_a_broken_connection(broken: Reply) -> None:
    """A reset, an early end and a read timeout may pass."""
    with Server(broken, FINE) as server:
        assert talk(server.url, getting(), limits=Timeouts(read=0.2)) == {"fine": True}
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=400), RequestRefused),
        (Reply(status=401), AuthenticationFailed),
        (Reply(status=403), AuthenticationFailed),
        (Reply(status=404), NotFound),
        (Reply(status=409), RequestRefused),
        (Reply(status=422), RequestRefused),
        (Reply(body="no JSON"), InvalidResponse),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Reply) else "",
)
def test_what_trying_again_cannot_mend_is_raised_at_once(reply: Reply, error: type[SipfrontError]) -> None:
    """Each cause has its class, and costs one request."""
    time = FakeTime()
    with Server(reply) as server, pytest.raises(error) as caught:
        talk(server.url, getting(), time=time)
    assert type(caught.value) is error
    assert (len(server.requests), time.sleeps) == (1, [])


@pytest.mark.parametrize(
    ("random", "factor"), [(0.0, 1.0), (1.0, 0.5), (0.5, 0.75)], ids=["longest", "shortest", "middle"]
)
def test_waits_grow_exponentially_with_jitter_within_the_budget(random: float, factor: float) -> None:
    """Up to half of each wait is taken off at random; the last attempt begins within `retry` seconds."""
    time = FakeTime(random=random)
    with Server(BUSY) as server, pytest.raises(PlatformBusy) as caught:
        talk(server.url, getting(), time=time, limits=Timeouts(retry=27 * factor))
    assert time.sleeps == [factor * wait for wait in (0.5, 1.0, 2.0, 4.0, 8.0, 10.0)[: len(time.sleeps)]]
    assert sum(time.sleeps) == 25.5 * factor
    assert len(server.requests) == 7
    assert caught.value.evidence["attempts"] == f"7 in {25.5 * factor:.1f} s"


def test_an_error_of_a_single_attempt_counts_no_attempts() -> None:
    """Evidence names only what happened."""
    with Server(BUSY) as server, pytest.raises(PlatformBusy) as caught:
        talk(server.url, getting(), limits=Timeouts(retry=0))
    assert len(server.requests) == 1
    assert "attempts" not in caught.value.evidence


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("Thu, 15 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 15 Jan 2026 11:59:30 GMT", 0.0),
        ("soon", 0.5),
        ("", 0.5),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_taken_as_seconds_or_as_a_date(header: str, wait: float, status: int) -> None:
    """The server's own hint wins over the exponential wait; what is no hint does not."""
    time = FakeTime()
    with Server(Reply(status=status, headers={"Retry-After": header}), FINE) as server:
        talk(server.url, getting(), time=time)
    assert time.sleeps == [wait]


@given(header=st.text() | st.floats().map(str) | st.datetimes().map(lambda d: f"{d:%a, %d %b %Y %H:%M:%S GMT}"))
def test_retry_after_of_any_text_is_nothing_or_a_number_of_seconds(header: str) -> None:
    """A server's nonsense must neither raise nor become a wait that is no number."""
    wait = retry_after(header, NOON)
    assert wait is None or wait >= 0


def test_retry_after_of_a_date_without_a_zone_is_utc() -> None:
    """HTTP dates are UTC by definition; `-0000` makes Python's parser leave the zone away."""
    assert retry_after("Thu, 15 Jan 2026 12:01:00 -0000", NOON) == 60.0
    assert retry_after(None, dt.datetime.now(dt.UTC)) is None


def test_no_wait_leads_past_the_deadline() -> None:
    """A run's deadline ends its questions: no attempt begins after it."""
    time = FakeTime()
    with Server(BUSY) as server, pytest.raises(PlatformBusy):
        talk(server.url, getting(deadline=time.start + 4), time=time)
    assert time.sleeps == [0.5, 1.0, 2.0]
    assert time.seconds <= time.start + 4


def test_a_hint_beyond_the_deadline_is_not_waited_for() -> None:
    """The error comes at once, with time left to say so."""
    time = FakeTime()
    with Server(Reply(status=503, headers={"Retry-After": "11"})) as server, pytest.raises(PlatformBusy) as caught:
        talk(server.url, getting(deadline=time.start + 10), time=time)
    assert (len(server.requests), time.sleeps, caught.value.retry_after) == (1, [], 11.0)


def test_a_hint_within_the_deadline_is_waited_for_beyond_the_budget() -> None:
    """A platform that says when to come back is at work."""
    time = FakeTime()
    with Server(Reply(status=503, headers={"Retry-After": "200"}), FINE) as server:
        talk(server.url, getting(deadline=time.start + 900), time=time, limits=Timeouts(retry=60))
    assert time.sleeps == [200.0]


def test_a_hint_beyond_the_budget_is_not_waited_for_without_a_deadline() -> None:
    """A server cannot make a session hang for a day."""
    time = FakeTime()
    with Server(Reply(status=429, headers={"Retry-After": "86400"})) as server, pytest.raises(PlatformBusy):
        talk(server.url, getting(), time=time, limits=Timeouts(retry=60))
    assert (len(server.requests), time.sleeps) == (1, [])


def test_a_silent_server_is_left_at_the_deadline() -> None:
    """The read timeout may be longer than what is left of the run's time."""
    time = FakeTime()
    with Server(HANG) as server, pytest.raises(PlatformUnavailable, match="no answer by the run's deadline"):
        talk(server.url, getting(deadline=time.start + 0.2), time=time)
    assert len(server.requests) == 1


def test_other_errors_are_tried_again_where_the_caller_is_patient() -> None:
    """A status may be unreadable for a moment, or not yet known everywhere."""
    with Server(Reply(status=404), Reply(body="no JSON"), FINE) as server:
        assert talk(server.url, getting(patience=(NotFound, InvalidResponse))) == {"fine": True}
    assert len(server.requests) == 3


def test_an_unreachable_service_is_an_error_with_host_and_cause() -> None:
    """The reader needs to know whom we tried to reach, and what the machine said."""
    with refusing_port() as port, pytest.raises(PlatformUnavailable, match=r"127\.0\.0\.1\) cannot be reached") as it:
        talk(f"http://127.0.0.1:{port}", getting(), limits=QUICK)
    assert it.value.arrived is False
    assert it.value.evidence["request"] == f"GET http://127.0.0.1:{port}/x"


def test_questions_share_a_connection_and_launches_never_do() -> None:
    """A kept connection may be closed just as a launch goes out, and then nobody knows whether it arrived."""

    async def all_of_them(http: HttpClient) -> None:
        await http.get("/a", whole)
        await http.get("/b", whole)
        await http.post("/c", BODY)
        await http.post("/d", BODY)

    with Server(FINE) as server:
        talk(server.url, all_of_them)
    numbers = [r.connection for r in server.requests]
    assert numbers[0] == numbers[1]
    assert len(set(numbers[1:])) == 3


class _Slow(Server):
    """Takes its time with every answer."""

    def received(self, request: Received) -> Reply:
        time.sleep(0.1)
        return super().received(request)


def test_waiting_for_a_free_connection_is_not_held_against_the_platform() -> None:
    """Of fifty launches at once the last waits longer than the platform has for an answer."""

    async def all_of_them(http: HttpClient) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(http.post, "/x", BODY)

    with _Slow(FINE) as server:
        talk(server.url, all_of_them, limits=Timeouts(read=0.35, retry=0))
    assert len(server.requests) == 50


# ---- POST -------------------------------------------------------------------------------------------------------

RETRIED_ONCE = Timeouts(connect=0.1, read=0.2, retry=1)


def _never_arrived(url: str, **options: Any) -> PlatformUnavailable:
    """The error of a POST that was tried twice, as the waits between attempts tell."""
    time = FakeTime()
    with pytest.raises(PlatformUnavailable) as caught:
        talk(url, posting(), time=time, limits=RETRIED_ONCE, **options)
    assert caught.value.arrived is False
    assert time.sleeps == [0.5]
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_refused_launch_connection_is_tried_again(host: str) -> None:
    """Nobody listened, so nothing was started; the cause is the operating system's, also where several were tried."""
    with refusing_port() as port:
        assert "Connection refused" in str(_never_arrived(f"http://{host}:{port}"))


def test_a_launch_to_an_unknown_host_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server may be away for a moment, and nothing was started."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = _never_arrived("http://platform.invalid")
    assert "platform.invalid" in str(error)
    assert "not known" in str(error)


def test_a_launch_connection_that_takes_too_long_is_tried_again() -> None:
    """Without a connection nothing was sent."""
    with silent_port() as port:
        assert "Timeout" in str(_never_arrived(f"http://127.0.0.1:{port}"))


def test_a_launch_without_a_tls_connection_is_tried_again(tls: TlsFiles) -> None:
    """Neither a server without TLS nor one with a certificate of nobody's gets to see the request."""
    with Server(FINE) as server:
        _never_arrived(server.url.replace("http", "https"))
    assert server.requests == []
    with Server(FINE, tls=(tls.certificate, tls.key)) as server:
        error = _never_arrived(server.url)
    assert server.requests == []
    assert "certificate" in str(error).lower()


@pytest.mark.parametrize("status", [429, 503])
def test_a_launch_that_was_refused_for_now_is_sent_again(status: int) -> None:
    """The platform plainly said that it started nothing, and when to come back."""
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
        Reply(headers={"Content-Encoding": "gzip"}, body="not gzip"),
    ],
    ids=lambda reply: reply.act if reply.act != "answer" else str(reply.status),
)
def test_a_launch_that_may_have_arrived_is_never_sent_again(reply: Reply) -> None:
    """A call cannot be unplaced: one request reaches the server, whatever time there would be for another."""
    time = FakeTime()
    with Server(reply, FINE) as server, pytest.raises(PlatformUnavailable) as caught:
        talk(server.url, posting(), time=time, limits=Timeouts(read=0.2, retry=600))
    assert caught.value.arrived is True
    assert (len(server.requests), time.sleeps) == (1, [])


def test_a_launch_that_breaks_at_its_second_attempt_is_not_sent_a_third_time() -> None:
    """Each attempt is judged by itself."""
    with Server(BUSY, RESET, FINE) as server, pytest.raises(PlatformUnavailable) as caught:
        talk(server.url, posting())
    assert caught.value.arrived is True
    assert len(server.requests) == 2


def test_a_launch_whose_answer_cannot_be_read_is_not_sent_again() -> None:
    """It was answered, so it was received."""
    with Server(Reply(body="<html>"), FINE) as server, pytest.raises(InvalidResponse):
        talk(server.url, posting())
    assert len(server.requests) == 1


def test_a_body_goes_out_as_json_or_as_a_form() -> None:
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
    """Nobody knows what it does, so nobody knows whether it may be repeated."""
    with Server(BUSY) as server, pytest.raises(PlatformBusy):
        talk(server.url, lambda http: http.request("PUT", "/x", body=[1], params={"a": "b c"}))
    (request,) = server.requests
    assert (request.method, request.target, json.loads(request.body)) == ("PUT", "/x?a=b+c", [1])
    assert request.headers["authorization"] == OURS


# ---- what errors say --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": "Test run denied"}, "Test run denied"),
        ({"description": "No agents"}, "No agents"),
        ({"message": "Bad name"}, "Bad name"),
        ({"message": "third", "description": "second", "error": "first"}, "first"),
        ({"error": "", "description": None, "message": "what is left"}, "what is left"),
        ({"error": {"code": 7, "message": "nested"}}, "nested"),
        ({"error": True, "message": "beside a flag"}, "beside a flag"),
        ("plain text", "plain text"),
        ('"a JSON text"', "a JSON text"),
        ("two\n  lines\tand a tab\r\n", "two lines and a tab"),
        ("<html><head><TITLE class='x'>\n502 Bad Gateway </TITLE></head></html>", "titled '502 Bad Gateway'"),
        ("<h1>Back <b>soon</b></h1>", "Back soon"),
    ],
)
def test_an_error_says_what_the_platform_says(body: Any, text: str) -> None:
    """`error`, `description`, `message`, nested, a plain text or a page: on one line, with the HTTP status."""
    with Server(Reply(status=422, body=body)) as server, pytest.raises(RequestRefused) as caught:
        talk(server.url, getting())
    assert text in str(caught.value)
    assert f"({REFUSED})" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.evidence["answer"] == REFUSED


@pytest.mark.parametrize("body", ["", {}, [], "null", "7", "[1, 2]", {"error": 3}], ids=repr)
def test_an_error_without_words_says_its_http_status(body: Any) -> None:
    """Nothing is invented where the platform says nothing."""
    with Server(Reply(status=422, body=body)) as server, pytest.raises(RequestRefused) as caught:
        talk(server.url, getting())
    assert str(caught.value) == f"Sipfront refused: {REFUSED}"


@pytest.mark.parametrize("body", ["x " * 5000, {"error": "x " * 5000}, f"<title>{'x ' * 5000}</title>"])
def test_an_error_s_text_is_bounded(body: Any) -> None:
    """A page of a gateway must not fill a report."""
    with Server(Reply(status=400, body=body)) as server, pytest.raises(RequestRefused) as caught:
        talk(server.url, getting())
    assert "…" in str(caught.value)
    assert len(str(caught.value)) < TEXT_LIMIT + 60


@given(body=st.text() | JSON.map(json.dumps))
def test_error_text_of_any_body_is_one_bounded_line(body: str) -> None:
    """Whatever a server sends, reading its complaint raises nothing."""
    text = error_text(body)
    assert "\n" not in text
    assert len(text) <= TEXT_LIMIT


@given(data=JSON)
def test_complaint_of_any_data_is_one_bounded_line(data: Any) -> None:
    """Whatever parsed JSON comes, reading its complaint raises nothing."""
    text = complaint(data)
    assert text == one_line(text)
    assert len(text) <= TEXT_LIMIT


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(body="<title>Maintenance</title>", content_type="text/html"), "an HTML page titled 'Maintenance'"),
        (Reply(body="soon"), "soon"),
        (Reply(body=""), "nothing"),
        (Reply(body=b"\xff\xfe{", content_type="application/json"), "�"),
    ],
)
def test_a_2xx_answer_that_is_no_json_says_what_came_instead(reply: Reply, said: str) -> None:
    """A proxy's page with status 200 is no answer of the platform."""
    with Server(reply) as server, pytest.raises(InvalidResponse) as caught:
        talk(server.url, getting())
    assert said in str(caught.value)
    assert (reply.content_type or "text/plain") in str(caught.value)


@pytest.mark.parametrize("echo", [SECRET_KEY, OURS, OURS.removeprefix("Basic ")], ids=["key", "header", "pair"])
@pytest.mark.parametrize(
    ("status", "as_json"),
    [(200, False), *((status, as_json) for status in (400, 401, 404, 429, 500, 503) for as_json in (False, True))],
)
def test_an_echoed_secret_is_not_shown(echo: str, status: int, as_json: bool) -> None:
    """Servers repeat headers in their error pages; the key is taken out in plain and in the header's form."""
    text = f"you sent {echo}!"
    body = {"error": {"message": text}} if as_json else text
    with Server(Reply(status=status, body=body)) as server, pytest.raises(SipfrontError) as caught:
        talk(server.url, getting(), limits=QUICK)
    assert "[secret]!" in str(caught.value)
    assert SECRET_KEY not in all_text(caught.value)
    assert OURS.removeprefix("Basic ") not in all_text(caught.value)


def test_an_echo_in_a_good_answer_is_scrubbed_wherever_it_stands() -> None:
    """What a run says of itself ends up in reports; numbers and everything else stay as they are."""
    body = {"run": {"result_description": f"bad key {SECRET_KEY}", "tags": [OURS, 7]}, "status": 200, "none": None}
    with Server(Reply(body=body)) as server:
        data = talk(server.url, getting())
    assert data == {
        "run": {"result_description": "bad key [secret]", "tags": ["Basic [secret]", 7]},
        "status": 200,
        "none": None,
    }


def test_a_secret_at_the_edge_of_a_long_text_is_not_shown_in_half() -> None:
    """Scrubbing comes before cutting."""
    reply = Reply(status=400, body="x" * (TEXT_LIMIT - 12) + SECRET_KEY)
    with Server(reply) as server, pytest.raises(RequestRefused) as caught:
        talk(server.url, getting())
    assert SECRET_KEY[:8] not in all_text(caught.value)


def test_a_secret_in_json_escapes_is_not_shown() -> None:
    """Scrubbing comes after decoding, too."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in SECRET_KEY)
    reply = Reply(status=400, body=f'{{"error": "{escaped}"}}')
    with Server(reply) as server, pytest.raises(RequestRefused, match=r"refused: \[secret\] \("):
        talk(server.url, getting())


@pytest.mark.parametrize(("status", "error"), [(200, InvalidResponse), (422, RequestRefused)])
def test_json_too_deep_to_be_read_is_an_error_of_ours(status: int, error: type[SipfrontError]) -> None:
    """A hostile body must not end in a RecursionError."""
    with Server(Reply(status=status, body="[" * 100_000)) as server, pytest.raises(error):
        talk(server.url, getting())


def test_an_error_keeps_no_frames_and_no_cause_of_the_http_library() -> None:
    """A traceback with httpx in it helps no test engineer, and its locals hold the header."""
    with refusing_port() as port, pytest.raises(PlatformUnavailable) as caught:
        talk(f"http://127.0.0.1:{port}", getting(), limits=QUICK)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_bearer_token_makes_its_header_and_is_scrubbed() -> None:
    """The second service authenticates by a token."""
    bearer = Bearer(Secret("token-1"))
    assert bearer.header() == "Bearer token-1"
    assert bearer.scrub("saw token-1") == "saw [secret]"


# ---- TLS and proxies --------------------------------------------------------------------------------------------


def test_a_ca_bundle_is_trusted(tls: TlsFiles) -> None:
    """Companies have authorities of their own."""
    with Server(FINE, tls=(tls.certificate, tls.key)) as server:
        assert talk(server.url, getting(), ca_bundle=str(tls.authority)) == {"fine": True}


def test_an_unknown_authority_is_not_trusted(tls: TlsFiles) -> None:
    """No request leaves without a verified certificate."""
    with Server(FINE, tls=(tls.certificate, tls.key)) as server, pytest.raises(PlatformUnavailable) as caught:
        talk(server.url, getting(), limits=QUICK)
    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value)
    assert "--sipfront-ca-bundle" in caught.value.hint
    assert server.requests == []


def test_authorities_are_taken_from_the_environment_unless_told_otherwise(
    tls: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SSL_CERT_FILE` is where many machines name them."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
    with Server(FINE, tls=(tls.certificate, tls.key)) as server:
        assert talk(server.url, getting()) == {"fine": True}
        with pytest.raises(PlatformUnavailable):
            talk(server.url, getting(), limits=QUICK, trust_env=False)


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI often reaches the outside through a proxy only."""
    with Server(FINE) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert talk("http://platform.invalid", getting()) == {"fine": True}
        talk("http://platform.invalid", posting())
    assert [r.target for r in proxy.requests] == ["http://platform.invalid/x"] * 2


def test_a_proxy_for_https_is_asked_for_a_tunnel_and_shown_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the platform is shown goes through the tunnel; a refused tunnel carried nothing."""
    with Server(Reply(status=502)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        _never_arrived("https://platform.invalid")
    assert [(r.method, r.target) for r in proxy.requests] == [("CONNECT", "platform.invalid:443")] * 2
    assert not any("authorization" in r.headers for r in proxy.requests)


def test_proxies_are_ignored_where_the_environment_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant for the lab stays on this machine."""
    with Server(FINE) as proxy, Server(FINE) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        talk(server.url, getting(), trust_env=False)
        talk(server.url, posting(), trust_env=False)
    assert (proxy.connections, len(server.requests)) == (0, 2)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_an_unreachable_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nobody looks at the proxy while the error speaks of the platform."""
    with refusing_port() as port:
        monkeypatch.setenv(name, f"http://me:hunter2@127.0.0.1:{port}")
        with pytest.raises(PlatformUnavailable) as caught:
            talk("http://platform.invalid", getting(), limits=QUICK)
    assert caught.value.evidence["proxy"] == f"http://127.0.0.1:{port}"
    assert "NO_PROXY" in caught.value.hint
    assert "hunter2" not in all_text(caught.value)


def test_a_proxy_that_is_not_in_between_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither another scheme's proxy, nor one that NO_PROXY leaves out, nor any before the lab."""
    with refusing_port() as port:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        for excluded, trust_env in (("", True), ("127.0.0.1", True), ("", False)):
            monkeypatch.setenv("NO_PROXY", excluded)
            if excluded or not trust_env:
                monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
            with pytest.raises(PlatformUnavailable) as caught:
                talk(f"http://127.0.0.1:{port}", getting(), limits=QUICK, trust_env=trust_env)
            assert "proxy" not in caught.value.evidence


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("HTTPS_PROXY", "ftp://me:hunter2@127.0.0.1:9", "Unknown scheme"),
        ("ALL_PROXY", "http://127.0.0.1:port", "Invalid port"),
        ("NO_PROXY", "[::1", "Invalid"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "No such file"),
    ],
)
def test_an_environment_that_cannot_be_used_is_a_mistake_in_the_configuration(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    """The variable and what is wrong with it, instead of a traceback through the HTTP library."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        talk("https://platform.invalid", getting())
    assert told in str(caught.value)
    assert caught.value.evidence[name] == value.replace("me:hunter2@", "")
    assert "hunter2" not in all_text(caught.value)


def test_a_ca_bundle_that_is_none_any_more_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    """It was there when the settings were read."""
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        talk("https://platform.invalid", getting(), ca_bundle=str(tmp_path / "gone.pem"))
    assert "sipfront_ca_bundle" in caught.value.hint


def test_waiting_does_not_touch_the_suites_random_numbers() -> None:
    """A seed is the suite's own: it makes no two workers wait alike, and no wait moves its sequence."""
    random.seed(7)
    expected = random.random()
    random.seed(7)
    assert {Timing().random() for _ in range(3)} != {expected}
    assert random.random() == expected


def test_the_credentials_of_the_tests_are_what_the_tests_look_for() -> None:
    """Guards the searches above against a helper that changed."""
    assert credentials().header() == OURS
