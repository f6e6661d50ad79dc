"""Sipfront voice tests as ordinary pytest tests."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pytest_sipfront.errors import (
    AuthenticationFailed,
    BudgetExceeded,
    CallbackMissing,
    CallFailed,
    ConfigurationError,
    CrossOriginURL,
    InvalidResponse,
    LaunchOutcomeUnknown,
    LaunchSkipped,
    LaunchVetoed,
    NotFound,
    NoVerdict,
    PlatformBusy,
    PlatformUnavailable,
    RequestRefused,
    RunFailed,
    RunTimeout,
    SipfrontError,
    SipfrontWarning,
)

if TYPE_CHECKING:
    from pytest_sipfront.clients.sipfront.models import RunRequest
    from pytest_sipfront.engine.run import RunResult
    from pytest_sipfront.plugin.sipfront_fixture import PendingRun, Sipfront

_LATE = {
    "PendingRun": "pytest_sipfront.plugin.sipfront_fixture",
    "RunRequest": "pytest_sipfront.clients.sipfront.models",
    "RunResult": "pytest_sipfront.engine.run",
    "Sipfront": "pytest_sipfront.plugin.sipfront_fixture",
}

__all__ = [
    "AuthenticationFailed",
    "BudgetExceeded",
    "CallFailed",
    "CallbackMissing",
    "ConfigurationError",
    "CrossOriginURL",
    "InvalidResponse",
    "LaunchOutcomeUnknown",
    "LaunchSkipped",
    "LaunchVetoed",
    "NoVerdict",
    "NotFound",
    "PendingRun",
    "PlatformBusy",
    "PlatformUnavailable",
    "RequestRefused",
    "RunFailed",
    "RunRequest",
    "RunResult",
    "RunTimeout",
    "Sipfront",
    "SipfrontError",
    "SipfrontWarning",
]


def __getattr__(name: str) -> Any:
    """Import at first use: the clients and the lab import this package too, and need no pytest."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATE[name]), name)
