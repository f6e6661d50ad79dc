from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.http import HttpClient
from pytest_sipfront.clients.http.urls import origin
from pytest_sipfront.clients.service_text import TEXT_LIMIT
from pytest_sipfront.errors import CrossOriginURL, RequestRefused
from tests.clients.http.conftest import AUTHORIZATION, FINE, all_text, getting, posting
from tests.support import Reply, Server, TlsFiles, talk


def test_the_first_request_carries_the_credentials() -> None:
    """The API expects Basic authentication without a challenge."""
    with Server(FINE) as server:
        assert talk(server.url, getting()) == {"fine": True}
    assert [r.headers["authorization"] for r in server.requests] == [AUTHORIZATION]


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
def test_a_url_of_another_origin_is_not_requested(foreign: str) -> None:
    """The origin is checked before a connection is opened."""
    with Server(FINE) as service, Server(FINE) as other:
        url = foreign.format(own=service.port, other=other.port)
        with pytest.raises(CrossOriginURL, match="no credentials sent") as caught:
            talk(service.url, getting(url))
        assert service.url in str(caught.value)
        assert (service.connections, other.connections) == (0, 0)


def test_http_is_not_requested_if_the_base_url_is_https(tls: TlsFiles) -> None:
    """Credentials would travel unencrypted."""
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
        "https://user:password@app.sipfront.com/x",
    ],
)
def test_case_and_default_port_do_not_matter(base: str, url: str) -> None:
    """Scheme and host are case-insensitive, and each scheme has a default port."""

    async def resolve(http: HttpClient) -> str:
        return http.resolve(url)

    assert talk(base, resolve) == url


@pytest.mark.parametrize("url", ["/a/b?c=d", "//127.0.0.1:9/a"])
def test_a_path_is_requested_from_the_base_url(url: str) -> None:
    """A `status_url` may be a path, also one that begins with two slashes."""
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
def test_an_accepted_url_has_the_same_origin_for_the_http_library(url: str) -> None:
    """Two URL parsers may disagree, and credentials would then reach another host."""

    async def resolve(http: HttpClient) -> str:
        return http.resolve(url)

    try:
        absolute = talk("https://app.sipfront.com", resolve)
        read = httpx.URL(absolute)
    except (CrossOriginURL, httpx.InvalidURL):
        return
    assert (read.scheme, read.host, read.port) == ("https", "app.sipfront.com", None)


def test_a_user_in_the_url_is_not_sent_and_not_shown() -> None:
    """Credentials come from the settings only."""
    with Server(Reply(status=422)) as server:
        url = f"http://someone:hidden@127.0.0.1:{server.port}/x"
        with pytest.raises(RequestRefused) as caught:
            talk(server.url, getting(url))
    assert [r.headers["authorization"] for r in server.requests] == [AUTHORIZATION]
    assert "hidden" not in all_text(caught.value)


def test_a_refused_url_is_shown_without_user_and_password() -> None:
    """The error appears in reports."""
    with pytest.raises(CrossOriginURL) as caught:
        talk("https://app.sipfront.com", getting("https://someone:hidden@evil.example/x"))
    assert "hidden" not in all_text(caught.value)
    assert "evil.example" in str(caught.value)


@pytest.mark.parametrize("url", ["", "x", "ftp://host/", "http://", "http://host:99999/"])
def test_a_url_without_an_origin_is_a_value_error(url: str) -> None:
    """The caller decides what to do about it."""
    with pytest.raises(ValueError, match=r"."):
        origin(url)


@pytest.mark.parametrize(
    "tail",
    ["\x01", "\x7f", "a\nb", "a\tb", "\ud800", "x" * 70_000],
    ids=["control", "del", "line", "tab", "half", "long"],
)
def test_an_unusable_url_is_refused_with_a_short_message(tail: str) -> None:
    """A `status_url` comes from the service and may hold anything."""
    with Server(FINE) as server, pytest.raises(CrossOriginURL) as caught:
        talk(server.url, getting(f"{server.url}/{tail}"))
    assert server.connections == 0
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2 * TEXT_LIMIT


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("use", [getting(), posting()], ids=["GET", "POST"])
def test_a_redirect_is_not_followed(status: int, use: Callable[[HttpClient], Awaitable[Any]]) -> None:
    """Another host would receive the credentials, and a redirect within the origin would repeat a launch."""
    with Server(FINE) as elsewhere:
        location = f"http://someone:hidden@127.0.0.1:{elsewhere.port}/y"
        with Server(Reply(status=status, headers={"Location": location})) as server:
            with pytest.raises(RequestRefused, match=f"redirects \\({status}\\)") as caught:
                talk(server.url, use)
            assert len(server.requests) == 1
        assert elsewhere.connections == 0
    assert "hidden" not in all_text(caught.value)
    assert str(elsewhere.port) in str(caught.value)
