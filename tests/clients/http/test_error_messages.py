from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.service_text import TEXT_LIMIT, error_message, one_line, plain_text
from pytest_sipfront.errors import InvalidResponse, PlatformUnavailable, RequestRefused, SipfrontError
from tests.clients.http.conftest import NO_RETRY, REFUSED, getting
from tests.support import Reply, Server, refusing_port, talk

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": "Test run denied"}, "Test run denied"),
        ({"description": "No agents"}, "No agents"),
        ({"message": "Bad name"}, "Bad name"),
        ({"message": "third", "description": "second", "error": "first"}, "first"),
        ({"error": "", "description": None, "message": "third"}, "third"),
        ({"error": {"code": 7, "message": "nested"}}, "nested"),
        ({"error": True, "message": "beside a flag"}, "beside a flag"),
        ("plain text", "plain text"),
        ('"a JSON text"', "a JSON text"),
        ("two\n  lines\tand a tab\r\n", "two lines and a tab"),
        ("<html><head><TITLE class='x'>\n502 Bad Gateway </TITLE></head></html>", "titled '502 Bad Gateway'"),
        ("<h1>Back <b>soon</b></h1>", "Back soon"),
    ],
)
def test_an_error_quotes_the_service(body: Any, text: str) -> None:
    """The message is on one line with the HTTP status, wherever the service puts it."""
    with Server(Reply(status=422, body=body)) as server, pytest.raises(RequestRefused) as caught:
        talk(server.url, getting())
    assert text in str(caught.value)
    assert f"({REFUSED})" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.evidence["answer"] == REFUSED


@pytest.mark.parametrize("body", ["", {}, [], "null", "7", "[1, 2]", {"error": 3}], ids=repr)
def test_an_error_without_a_message_shows_the_http_status(body: Any) -> None:
    """The message does not invent a reason."""
    with Server(Reply(status=422, body=body)) as server, pytest.raises(RequestRefused) as caught:
        talk(server.url, getting())
    assert str(caught.value) == f"Sipfront refused: {REFUSED}"


@pytest.mark.parametrize("body", ["x " * 5000, {"error": "x " * 5000}, f"<title>{'x ' * 5000}</title>"])
def test_the_quoted_text_is_limited(body: Any) -> None:
    """A gateway's HTML page must not fill a report."""
    with Server(Reply(status=400, body=body)) as server, pytest.raises(RequestRefused) as caught:
        talk(server.url, getting())
    assert "…" in str(caught.value)
    assert len(str(caught.value)) < TEXT_LIMIT + 60


@given(body=st.text() | JSON.map(json.dumps) | st.text(alphabet="<title >/"))
def test_plain_text_of_any_body_is_one_short_line(body: str) -> None:
    """No body makes it raise."""
    text = plain_text(body)
    assert "\n" not in text
    assert len(text) <= TEXT_LIMIT


@given(data=JSON)
def test_error_message_of_any_data_is_one_short_line(data: Any) -> None:
    """No data makes it raise."""
    text = error_message(data)
    assert text == one_line(text)
    assert len(text) <= TEXT_LIMIT


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(body="<title>Maintenance</title>", content_type="text/html"), "an HTML page titled 'Maintenance'"),
        (Reply(body="soon"), "soon"),
        (Reply(body=b"\xff\xfe{", content_type="application/json"), "�"),
    ],
)
def test_a_2xx_response_without_json_is_quoted(reply: Reply, text: str) -> None:
    """A proxy's page with status 200 is not a response of the service."""
    with Server(reply) as server, pytest.raises(InvalidResponse) as caught:
        talk(server.url, getting())
    assert text in str(caught.value)
    assert (reply.content_type or "text/plain") in str(caught.value)


@pytest.mark.parametrize(("status", "error"), [(200, InvalidResponse), (422, RequestRefused)])
def test_deeply_nested_json_is_an_error(status: int, error: type[SipfrontError]) -> None:
    """A hostile body must not cause a RecursionError."""
    with Server(Reply(status=status, body="[" * 100_000)) as server, pytest.raises(error):
        talk(server.url, getting())


def test_an_error_has_no_cause_from_the_http_library() -> None:
    """A traceback with httpx does not help a test engineer, and its locals hold the credentials."""
    with refusing_port() as port, pytest.raises(PlatformUnavailable) as caught:
        talk(f"http://127.0.0.1:{port}", getting(), limits=NO_RETRY)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
