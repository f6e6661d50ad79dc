"""The Sift API v0: `SiftClient`, the commands of routines, and the receiver of callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sipfront.clients.sift.call_inbox import CallInbox, Timeline, TimelineEntry
from pytest_sipfront.clients.sift.callback_log import CallbackLog, ReceivedCallback
from pytest_sipfront.clients.sift.models import (
    Application,
    Audio,
    Channel,
    Connection,
    Conversation,
    Event,
    PhoneNumber,
)
from pytest_sipfront.clients.sift.routine import (
    CallClient,
    CallPhone,
    Command,
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
    Step,
)

if TYPE_CHECKING:
    from pytest_sipfront.clients.sift.client import SiftClient
    from pytest_sipfront.clients.sift.receiver import Receiver

__all__ = [
    "Application",
    "Audio",
    "CallClient",
    "CallInbox",
    "CallPhone",
    "CallbackLog",
    "Channel",
    "Command",
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
    "JoinConference",
    "PhoneNumber",
    "Play",
    "ReceivedCallback",
    "Receiver",
    "Say",
    "SiftClient",
    "Step",
    "Timeline",
    "TimelineEntry",
]


def __getattr__(name: str) -> Any:
    """Import client and receiver at first use: they need an HTTP library and a web server."""
    if name == "SiftClient":
        from pytest_sipfront.clients.sift.client import SiftClient  # noqa: PLC0415

        return SiftClient
    if name == "Receiver":
        from pytest_sipfront.clients.sift.receiver import Receiver  # noqa: PLC0415

        return Receiver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
