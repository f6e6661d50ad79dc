"""Credentials of a service: the Authorization header, and the removal of the secret from text."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote, quote_plus

from pytest_sipfront.secret import Secret


class Credentials(Protocol):
    """The credentials of a client."""

    def header(self) -> str:
        """Return the value of the Authorization header."""
        ...

    def scrub(self, text: str) -> str:
        """Return `text` with every spelling of the secret replaced."""
        ...

    def parts(self) -> dict[str, Secret]:
        """Return the parts by name, for `credentials_of`."""
        ...


@dataclass(frozen=True, slots=True)
class Basic:
    """A key pair for Basic authentication."""

    user: Secret
    password: Secret

    def header(self) -> str:
        """Return `Basic ...`."""
        return f"Basic {self._pair()}"

    def scrub(self, text: str) -> str:
        """Return `text` without the password, also as part of the header, percent-encoded or escaped."""
        return _scrub(text, self.password, Secret(self._pair()))

    def parts(self) -> dict[str, Secret]:
        """Return the key pair."""
        return {"user": self.user, "password": self.password}

    def _pair(self) -> str:
        return base64.b64encode(f"{self.user.reveal()}:{self.password.reveal()}".encode()).decode("ascii")


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token for Bearer authentication."""

    token: Secret

    def header(self) -> str:
        """Return `Bearer ...`."""
        return f"Bearer {self.token.reveal()}"

    def scrub(self, text: str) -> str:
        """Return `text` without the token, also percent-encoded or escaped."""
        return _scrub(text, self.token)

    def parts(self) -> dict[str, Secret]:
        """Return the token."""
        return {"token": self.token}


def credentials_of(parts: Mapping[str, Secret]) -> Basic | Bearer:
    """Return the credentials with these parts."""
    return Bearer(**parts) if "token" in parts else Basic(**parts)


def _scrub(text: str, *secrets: Secret) -> str:
    for secret in _spellings(*secrets):
        text = secret.scrub(text)
    return text


@lru_cache(maxsize=16)
def _spellings(*secrets: Secret) -> tuple[Secret, ...]:
    """Return the spellings in which a server may echo the secrets, longest first."""
    spellings = {spelling for secret in secrets for spelling in _spellings_of(secret.reveal())}
    return tuple(Secret(spelling) for spelling in sorted(spellings, key=len, reverse=True))


def _spellings_of(value: str) -> Iterator[str]:
    for spelling in (value, value.rstrip("=")):
        yield from (spelling, quote(spelling, safe=""), quote_plus(spelling), html.escape(spelling))
        yield json.dumps(spelling)[1:-1]
