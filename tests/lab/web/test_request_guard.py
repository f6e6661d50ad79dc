"""Requests that the lab rejects before any service sees them."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from pytest_sipfront.lab.platform.http_requests import MAX_BODY_BYTES
from tests.lab.platform_client import Platform


def status(lab: Platform, host: str, path: str = "/") -> int:
    connection = http.client.HTTPConnection(urlsplit(lab.url).netloc, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    code = connection.getresponse().status
    connection.close()
    return code


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1", "LOCALHOST", "[::1]:80"])
def test_names_of_this_machine_are_accepted(lab: Platform, host: str) -> None:
    """With and without a port."""
    assert status(lab, host) == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.0.2.1:8000", ""])
@pytest.mark.parametrize("path", ["/lab/counts", "/api/v2/tests", "/"])
def test_other_names_are_rejected(lab: Platform, host: str, path: str) -> None:
    """A web page whose name resolves to 127.0.0.1 cannot read or change the lab."""
    assert status(lab, host, path) == 421


@pytest.mark.parametrize("path", ["/lab/counts", "/lab/requests", "/lab/runs", "/lab/sift", "/lab/anything"])
@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer wrong", "Basic bGFiLXB1YmxpYzpsYWItc2VjcmV0"])
def test_the_state_of_a_lab_needs_its_token(lab: Platform, path: str, authorization: str) -> None:
    """Other users of the machine know neither the requests nor the numbers. Pages and both services need no token."""
    connection = http.client.HTTPConnection(urlsplit(lab.url).netloc, timeout=10)
    connection.request("GET", path, headers={"Authorization": authorization} if authorization else {})
    response = connection.getresponse()
    assert (response.status, response.getheader("WWW-Authenticate")) == (401, "Bearer")
    assert b"Authorization: Bearer TOKEN" in response.read()
    connection.close()
    assert lab.get("/lab/counts").status == lab.get("/").status == 200


def test_the_requests_show_no_secret_of_a_receiver(lab: Platform) -> None:
    """The path of a callback URL is the secret of the program that receives the callbacks."""
    lab.configure("sift: {callees: {'+43123200': {}}}")
    secret = "6bIbLGd9dF"
    fields = {"to": "+43123200", "status_url": f"http://127.0.0.1:9/{secret}/status", "list": [f"http://x/?{secret}"]}
    lab.post("/v0/connections", fields)
    listed = lab.get("/lab/requests").text
    assert "http://127.0.0.1:9/***" in listed
    assert secret not in listed


@pytest.mark.parametrize(("method", "path"), [("PUT", "/lab/config"), ("POST", "/api/v2/tests/run")])
def test_a_chunked_body_over_the_limit_is_refused(lab: Platform, method: str, path: str) -> None:
    """A body without a Content-Length has the same limit."""

    def chunks() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65_536 + 2):
            yield b" " * 65_536

    connection = http.client.HTTPConnection(urlsplit(lab.url).netloc, timeout=10)
    authorization = f"Bearer {lab.handle.token}" if path.startswith("/lab/") else "Basic eDp5"
    headers = {"Content-Type": "application/json", "Authorization": authorization}
    try:
        connection.request(method, path, chunks(), headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):  # the lab may close the connection before the body is sent
        pass
    finally:
        connection.close()
