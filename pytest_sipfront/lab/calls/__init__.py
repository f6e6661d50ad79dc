"""Real calls for the lab: SIP, RTP and DTMF on this machine. The SIP stack is baresip, through `baresip-python`."""

from __future__ import annotations

from pytest_sipfront.lab.calls.calls_backend import CallsBackend

__all__ = ["available", "engine"]


def engine() -> CallsBackend:
    """Return the backend that executes tests by placing their calls."""
    return CallsBackend()


def available() -> str | None:
    """Return why this machine cannot place calls, in one sentence, or None if it can."""
    return CallsBackend().unavailable or None
