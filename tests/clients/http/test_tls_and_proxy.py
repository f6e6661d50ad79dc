from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sipfront.clients.http import proxy_for
from pytest_sipfront.errors import ConfigurationError, PlatformUnavailable
from tests.clients.http.conftest import FINE, NO_RETRY, all_text, getting, post_that_never_arrives, posting
from tests.support import Reply, Server, TlsFiles, refusing_port, talk


def test_a_ca_bundle_is_trusted(tls: TlsFiles) -> None:
    """Companies sign certificates themselves."""
    with Server(FINE, tls=(tls.certificate, tls.key)) as server:
        assert talk(server.url, getting(), ca_bundle=str(tls.authority)) == {"fine": True}


def test_an_unknown_authority_is_not_trusted(tls: TlsFiles) -> None:
    """No request is sent without a verified certificate."""
    with Server(FINE, tls=(tls.certificate, tls.key)) as server, pytest.raises(PlatformUnavailable) as caught:
        talk(server.url, getting(), limits=NO_RETRY)
    port = server.port
    cause = "certificate verify failed: unable to get local issuer certificate"
    assert str(caught.value) == f"Sipfront (127.0.0.1:{port}) cannot be reached: {cause}"
    assert "--sipfront-ca-bundle" in caught.value.hint
    assert server.requests == []


def test_authorities_of_the_environment_are_trusted_if_trust_env_is_set(
    tls: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many machines set `SSL_CERT_FILE`."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
    with Server(FINE, tls=(tls.certificate, tls.key)) as server:
        assert talk(server.url, getting()) == {"fine": True}
        with pytest.raises(PlatformUnavailable):
            talk(server.url, getting(), limits=NO_RETRY, trust_env=False)


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI machines often need a proxy to reach the internet."""
    with Server(FINE) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert talk("http://platform.invalid", getting()) == {"fine": True}
        talk("http://platform.invalid", posting())
    assert [r.target for r in proxy.requests] == ["http://platform.invalid/x"] * 2


def test_a_proxy_for_https_receives_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests go through a tunnel. If the proxy refuses it, no request was sent."""
    with Server(Reply(status=502)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        post_that_never_arrives("https://platform.invalid")
    assert [(r.method, r.target) for r in proxy.requests] == [("CONNECT", "platform.invalid:443")] * 2
    assert not any("authorization" in r.headers for r in proxy.requests)


def test_proxies_are_ignored_if_trust_env_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to the lab stay on this machine."""
    with Server(FINE) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        post_that_never_arrives("http://platform.invalid", trust_env=False)
    assert proxy.connections == 0


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_an_unreachable_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The reader would otherwise look for the fault at the service."""
    with refusing_port() as port:
        monkeypatch.setenv(name, f"http://me:hunter2@127.0.0.1:{port}")
        with pytest.raises(PlatformUnavailable) as caught:
            talk("http://platform.invalid", getting(), limits=NO_RETRY)
    assert caught.value.evidence["proxy"] == f"http://127.0.0.1:{port}"
    assert "NO_PROXY" in caught.value.hint
    assert "hunter2" not in all_text(caught.value)


def test_a_proxy_that_is_not_in_between_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of another scheme, or one that is excluded or ignored, has no part in the failure."""
    with refusing_port() as port:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        for excluded, trust_env in (("", True), ("127.0.0.1", True), ("", False)):
            monkeypatch.setenv("NO_PROXY", excluded)
            if excluded or not trust_env:
                monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
            with pytest.raises(PlatformUnavailable) as caught:
                talk(f"http://127.0.0.1:{port}", getting(), limits=NO_RETRY, trust_env=trust_env)
            assert "proxy" not in caught.value.evidence


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("HTTPS_PROXY", "ftp://me:hunter2@127.0.0.1:9", "Unknown scheme"),
        ("ALL_PROXY", "http://127.0.0.1:port", "Invalid port"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "No such file"),
    ],
)
def test_an_unusable_environment_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    """The error names the variable and the reason."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        talk("https://platform.invalid", getting())
    assert reason in str(caught.value)
    assert caught.value.evidence[name] == value.replace("me:hunter2@", "")
    assert "hunter2" not in all_text(caught.value)


def test_a_ca_bundle_that_disappeared_is_a_configuration_error(tmp_path: Path) -> None:
    """The file existed when the settings were read."""
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        talk("https://platform.invalid", getting(), ca_bundle=str(tmp_path / "gone.pem"))
    assert "sipfront_ca_bundle" in caught.value.hint


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.8.8.8", "[::ffff:127.0.0.1]", "a.localhost"])
def test_loopback_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The proxy would receive the key pair, and its own loopback is another machine."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert proxy_for(f"http://{host}:8080") is None


def test_requests_to_localhost_do_not_reach_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request goes to the service directly."""
    with Server(FINE) as proxy, Server(FINE) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert talk(server.url.replace("127.0.0.1", "localhost"), getting()) == {"fine": True}
    assert (proxy.connections, len(server.requests)) == (0, 1)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("*", "https://app.sipfront.com"),
        ("app.sipfront.com", "https://app.sipfront.com"),
        ("sipfront.com", "https://app.sipfront.com"),
        (".sipfront.com", "https://APP.sipfront.com"),
        ("*.sipfront.com", "https://app.sipfront.com"),
        ("SIPFRONT.COM", "https://app.sipfront.com"),
        ("app.sipfront.com:443", "https://app.sipfront.com"),
        ("other, app.sipfront.com", "https://app.sipfront.com"),
        ("10.0.0.0/8", "http://10.1.2.3"),
        ("10.1.2.3", "http://10.1.2.3:8080"),
        ("10.1.2.3:8080", "http://10.1.2.3:8080"),
        ("fd00::/64", "http://[fd00::7]"),
        ("[fd00::]/64", "http://[fd00::7]"),
        ("fd00::7", "http://[fd00::7]:8080"),
        ("[fd00::7]", "http://[fd00::7]:8080"),
        ("[fd00::7]:8080", "http://[fd00::7]:8080"),
    ],
)
def test_no_proxy_excludes_hosts_and_networks(monkeypatch: pytest.MonkeyPatch, entry: str, url: str) -> None:
    """Each form that curl, Go or Python accept."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert proxy_for(url) is not None
    monkeypatch.setenv("NO_PROXY", entry)
    assert proxy_for(url) is None


@pytest.mark.parametrize(
    "entry",
    [
        "[::1",
        "::1",
        "[::1]",
        "fd00::/64",
        "10.0.0.0/8",
        "10.0.0.0/99",
        "sipfront.co",
        "front.com",
        "com:80",
        ":",
        "/",
        ".",
    ],
)
def test_other_entries_of_no_proxy_do_not_matter(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    """An entry for another host, or a malformed one, keeps the proxy and is not an error."""
    monkeypatch.setenv("ALL_PROXY", "127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", entry)
    proxy = proxy_for("https://app.sipfront.com")
    assert proxy is not None
    assert str(proxy.url) == "http://127.0.0.1:9"
