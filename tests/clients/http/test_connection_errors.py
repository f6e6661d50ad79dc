from __future__ import annotations

import pytest

from pytest_sipfront.errors import PlatformUnavailable
from tests.clients.http.conftest import FINE, NO_RETRY, getting
from tests.support import RESET, Server, expired_tls_files, refusing_port, talk

SETTING = "--sipfront-base-url, SIPFRONT_BASE_URL or sipfront_base_url"


def failure(url: str, ca_bundle: str | None = None) -> PlatformUnavailable:
    """Return the error of a request."""
    with pytest.raises(PlatformUnavailable) as caught:
        talk(url, getting(), limits=NO_RETRY, ca_bundle=ca_bundle)
    return caught.value


def test_an_unknown_host_is_named_with_its_port_and_setting() -> None:
    """RFC 6761 reserves `.invalid`, which no resolver knows."""
    error = failure("https://sipfront.invalid")
    assert str(error).startswith(
        "Sipfront (sipfront.invalid:443) cannot be reached: the host name cannot be resolved ("
    )
    assert error.hint == f"Check the base URL: {SETTING}."


def test_a_refused_connection_names_host_port_and_setting() -> None:
    """The port is wrong, or the server is down."""
    with refusing_port() as port:
        error = failure(f"http://127.0.0.1:{port}")
    assert str(error) == f"Sipfront (127.0.0.1:{port}) cannot be reached: ConnectError: Connection refused"
    assert error.hint == f"Check the base URL: {SETTING}."


def test_https_to_a_server_without_tls_names_the_scheme() -> None:
    """OpenSSL's text speaks of a wrong version."""
    with Server(FINE) as server:
        error = failure(f"https://127.0.0.1:{server.port}")
    assert f"(127.0.0.1:{server.port}) cannot be reached: the server does not use TLS on this port (" in str(error)
    assert error.hint == f"If the port is right, the base URL must begin with http://: {SETTING}."


def test_http_to_a_server_that_breaks_the_connection_suggests_https() -> None:
    """Servers with TLS reset or close the connection, or send an alert."""
    with Server(RESET) as server:
        error = failure(server.url)
    assert f"the connection to Sipfront (127.0.0.1:{server.port}) broke: " in str(error)
    assert error.hint == f"If the server expects TLS, the base URL must begin with https://: {SETTING}."


def test_an_expired_certificate_is_called_expired() -> None:
    """Certificate authorities of a company would not help."""
    with expired_tls_files() as files, Server(FINE, tls=(files.certificate, files.key)) as server:
        error = failure(server.url, ca_bundle=str(files.authority))
    cause = "the certificate of the server has expired"
    assert str(error) == f"Sipfront (127.0.0.1:{server.port}) cannot be reached: {cause}"
    assert error.hint == (
        "The operator of the server must renew its certificate, unless the clock of this machine is wrong."
    )
    assert server.requests == []
