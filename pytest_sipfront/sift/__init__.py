"""Calls with Gridspace's Sift as tests drive them, and everything that a test imports for them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_sipfront.clients.sift import (
        Application,
        CallClient,
        CallPhone,
        Connection,
        Conversation,
        Event,
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
        SiftClient,
        Timeline,
    )
    from pytest_sipfront.sift.answers import NO_ANSWER, NoAnswer, Transcript
    from pytest_sipfront.sift.call import Call, LiveConversation
    from pytest_sipfront.sift.calls import Calls, Incoming, Sift

_MODULES = {
    "NO_ANSWER": "sift.answers",
    "NoAnswer": "sift.answers",
    "Transcript": "sift.answers",
    "Call": "sift.call",
    "LiveConversation": "sift.call",
    "Calls": "sift.calls",
    "Incoming": "sift.calls",
    "Sift": "sift.calls",
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
    "Timeline",
    "Transcript",
]


def __getattr__(name: str) -> Any:
    """Import a name at its first use, so that a session without a call does not load an HTTP library."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"pytest_sipfront.{_MODULES.get(name, 'clients.sift')}")
    return getattr(module, name)
