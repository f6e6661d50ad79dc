"""Real calls for the lab: SIP, RTP and DTMF on this machine, judged by what was measured.

`engine()` is what the lab asks for. SIP and RTP themselves are baresip's, through `baresip-python`.
"""

from __future__ import annotations

from pytest_sipfront.lab.calls.calls_backend import CallsBackend

__all__ = ["available", "engine"]


def engine() -> CallsBackend:
    """Return the engine that executes tests by placing their calls."""
    return CallsBackend()


def available() -> str | None:
    """Return why no call can be placed on this machine, in one sentence, or None where it can."""
    return CallsBackend().unavailable or None
