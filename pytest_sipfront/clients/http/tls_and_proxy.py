"""Connections to a service: the authorities that are trusted, and the proxy that may stand in between."""

from __future__ import annotations

import os
import ssl
import urllib.request
from typing import Any

import anyio
import httpx

from pytest_sipfront.clients.http.origins import origin, without_userinfo
from pytest_sipfront.errors import ConfigurationError

USER_AGENT = "pytest-sipfront"
_CONNECTIONS = 10
_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CA_HINT = (
    "If your company signs certificates itself, name its authorities: --sipfront-ca-bundle, SIPFRONT_CA_BUNDLE or "
    "sipfront_ca_bundle."
)
_PROXY_HINT = (
    "The proxy is the environment's (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY); NO_PROXY names hosts to reach directly."
)


def trusted(ca_bundle: str | None, *, trust_env: bool) -> ssl.SSLContext:
    """Return what verifies a server's certificate: a PEM file's authorities, else the environment's, else certifi's.

    Raises:
        ConfigurationError: They cannot be read.
    """
    __tracebackhide__ = True
    try:
        if ca_bundle:
            return ssl.create_default_context(cafile=ca_bundle)
        return httpx.create_ssl_context(trust_env=trust_env)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"the certificate authorities to trust cannot be read: {error}",
            evidence={"CA bundle": ca_bundle} if ca_bundle else _environment(_AUTHORITIES),
            hint=_CA_HINT,
        ) from None


def open_client(
    authorities: ssl.SSLContext, timeout: httpx.Timeout, *, trust_env: bool, keepalive: int
) -> httpx.AsyncClient:
    """Return a client that opens nothing before its first request.

    Raises:
        ConfigurationError: The environment names a proxy that cannot be used.
    """
    __tracebackhide__ = True
    try:
        return _Queue(
            verify=authorities,
            trust_env=trust_env,
            timeout=timeout,
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=keepalive),
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise ConfigurationError(
            f"the environment's proxy cannot be used: {without_userinfo(str(error))}", evidence=_environment(_PROXIES)
        ) from None


class _Queue(httpx.AsyncClient):
    """A client whose requests wait for a connection outside its pool.

    With every request that comes or goes, httpcore looks at each one that waits inside.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._turns = anyio.Semaphore(_CONNECTIONS)

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        async with self._turns:
            return await super().send(request, **options)


def proxy_for(url: str) -> str:
    """Return the proxy that the environment (on some systems also the system's settings) puts before `url`; or ""."""
    scheme, host, _ = origin(url)
    if urllib.request.proxy_bypass(host):
        return ""
    proxies = urllib.request.getproxies()
    return without_userinfo(proxies.get(scheme) or proxies.get("all") or "")


def unavailable_hint(cause: str, proxy: str) -> str:
    """Return what to do about a service that cannot be reached; "" if nobody knows."""
    if "CERTIFICATE_VERIFY_FAILED" in cause:
        return _CA_HINT
    return _PROXY_HINT if proxy else ""


def _environment(names: tuple[str, ...]) -> dict[str, object]:
    spelled = (spelling for name in names for spelling in (name, name.lower()))
    return {name: without_userinfo(os.environ[name]) for name in spelled if os.environ.get(name)}


def cause_of(error: httpx.HTTPError) -> str:
    """Name the failure as the operating system does: httpx leaves some of its errors without a text."""
    root = _root(error)
    text = str(error)
    if isinstance(root, ConnectionError) and root.errno:
        text = os.strerror(root.errno)  # its own text is asyncio's
    elif isinstance(root, OSError) and root.strerror:
        text = root.strerror
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _root(error: BaseException) -> BaseException:
    """Where several addresses were tried, the first one's error counts."""
    if isinstance(error, BaseExceptionGroup):
        return _root(error.exceptions[0])
    cause = error.__cause__ or error.__context__
    return error if cause is None else _root(cause)
