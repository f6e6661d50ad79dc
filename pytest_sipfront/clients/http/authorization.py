"""What a service is shown to let us in, and takes out of everything it says."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_sipfront.secret import Secret


class Credentials(Protocol):
    """What a service is shown, and what must never be shown to anybody else."""

    def header(self) -> str:
        """Return the value of the Authorization header."""
        ...

    def scrub(self, text: str) -> str:
        """Return `text` without the secret: a server may echo what it was sent."""
        ...


@dataclass(frozen=True, slots=True)
class Basic:
    """A key pair for Basic authentication."""

    user: Secret
    password: Secret

    def header(self) -> str:
        """Return `Basic ...`."""
        pair = f"{self.user.reveal()}:{self.password.reveal()}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"

    def scrub(self, text: str) -> str:
        """Return `text` without the password, plain or in its header's form."""
        return self.password.scrub(Secret(self.header().removeprefix("Basic ")).scrub(text))


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token for Bearer authentication."""

    token: Secret

    def header(self) -> str:
        """Return `Bearer ...`."""
        return f"Bearer {self.token.reveal()}"

    def scrub(self, text: str) -> str:
        """Return `text` without the token."""
        return self.token.scrub(text)


def scrubbed(data: Any, scrub: Callable[[str], str]) -> Any:
    """Return parsed JSON with every text scrubbed."""
    if isinstance(data, str):
        return scrub(data)
    if isinstance(data, Mapping):
        return {key: scrubbed(value, scrub) for key, value in data.items()}
    return [scrubbed(value, scrub) for value in data] if isinstance(data, list) else data
