"""Certificate authorities and proxies."""

from __future__ import annotations

import os
import re
import ssl
import urllib.request
from ipaddress import ip_address, ip_network

import httpx

from pytest_sipfront.clients.http.connection_errors import CA_HINT
from pytest_sipfront.clients.http.urls import is_loopback, origin, without_userinfo
from pytest_sipfront.errors import ConfigurationError

_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def certificate_authorities(ca_bundle: str | None, *, trust_env: bool) -> ssl.SSLContext:
    """Return a context that verifies servers against a PEM file, else the environment's authorities, else certifi's.

    Raises:
        ConfigurationError: The authorities cannot be read.
    """
    __tracebackhide__ = True
    try:
        if ca_bundle:
            return ssl.create_default_context(cafile=ca_bundle)
        return httpx.create_ssl_context(trust_env=trust_env)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"the certificate authorities cannot be read: {error}",
            evidence={"CA bundle": ca_bundle} if ca_bundle else _environment(_AUTHORITIES),
            hint=CA_HINT,
        ) from None


def proxy_for(url: str) -> httpx.Proxy | None:
    """Return the proxy for `url` from the environment, or from the system's settings on macOS and Windows.

    Returns:
        None for a direct connection. This machine and the hosts of NO_PROXY are always reached directly.

    Raises:
        ConfigurationError: The proxy's URL is unusable.
    """
    __tracebackhide__ = True
    scheme, host, port = origin(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or is_loopback(host) or _is_excluded(host, port, proxies):
        return None
    try:
        return httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
    except (ValueError, httpx.InvalidURL) as error:
        raise ConfigurationError(
            f"the environment's proxy is unusable: {without_userinfo(str(error))}", evidence=_environment(_PROXIES)
        ) from None


def _is_excluded(host: str, port: int, proxies: dict[str, str]) -> bool:
    entries = re.split(r"[\s,]+", proxies.get("no", "").strip().lower())
    if any(matches_no_proxy(entry, host, port) for entry in entries):
        return True
    return not urllib.request.getproxies_environment() and bool(urllib.request.proxy_bypass(host))


def matches_no_proxy(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of NO_PROXY names `host`.

    Args:
        entry: "*", a domain, an address, a network such as "10.0.0.0/8", or one of them with a port. Brackets around an
            IPv6 address are optional without a port.
        host: A host name or an address without brackets, in lower case.
        port: The port of the request.
    """
    if entry == "*":
        return True
    bracketed = re.fullmatch(r"\[([^]]*)\](/\d+)?(?::(\d+))?", entry)
    if bracketed:
        name, given_port = bracketed[1] + (bracketed[2] or ""), bracketed[3]
    elif entry.count(":") == 1:
        name, _, given_port = entry.partition(":")
    else:
        name, given_port = entry, None
    if given_port and given_port != str(port):
        return False
    try:
        return ip_address(host) in ip_network(name, strict=False)
    except ValueError:
        domain = name.lstrip("*").strip(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _environment(names: tuple[str, ...]) -> dict[str, object]:
    spellings = (spelling for name in names for spelling in (name, name.lower()))
    return {name: without_userinfo(os.environ[name]) for name in spellings if os.environ.get(name)}
