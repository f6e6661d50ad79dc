"""The checks of `pytest-sipfront doctor`: whether this machine can launch runs, receive callbacks and place calls."""

from __future__ import annotations

import os
import platform
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

import anyio
import click
import httpx

from pytest_sipfront.cli.output import echo, print_json
from pytest_sipfront.clients.http import Basic, HttpClient, Timeouts, proxy_for
from pytest_sipfront.clients.http.transport import RawResponse, Transport
from pytest_sipfront.clients.http.urls import without_userinfo
from pytest_sipfront.clients.sipfront.client import SipfrontClient
from pytest_sipfront.errors import AuthenticationFailed, ConfigurationError, SipfrontError
from pytest_sipfront.lab import LabError, examine
from pytest_sipfront.plugin.command_session import FAILED, PASSED, CommandSession
from pytest_sipfront.plugin.credentials import find_keys
from pytest_sipfront.plugin.sift_options import find_target

OK, FAIL, NOTE = "ok", "FAIL", "note"
MAX_SKEW = 30.0
"""Seconds between this clock and the platform's that a check accepts: times of runs are compared with launches."""
_NAME_WIDTH = len("lab audio both ways")
_PACKAGES = ("pytest-sipfront", "pytest", "httpx", "pytest-xdist", "baresip-python")


@dataclass(frozen=True, slots=True)
class EnvironmentCheck:
    """One line of the result. A note names what is missing and not needed for every suite."""

    name: str
    state: str
    detail: str


def check_environment(session: CommandSession, *, as_json: bool) -> int:
    """Print all checks, and return `FAILED` if one failed."""
    checks = []
    for check in _checks(session):
        checks.append(check)
        if not as_json:
            colour = {OK: "green", FAIL: "red"}.get(check.state, "yellow")
            echo(f"{click.style(check.state.ljust(4), fg=colour)}  {check.name.ljust(_NAME_WIDTH)}  {check.detail}")
    if as_json:
        print_json([asdict(check) for check in checks])
    return FAILED if any(check.state == FAIL for check in checks) else PASSED


def _checks(session: CommandSession) -> Iterator[EnvironmentCheck]:
    yield EnvironmentCheck("versions", OK, _versions())
    settings = session.settings
    source = "" if settings.lab else f" (from {settings.sources['base_url']})"
    yield EnvironmentCheck("target", OK, f"{settings.service}{source}")
    yield from _platform(session)
    yield _callbacks(session)
    yield from _lab_calls()
    yield _packet_capture()


def _versions() -> str:
    packages = ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))
    return f"{packages}; Python {platform.python_version()} on {platform.platform(terse=True)}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _platform(session: CommandSession) -> Iterator[EnvironmentCheck]:
    """Check credentials, proxy, reachability and clock with one request that has no effect."""
    settings = session.settings
    keys = find_keys()
    source = "of the lab" if settings.lab else "" if isinstance(keys, str) else f"from {keys.source}"
    try:
        target = session.target()
    except ConfigurationError as error:
        yield EnvironmentCheck("lab" if settings.lab else "credentials", FAIL, str(error))
        return
    try:
        proxy = None if settings.lab else proxy_for(target.base_url)
    except ConfigurationError as error:
        yield EnvironmentCheck("proxy", FAIL, str(error))
        return
    shown = without_userinfo(str(proxy.url)) if proxy else f"none for {urlsplit(target.base_url).hostname}"
    yield EnvironmentCheck("proxy", OK, shown)
    dated = _DatedResponses()
    try:
        http = HttpClient(
            target.base_url,
            Basic(target.public_key, target.secret_key),
            service="the lab" if settings.lab else "Sipfront",
            limits=Timeouts(connect=settings.connect_timeout, read=settings.read_timeout, retry=0),
            ca_bundle=settings.ca_bundle,
            trust_env=not settings.lab,
            connect=dated.connect,
        )
        started = datetime.now(UTC)
        anyio.run(_explore, http)
    except AuthenticationFailed as error:
        yield EnvironmentCheck("reachability", OK, "the platform answers")
        yield EnvironmentCheck("credentials", FAIL, f"{error} ({source})")
    except SipfrontError as error:
        yield EnvironmentCheck("reachability", FAIL, " ".join(filter(None, [str(error), error.hint])))
    else:
        elapsed = (datetime.now(UTC) - started).total_seconds()
        yield EnvironmentCheck("reachability", OK, f"answered after {elapsed * 1000:.0f} ms")
        yield EnvironmentCheck("credentials", OK, f"accepted, {source}")
    if dated.skew is not None:
        state = OK if abs(dated.skew) <= MAX_SKEW else FAIL
        yield EnvironmentCheck("clock", state, f"{abs(dated.skew):.0f} s from the platform's (at most {MAX_SKEW:g} s)")


async def _explore(http: HttpClient) -> None:
    async with SipfrontClient(http) as client:
        await client.explore()


class _DatedResponses:
    """Transports that compare the date of each response with this machine's clock.

    Attributes:
        skew: This clock minus the server's, in seconds; None if no response has a date.
    """

    def __init__(self) -> None:
        self.skew: float | None = None

    def connect(self, timeouts: Timeouts, authorities: ssl.SSLContext, proxy: Any, *, keepalive: int) -> Transport:
        """Return a transport."""
        return _DatedTransport(self, timeouts, authorities, proxy, keepalive=keepalive)


class _DatedTransport(Transport):
    def __init__(self, dated: _DatedResponses, *arguments: Any, keepalive: int) -> None:
        super().__init__(*arguments, keepalive=keepalive)
        self._dated = dated

    async def send(
        self, method: str, url: str, *, auth: Callable[[httpx.Request], httpx.Request], **content: Any
    ) -> RawResponse:
        response = await super().send(method, url, auth=auth, **content)
        try:
            date = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return response
        if date.tzinfo is not None:
            self._dated.skew = (datetime.now(UTC) - date).total_seconds()
        return response


def _callbacks(session: CommandSession) -> EnvironmentCheck:
    name, settings = "Sift callbacks", session.sift_settings()
    if not session.settings.lab and isinstance(
        target := find_target(settings.base_url, os.environ), ConfigurationError
    ):
        return EnvironmentCheck(name, NOTE, f"not checked: {target}")
    try:
        url = session.check_callbacks()
    except SipfrontError as error:
        return EnvironmentCheck(name, FAIL, " ".join(filter(None, [str(error), error.hint])))
    parts = urlsplit(url)  # the path contains the secret of the callbacks
    return EnvironmentCheck(name, OK, f"{parts.scheme}://{parts.netloc} leads to the receiver on this machine")


def _lab_calls() -> Iterator[EnvironmentCheck]:
    try:
        diagnosis = examine()
    except LabError as error:
        yield EnvironmentCheck("lab calls", NOTE, str(error))
        return
    for check in diagnosis.checks:
        yield EnvironmentCheck(f"lab {check.name}", OK if check.ok else FAIL, check.detail)


def _packet_capture() -> EnvironmentCheck:
    name = "packet capture"
    if sys.platform != "linux":
        return EnvironmentCheck(name, NOTE, "not available: it needs the packet socket of Linux")
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except OSError as error:
        return EnvironmentCheck(name, NOTE, f"not permitted ({error.strerror}); it needs the capability CAP_NET_RAW")
    return EnvironmentCheck(name, OK, "this process may open packet sockets")
