"""Real calls for the lab: SIP, RTP and DTMF on this machine. The SIP stack is baresip, through `baresip-python`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.calls_backend import CallsBackend

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.calls_section import CallsMode

__all__ = ["available", "engine"]


def engine(calls: CallsMode = "auto") -> CallsBackend:
    """Return the backend that executes tests by placing their calls; see `CallsBackend` for the argument."""
    return CallsBackend(calls)


def available() -> str | None:
    """Return why this machine cannot place calls, in one sentence, or None if it can."""
    return CallsBackend().unavailable or None
