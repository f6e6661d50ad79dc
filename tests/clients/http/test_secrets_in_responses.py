from __future__ import annotations

import pytest

from pytest_sipfront.clients.http import Bearer
from pytest_sipfront.clients.service_text import TEXT_LIMIT
from pytest_sipfront.errors import RequestRefused, SipfrontError
from pytest_sipfront.secret import Secret
from tests.clients.http.conftest import AUTHORIZATION, NO_RETRY, all_text, getting
from tests.support import SECRET_KEY, Reply, Server, credentials, talk


@pytest.mark.parametrize(
    "echo", [SECRET_KEY, AUTHORIZATION, AUTHORIZATION.removeprefix("Basic ")], ids=["key", "header", "pair"]
)
@pytest.mark.parametrize(
    ("status", "as_json"),
    [(200, False), *((status, as_json) for status in (400, 401, 404, 429, 500, 503) for as_json in (False, True))],
)
def test_an_echoed_secret_is_not_shown(echo: str, status: int, as_json: bool) -> None:
    """Servers repeat request headers in their error pages. The key is removed in plain and as part of the header."""
    text = f"you sent {echo}!"
    body = {"error": {"message": text}} if as_json else text
    with Server(Reply(status=status, body=body)) as server, pytest.raises(SipfrontError) as caught:
        talk(server.url, getting(), limits=NO_RETRY)
    assert "[secret]!" in str(caught.value)
    assert SECRET_KEY not in all_text(caught.value)
    assert AUTHORIZATION.removeprefix("Basic ") not in all_text(caught.value)


def test_a_secret_in_a_2xx_response_is_removed() -> None:
    """Response data appears in reports. Numbers and other text stay unchanged."""
    body = {
        "run": {"result_description": f"bad key {SECRET_KEY}", "tags": [AUTHORIZATION, 7]},
        "status": 200,
        "none": None,
    }
    with Server(Reply(body=body)) as server:
        data = talk(server.url, getting())
    assert data == {
        "run": {"result_description": "bad key [secret]", "tags": ["Basic [secret]", 7]},
        "status": 200,
        "none": None,
    }


def test_a_secret_at_the_cut_of_a_long_text_is_not_shown_in_part() -> None:
    """Secrets are removed before the text is cut."""
    reply = Reply(status=400, body="x" * (TEXT_LIMIT - 12) + SECRET_KEY)
    with Server(reply) as server, pytest.raises(RequestRefused) as caught:
        talk(server.url, getting())
    assert SECRET_KEY[:8] not in all_text(caught.value)


def test_a_secret_in_json_escapes_is_not_shown() -> None:
    """Secrets are removed after decoding."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in SECRET_KEY)
    reply = Reply(status=400, body=f'{{"error": "{escaped}"}}')
    with Server(reply) as server, pytest.raises(RequestRefused, match=r"refused: \[secret\] \("):
        talk(server.url, getting())


def test_a_bearer_token_is_sent_and_scrubbed() -> None:
    """Sift also accepts a temporary token."""
    bearer = Bearer(Secret("token-1"))
    assert bearer.header() == "Bearer token-1"
    assert bearer.scrub("saw token-1") == "saw [secret]"


def test_the_expected_header_belongs_to_the_test_credentials() -> None:
    """The tests above would otherwise search for a wrong text."""
    assert credentials().header() == AUTHORIZATION
