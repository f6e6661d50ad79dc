from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest

from pytest_sipfront.clients.http import HttpClient, Response, Timeouts
from pytest_sipfront.errors import DetailedError, PlatformUnavailable
from tests.support import PUBLIC_KEY, SECRET_KEY, FakeTime, Reply, TlsFiles, plain_environment, talk, tls_files

AUTHORIZATION = "Basic " + base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
FINE = Reply(body={"fine": True})
BUSY = Reply(status=503)
BODY = {"test.name": "Basic call"}
REFUSED = f"422 {HTTPStatus(422).phrase}"  # Python 3.13 has another phrase
NO_RETRY = Timeouts(retry=0)
QUICK = Timeouts(read=0.2, retry=0)


@pytest.fixture(scope="module")
def _files() -> Iterator[TlsFiles]:
    with tls_files() as files:
        yield files


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, _files: TlsFiles) -> None:
    plain_environment(monkeypatch)
    monkeypatch.setenv("SSL_CERT_FILE", str(_files.authority))  # read faster than certifi's bundle


@pytest.fixture
def tls(_files: TlsFiles, monkeypatch: pytest.MonkeyPatch) -> TlsFiles:
    """Certificates that the environment does not trust."""
    monkeypatch.delenv("SSL_CERT_FILE")
    return _files


def data_of(response: Response) -> Any:
    return response.data


def getting(url: str = "/x", **options: Any) -> Callable[[HttpClient], Awaitable[Any]]:
    return lambda http: http.get(url, data_of, **options)


def posting(**options: Any) -> Callable[[HttpClient], Awaitable[Response]]:
    return lambda http: http.post("/x", BODY, **options)


def all_text(error: DetailedError) -> str:
    return f"{error} {error!r} {dict(error.evidence)} {error.hint}"


def post_that_never_arrives(url: str, **options: Any) -> PlatformUnavailable:
    """Return the error of a POST request, and check that it was sent again."""
    time = FakeTime()
    with pytest.raises(PlatformUnavailable) as caught:
        talk(url, posting(), time=time, limits=Timeouts(connect=0.1, read=0.2, retry=1), **options)
    assert caught.value.arrived is False
    assert time.sleeps == [0.5]
    return caught.value
