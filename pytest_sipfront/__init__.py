"""Sipfront voice tests as pytest tests."""

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
    EngineStopped,
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
    from pytest_sipfront.plugin.destinations import read_destinations
    from pytest_sipfront.plugin.sipfront_fixture import PendingRun, Sipfront

_LAZY = {
    "PendingRun": "pytest_sipfront.plugin.sipfront_fixture",
    "RunRequest": "pytest_sipfront.clients.sipfront.models",
    "RunResult": "pytest_sipfront.engine.run",
    "Sipfront": "pytest_sipfront.plugin.sipfront_fixture",
    "read_destinations": "pytest_sipfront.plugin.destinations",
}

__all__ = [
    "AuthenticationFailed",
    "BudgetExceeded",
    "CallFailed",
    "CallbackMissing",
    "ConfigurationError",
    "CrossOriginURL",
    "EngineStopped",
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
    "read_destinations",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, since the clients and the lab need neither pytest nor the engine."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def pytest_addoption(parser: Any, pluginmanager: Any) -> None:  # noqa: ARG001
    """Load the plugin for `-p pytest_sipfront` and `pytest_plugins = ["pytest_sipfront"]`."""
    if pluginmanager.is_blocked("sipfront"):
        return
    # The entry point also satisfies `required_plugins`. A checkout on the path has none.
    if not pluginmanager.load_setuptools_entrypoints("pytest11", name="sipfront"):
        pluginmanager.import_plugin("pytest_sipfront.plugin")
