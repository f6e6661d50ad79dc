"""Recordings contain no secret and no phone number."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.recordings import masked, path_of, request_of
from tests.support import SECRET_KEY, credentials

NUMBER = st.text(string.digits, min_size=6, max_size=15)


@pytest.mark.parametrize(
    "text",
    [
        "486 Busy Here",
        "2026-11-25 09:56:13",
        "2026-11-25T09:56:13.123456+00:00",
        "127.0.0.1:5060",
        "7b0c2f8e-1234-4123-8123-123456789012",
        "loss 12.3456789 %",
        "http://host/run/details/123456789",
        "voice_quality_123456",
        "1001",
    ],
)
def test_other_text_stays(text: str) -> None:
    """Times, addresses, ids and codes are what a comparison with the lab needs."""
    assert masked(text, str) == text


@pytest.mark.parametrize("key", ["id", "session_id", "status_url", "started_at", "test_ids", "uuid"])
def test_ids_urls_and_times_stay(key: str) -> None:
    """A launch and its polls belong together by them."""
    assert masked({key: "123456789"}, str) == {key: "123456789"}


@given(NUMBER, st.sampled_from(["{}", "+{}", "sip:{}@pbx", "from {}, no answer", '"{}"', "call {}."]))
def test_numbers_become_pseudonyms(number: str, form: str) -> None:
    """Equal numbers stay equal, also as text and as the user of a URI."""
    text = masked(form.format(number), str)
    pseudonym = masked(number, str)
    assert pseudonym in text
    assert len(pseudonym) == 8
    assert number not in text or number == pseudonym


@pytest.mark.parametrize("number", ["+43 1 23456", "+43-1-23456", "+43 (1) 23456"])
def test_separators_do_not_matter(number: str) -> None:
    """A number in international form is one number."""
    assert masked(number, str) == masked("+43123456", str)


@pytest.mark.parametrize("key", ["step.1.0.sip_password", "auth_token", "Authorization", "client_secret", "apikey"])
def test_values_of_secret_keys_are_hidden(key: str) -> None:
    """Whatever their type; a missing value stays missing."""
    assert masked({key: "hunter2"}, str) == {key: "***"}
    assert masked({key: ["hunter2"]}, str) == {key: "***"}
    assert masked({key: None}, str) == {key: None}


json_data: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(f"a{SECRET_KEY}b"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just(SECRET_KEY), inner),
)


@given(json_data)
def test_credentials_are_removed_anywhere(data: Any) -> None:
    """In keys and values. Masking twice changes nothing that matters: the shape stays."""
    assert SECRET_KEY not in repr(masked(data, credentials().scrub))


def test_requests_are_described_without_their_origin() -> None:
    """Path, query and body identify a request."""
    assert path_of("https://host/api/v2/runs?a=b") == "/api/v2/runs?a=b"
    assert path_of("https://host/api/v2/runs", {"a": "b c"}) == "/api/v2/runs?a=b+c"
    assert request_of({"data": {"a": 1}}) == request_of({"json": {"a": 1}}) == {"a": 1}
    assert request_of({"files": {"file": ("a.wav", b"", "audio")}}) == {"file": "a.wav"}
    assert request_of({}) is None
