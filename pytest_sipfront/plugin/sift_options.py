"""Options and credentials for Sift: command line > environment > ini file > default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.plugin.credentials import invalid_credential
from pytest_sipfront.plugin.option_types import LOOPBACK, positive_seconds
from pytest_sipfront.plugin.options import Option, effective
from pytest_sipfront.secret import Secret

if TYPE_CHECKING:
    from pytest_sipfront.clients.http import Credentials

PRODUCTION = "https://api.gridspace.com/v0"
ACCOUNT_ID, AUTH_TOKEN, BEARER_TOKEN = "SIFT_ACCOUNT_ID", "SIFT_AUTH_TOKEN", "SIFT_BEARER_TOKEN"
CALLBACK_TOKEN = "SIFT_CALLBACK_TOKEN"  # noqa: S105 - a name
ENVIRONMENT = (ACCOUNT_ID, AUTH_TOKEN, BEARER_TOKEN, CALLBACK_TOKEN)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,}")


class SiftOption(Option):
    """One setting with its three names: `--sift-base-url`, `SIFT_BASE_URL` and `sift_base_url`."""

    @property
    def ini(self) -> str:
        return f"sift_{self.name}"


def _url(text: str, example: str) -> str:
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in {"http", "https"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"must be a URL such as {example}, without user name, query and fragment")
    return text.strip().rstrip("/")


def _base_url(text: str) -> str:
    """Return the URL. Credentials are sent to it, so plain HTTP is limited to loopback."""
    url = _url(text, PRODUCTION)
    if url.startswith("http:") and (urlsplit(url).hostname or "") not in LOOPBACK:
        raise ValueError("must use https, since http would expose the credentials (http is allowed for localhost only)")
    return url


def _callback_url(text: str) -> str:
    return _url(text, "https://qa.example.com/sift")


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):  # noqa: PLR2004 - of TCP
        raise ValueError("must be an address and a port such as 127.0.0.1:8080 (port 0 selects a free port)")
    return host, int(port)


OPTIONS = (
    SiftOption("base_url", _base_url, PRODUCTION, f"base URL of Sift (default: {PRODUCTION})", "URL"),
    SiftOption(
        "callback_url",
        _callback_url,
        "",
        "public URL of the callback receiver, if it is behind a tunnel or proxy (default: the receiver's own URL)",
        "URL",
    ),
    SiftOption(
        "listen",
        _listen,
        ("127.0.0.1", 0),
        "address of the callback receiver (default: 127.0.0.1 and a free port)",
        "ADDR",
    ),
    SiftOption(
        "callback_timeout",
        positive_seconds,
        30.0,
        "how long to wait for a callback after its command should have ended, in seconds (default: 30)",
        "S",
        "float",
    ),
    SiftOption(
        "callback_response",
        str,
        "routine",
        "response to the status callback 'connected': 'routine' contains the test's first command or a routine that "
        "keeps the call up, 'empty' contains nothing (default: routine)",
        "FORM",
        choices=("routine", "empty"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiftSettings:
    """The effective settings.

    Attributes:
        listen: Host and port of the callback receiver.
        sources: The source of each setting, by name.
    """

    base_url: str
    callback_url: str
    listen: tuple[str, int]
    callback_timeout: float
    callback_response: str
    sources: Mapping[str, str]


def add_options(parser: pytest.Parser) -> None:
    """Register all options and ini keys."""
    group = parser.getgroup("sift", "Sift calls")
    for option in OPTIONS:
        option.register(parser, group)


def read_settings(config: pytest.Config, environment: Mapping[str, str] = os.environ) -> SiftSettings:
    """Return the effective settings.

    Raises:
        pytest.UsageError: A value is invalid. The message names its source and what is allowed.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for option in OPTIONS:
        values[option.name], sources[option.name] = effective(option, config, environment)
    return SiftSettings(**values, sources=sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiftTarget:
    """The base URL of Sift and the credentials for it.

    Attributes:
        account_id: The account's id, which callbacks contain; "" if it is unknown.
        token: The secret segment of callback URLs; "" for a random one.
        on_lab: Whether the base URL leads to the lab on this machine.
    """

    base_url: str
    credentials: Credentials
    account_id: str = ""
    token: Secret = field(default_factory=lambda: Secret(""))
    on_lab: bool = False


def account_target(base_url: str) -> SiftTarget:
    """Return the target for an account at Sift.

    Raises:
        ConfigurationError: Credentials are missing or invalid. The test must not be skipped: skipped tests look green.
    """
    __tracebackhide__ = True
    target = find_target(base_url, os.environ)  # returns its error: the frame that raises must not hold credentials
    if isinstance(target, ConfigurationError):
        raise target
    return target


def find_target(base_url: str, environment: Mapping[str, str]) -> SiftTarget | ConfigurationError:
    """Return the target with the credentials from the environment, or the error for missing or invalid ones."""
    from pytest_sipfront.clients.authorization import Basic, Bearer  # noqa: PLC0415 - only sessions with a call

    account_id, auth_token, bearer, token = (environment.get(name, "").strip() for name in ENVIRONMENT)
    for name, value in ((ACCOUNT_ID, account_id), (AUTH_TOKEN, auth_token), (BEARER_TOKEN, bearer)):
        if problem := invalid_credential(value):
            return ConfigurationError(f"{name} {problem}")
    if token and not _TOKEN.fullmatch(token):
        return ConfigurationError(
            f"{CALLBACK_TOKEN} must consist of at least 16 letters, digits, '-' and '_' (its value is not shown)"
        )
    if bearer:
        return SiftTarget(
            base_url=base_url, credentials=Bearer(Secret(bearer)), account_id=account_id, token=Secret(token)
        )
    if account_id and auth_token:
        credentials = Basic(Secret(account_id), Secret(auth_token))
        return SiftTarget(base_url=base_url, credentials=credentials, account_id=account_id, token=Secret(token))
    missing = [name for name, value in ((ACCOUNT_ID, account_id), (AUTH_TOKEN, auth_token)) if not value]
    return ConfigurationError(
        f"no credentials for Sift: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
        evidence={
            "account id and token": f"environment variables {ACCOUNT_ID} and {AUTH_TOKEN}",
            "or temporary key": f"environment variable {BEARER_TOKEN}",
        },
        hint="The account page at Gridspace shows them. To run without an account, use --sipfront-lab.",
    )


def lab_target(lab: Mapping[str, Any]) -> SiftTarget:
    """Return the target for the lab, from its URL and key pair."""
    from pytest_sipfront.clients.authorization import Basic  # noqa: PLC0415

    credentials = Basic(Secret(lab["public_key"]), Secret(lab["secret_key"]))
    return SiftTarget(base_url=f"{lab['url']}/v0", credentials=credentials, account_id=lab["public_key"], on_lab=True)
