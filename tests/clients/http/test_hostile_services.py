"""Responses that are too large, too slow, malformed, or made to reach a terminal."""

from __future__ import annotations

import gzip
import json
import socketserver
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.http import Basic, Timeouts, clean
from pytest_sipfront.clients.http.timeouts import LONGEST_RETRY_AFTER, retry_after
from pytest_sipfront.clients.http.transport import BODY_LIMIT
from pytest_sipfront.clients.json_fields import MOST_NESTED, parse_json
from pytest_sipfront.errors import InvalidResponse, PlatformBusy, PlatformUnavailable, RequestRefused, SipfrontError
from pytest_sipfront.secret import Secret
from tests.clients.http.conftest import AUTHORIZATION, NO_RETRY, all_text, getting, posting
from tests.support import NOON, SECRET_KEY, FakeTime, Reply, Server, talk


def json_reply(body: str | bytes, headers: dict[str, str] | None = None) -> Reply:
    return Reply(body=body, headers=headers or {}, content_type="application/json")


@contextmanager
def raw_server(answer: Callable[[socketserver.StreamRequestHandler], None]) -> Iterator[str]:
    """Serve connections with `answer`, which writes raw bytes after the request's headers, and yield the URL."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            answer(self)

    class Threads(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Threads(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def writing(head: str, body: bytes = b"{}") -> Callable[[socketserver.StreamRequestHandler], None]:
    """Return an answer of these header lines and this body."""
    lines = f"{head}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    def write(handler: socketserver.StreamRequestHandler) -> None:
        handler.wfile.write(lines.encode("latin-1") + body)

    return write


def raised(url: str, **options: Any) -> SipfrontError:
    with pytest.raises(SipfrontError) as caught:
        talk(url, getting(), limits=NO_RETRY, **options)
    return caught.value


# ---- size


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_body_is_read_up_to_a_limit(status: int, encoding: str) -> None:
    """A gzip bomb of 1 MB would become 1 GB."""
    body = bytes(BODY_LIMIT + 1) if encoding == "identity" else _bomb()
    with Server(Reply(status=status, body=body, headers={"Content-Encoding": encoding})) as server:
        assert "its body is larger than 8 MB" in str(raised(server.url))


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(16 * BODY_LIMIT), compresslevel=1)


def test_a_bomb_does_not_take_its_size_in_memory() -> None:
    """It is unpacked up to the limit only."""
    with Server(Reply(body=_bomb(), headers={"Content-Encoding": "gzip"})) as server:
        tracemalloc.start()
        try:
            raised(server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 4 * BODY_LIMIT


def test_a_body_at_the_limit_is_read() -> None:
    """The limit is far above every documented response."""
    body = json.dumps("x" * (BODY_LIMIT - 2))
    with Server(json_reply(gzip.compress(body.encode()), {"Content-Encoding": "gzip"})) as server:
        assert len(talk(server.url, getting())) == BODY_LIMIT - 2


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "rot13"])
def test_an_unknown_encoding_is_an_error(encoding: str) -> None:
    """The client requests gzip only."""
    with Server(Reply(headers={"Content-Encoding": encoding})) as server:
        assert f"its Content-Encoding {encoding!r} is unknown" in str(raised(server.url))


# ---- time


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_dripping_response_ends_at_the_total_limit(part: str) -> None:
    """Each byte arrives within the read timeout, but the response never ends."""
    done = threading.Event()

    def drip(handler: socketserver.StreamRequestHandler) -> None:
        head = b"HTTP/1.1 200 OK\r\n" + (b"" if part == "headers" else b"Content-Length: 1000000\r\n\r\n")
        handler.wfile.write(head)
        while not done.wait(0.05):
            handler.wfile.write(b"x")

    with (
        raw_server(drip) as url,
        pytest.raises(PlatformUnavailable, match=r"no complete response within 0\.6 s") as caught,
    ):
        talk(url, posting(), limits=Timeouts(connect=0.2, read=0.2, retry=60))
    done.set()
    assert caught.value.arrived is True


def test_a_deadline_before_the_total_limit_ends_a_dripping_response() -> None:
    """The run's deadline is the shorter limit here."""
    done = threading.Event()

    def drip(handler: socketserver.StreamRequestHandler) -> None:
        while not done.wait(0.05):
            handler.wfile.write(b"HTTP")

    time = FakeTime()
    with raw_server(drip) as url, pytest.raises(PlatformUnavailable, match="by the run's deadline"):
        talk(url, getting(deadline=time.start + 0.2), time=time, limits=Timeouts(last_attempt=0))
    done.set()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1e400", LONGEST_RETRY_AFTER),
        ("9" * 5000, LONGEST_RETRY_AFTER),
        ("inf", LONGEST_RETRY_AFTER),
        ("-inf", 0.0),
        ("nan", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 -2359", LONGEST_RETRY_AFTER),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
        ("Sat, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Thu, 15 Jan 2026 12:00:00 +9999", None),
    ],
)
def test_an_extreme_retry_after_is_limited_or_ignored(header: str, seconds: float | None) -> None:
    """An overflow must not end the session."""
    assert retry_after(header, NOON) == seconds
    with Server(Reply(status=503, headers={"Retry-After": header})) as server, pytest.raises(PlatformBusy) as caught:
        talk(server.url, getting(), limits=NO_RETRY)
    assert caught.value.retry_after == seconds


# ---- content


@pytest.mark.parametrize("body", ["<" * 300_000, "<title" * 50_000, "<title>" * 50_000, "<a" * 150_000, "##" * 150_000])
@pytest.mark.parametrize("status", [200, 500])
def test_no_body_takes_quadratic_time(body: str, status: int) -> None:
    """A quadratic search would block the event loop for minutes."""
    with Server(Reply(status=status, body=body)) as server:
        assert isinstance(raised(server.url), SipfrontError)


@pytest.mark.parametrize("charset", ["hex", "zlib", "undefined", "rot13", "utf-7", "idna", "no-such-charset", '"'])
@pytest.mark.parametrize("status", [200, 422])
def test_an_unusable_charset_is_ignored(charset: str, status: int) -> None:
    """Some names of Python codecs are not charsets, and raise while decoding."""
    kind = f"text/html; charset={charset}"
    with Server(Reply(status=status, body="<title>Büro</title>", content_type=kind)) as server:
        assert "an HTML page titled 'Büro'" in str(raised(server.url))


def test_a_known_charset_is_used() -> None:
    """Gateways still send Latin-1."""
    reply = Reply(status=422, body="Büro".encode("latin-1"), content_type="text/plain; charset=ISO-8859-1")
    with Server(reply) as server:
        assert "Büro" in str(raised(server.url))


def test_a_number_of_many_digits_stays_a_string() -> None:
    """Python refuses to convert more than 4,300 digits."""
    digits = "7" * 6000
    with Server(json_reply(f'{{"id": {digits}, "negative": -{digits}, "small": 7}}')) as server:
        assert talk(server.url, getting()) == {"id": digits, "negative": f"-{digits}", "small": 7}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' occurs twice with different values"),
        ('{"a": 1, "a": true}', "the key 'a' occurs twice with different values"),
        ("[" * 60 + "]" * 60, f"it is nested more than {MOST_NESTED} levels deep"),
        ("[" * 100_000, f"it is nested more than {MOST_NESTED} levels deep"),
    ],
)
def test_ambiguous_and_deeply_nested_json_is_refused_with_its_reason(body: str, reason: str) -> None:
    """It is unknown which value the service means."""
    with Server(json_reply(body)) as server, pytest.raises(InvalidResponse) as caught:
        talk(server.url, getting())
    assert str(caught.value) == f"Sipfront answered 200, but {reason}"


def test_equal_duplicate_keys_and_moderate_nesting_are_accepted() -> None:
    """They are not ambiguous."""
    assert parse_json('{"a": 1, "a": 1}') == {"a": 1}
    depth = MOST_NESTED - 1
    assert parse_json("[" * depth + "]" * depth)


# ---- text

UNSAFE = (
    "red \x1b[31m \x9b5m \x00 \r half \ud800 bidi \u202e line \u2028\n::error file=x::hi\n  ::add-mask::x ##[error] "
    "##vso[a]"
)
SAFE = (
    r"red \x1b[31m \x9b5m \x00 \x0d half \ud800 bidi \u202e line \u2028" + "\n" + r"\x3a:error file=x::hi" + "\n"
    r"  \x3a:add-mask::x \x23#[error] \x23#vso[a]"
)


def test_control_characters_and_ci_commands_become_visible_escapes() -> None:
    """They could rewrite a terminal, break an XML file, or start a command of the CI server."""
    assert clean(UNSAFE) == SAFE
    assert clean("tab\tnewline\r\nIPv6 ::1, C::d, Büro 🙂 ##") == "tab\tnewline\nIPv6 ::1, C::d, Büro 🙂 ##"


@given(text=st.text(alphabet=st.characters() | st.sampled_from(list("\ud800\udfff\x1b:#[error]"))))
def test_any_clean_text_can_be_encoded_and_stays_clean(text: str) -> None:
    """Cleaning twice changes nothing."""
    safe = clean(text)
    safe.encode()
    assert clean(safe) == safe
    assert not any(ord(character) < 32 and character not in "\t\n" for character in safe)


@pytest.mark.parametrize("status", [200, 422])
def test_text_in_bodies_is_cleaned(status: int) -> None:
    """Keys, values, error messages and plain text."""
    with Server(Reply(status=status, body={"error": UNSAFE, UNSAFE: [UNSAFE]})) as server:
        if status == 200:
            assert talk(server.url, getting()) == {"error": SAFE, SAFE: [SAFE]}
        else:
            assert " ".join(SAFE.split()) in str(raised(server.url))


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 422 {echo}",
        "HTTP/1.1 500 {echo}",
        "HTTP/1.1 302 Found\r\nLocation: http://x.invalid/?key={echo}",
        "HTTP/1.1 200 OK\r\nContent-Type: text/{echo}",
        "HTTP/1.1 200 OK\r\nContent-Encoding: {echo}",
        "HTTP/1.1 {echo}",
        "HTTP/1.1 200 OK\r\n{echo}",
        "{echo}",
    ],
)
@pytest.mark.parametrize("echo", [AUTHORIZATION, SECRET_KEY, f"{SECRET_KEY}\x1b[31m ::error::"])
def test_an_echo_in_a_status_line_or_header_is_removed(head: str, echo: str) -> None:
    """Gateways put the request into reason phrases and headers, and httpx quotes malformed ones."""
    with raw_server(writing(head.format(echo=echo), b"not JSON")) as url:
        text = all_text(raised(url))
    assert SECRET_KEY not in text
    assert AUTHORIZATION.removeprefix("Basic ") not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("character", ["/", "+", "&", "'", '"', "="])
def test_an_escaped_secret_is_removed(character: str) -> None:
    """Servers percent-encode, HTML-escape or JSON-escape what they echo."""
    key = f"sentinel{character}key"
    scrub = Basic(Secret("pk"), Secret(key)).scrub
    for spelling in (key, quote(key, safe=""), quote_plus(key), escape(key), json.dumps(key)[1:-1]):
        assert scrub(f"you sent <{spelling}>") == "you sent <[secret]>"


def test_a_hostile_refusal_is_still_a_refusal() -> None:
    """The kind of error does not depend on the body."""
    with Server(Reply(status=422, body=b"\xff\xfe\x00\x1b" * 100)) as server:
        assert isinstance(raised(server.url), RequestRefused)
