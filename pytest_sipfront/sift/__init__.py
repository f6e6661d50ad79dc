"""Gridspace's Sift: its API, the receiver of its callbacks, and calls as a test drives them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_sipfront.sift.bridge import Bridge
    from pytest_sipfront.sift.call import Call
    from pytest_sipfront.sift.calls import Calls, Incoming, Sift
    from pytest_sipfront.sift.client import SiftClient, SiftHttp
    from pytest_sipfront.sift.heard import NO_ANSWER, Heard, NoAnswer
    from pytest_sipfront.sift.models import Application, Connection, Conversation, Event
    from pytest_sipfront.sift.routine import (
        CallClient,
        CallPhone,
        GetDate,
        GetDigits,
        GetFreeResponse,
        GetMultipleChoice,
        GetName,
        GetNumber,
        GetYesOrNo,
        HangUp,
        JoinConference,
        Play,
        Say,
    )

_HOMES = {
    "bridge": ("Bridge",),
    "call": ("Call",),
    "calls": ("Calls", "Incoming", "Sift"),
    "client": ("SiftClient", "SiftHttp"),
    "heard": ("NO_ANSWER", "Heard", "NoAnswer"),
    "models": ("Application", "Connection", "Conversation", "Event"),
    "routine": (
        "CallClient",
        "CallPhone",
        "GetDate",
        "GetDigits",
        "GetFreeResponse",
        "GetMultipleChoice",
        "GetName",
        "GetNumber",
        "GetYesOrNo",
        "HangUp",
        "JoinConference",
        "Play",
        "Say",
    ),
}

__all__ = [
    "NO_ANSWER",
    "Application",
    "Bridge",
    "Call",
    "CallClient",
    "CallPhone",
    "Calls",
    "Connection",
    "Conversation",
    "Event",
    "GetDate",
    "GetDigits",
    "GetFreeResponse",
    "GetMultipleChoice",
    "GetName",
    "GetNumber",
    "GetYesOrNo",
    "HangUp",
    "Heard",
    "Incoming",
    "JoinConference",
    "NoAnswer",
    "Play",
    "Say",
    "Sift",
    "SiftClient",
    "SiftHttp",
]


def __getattr__(name: str) -> Any:
    """Import at first use: a session without a call pays for none of it."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
