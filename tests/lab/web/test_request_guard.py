"""Requests that the lab rejects before any service sees them."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from pytest_sipfront.lab.platform.http_requests import MAX_BODY_BYTES
from tests.lab.platform_client import Platform


def status(lab: Platform, host: str, path: str = "/lab/counts") -> int:
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


@pytest.mark.parametrize(("method", "path"), [("PUT", "/lab/config"), ("POST", "/api/v2/tests/run")])
def test_a_chunked_body_over_the_limit_is_refused(lab: Platform, method: str, path: str) -> None:
    """A body without a Content-Length has the same limit."""

    def chunks() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65_536 + 2):
            yield b" " * 65_536

    connection = http.client.HTTPConnection(urlsplit(lab.url).netloc, timeout=10)
    headers = {"Content-Type": "application/json", "Authorization": "Basic eDp5"}
    try:
        connection.request(method, path, chunks(), headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):  # the lab may close the connection before the body is sent
        pass
    finally:
        connection.close()
