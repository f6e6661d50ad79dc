"""The Sipfront API v2: requests, responses, and `SipfrontClient`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sipfront.clients.sipfront.models import (
    Document,
    Endpoint,
    LastStatus,
    Launched,
    Override,
    RunRequest,
    RunStatus,
)

if TYPE_CHECKING:
    from pytest_sipfront.clients.sipfront.client import SipfrontClient

__all__ = [
    "Document",
    "Endpoint",
    "LastStatus",
    "Launched",
    "Override",
    "RunRequest",
    "RunStatus",
    "SipfrontClient",
]


def __getattr__(name: str) -> Any:
    """Import the client at first use, since it needs an HTTP library."""
    if name != "SipfrontClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_sipfront.clients.sipfront.client import SipfrontClient  # noqa: PLC0415

    return SipfrontClient
