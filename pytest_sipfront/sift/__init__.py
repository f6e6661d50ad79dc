"""Gridspace's Sift: its API, the receiver of its callbacks, and calls as a test drives them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_sipfront.clients.sift.client import SiftClient, SiftHttpClient
    from pytest_sipfront.clients.sift.models import Application, Connection, Conversation, Event
    from pytest_sipfront.clients.sift.routine import (
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
    from pytest_sipfront.sift.call import Call
    from pytest_sipfront.sift.calls import Calls, Incoming, Sift
    from pytest_sipfront.sift.live_conversation import LiveConversation
    from pytest_sipfront.sift.transcript import NO_ANSWER, NoAnswer, Transcript

_HOMES = {
    "sift.live_conversation": ("LiveConversation",),
    "sift.call": ("Call",),
    "sift.calls": ("Calls", "Incoming", "Sift"),
    "clients.sift.client": ("SiftClient", "SiftHttpClient"),
    "sift.transcript": ("NO_ANSWER", "Transcript", "NoAnswer"),
    "clients.sift.models": ("Application", "Connection", "Conversation", "Event"),
    "clients.sift.routine": (
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
    "Incoming",
    "JoinConference",
    "LiveConversation",
    "NoAnswer",
    "Play",
    "Say",
    "Sift",
    "SiftClient",
    "SiftHttpClient",
    "Transcript",
]


def __getattr__(name: str) -> Any:
    """Import at first use: a session without a call pays for none of it."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"pytest_sipfront.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
