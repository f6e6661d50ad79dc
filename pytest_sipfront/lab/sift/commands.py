"""The commands that a routine may contain, and the errors of invalid routines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LISTENING = {
    "GetFreeResponse": "value",
    "GetMultipleChoice": "choice",
    "GetYesOrNo": "value",
    "GetNumber": "value",
    "GetDate": "value",
    "GetName": "value",
    "GetDigits": "digits",
}
"""The commands that wait for an answer, each with the key of the answer in its callback."""
CONVERSING = ("CallPhone", "CallClient", "JoinConference")
"""The commands that start a conversation."""
COMMANDS = ("Say", "Play", *LISTENING, *CONVERSING, "HangUp")
REQUIRED = {
    "Play": "sound_url",
    "CallPhone": "phone_number",
    "CallClient": "client_name",
    "JoinConference": "conference_name",
}


def routine_error(routine: Any) -> str:
    """Return why Sift rejects this routine, or "" if it is valid."""
    if not isinstance(routine, list):
        return "routine must be a list of commands"
    return next((text for text in map(_command_error, routine) if text), "")


def _command_error(command: Any) -> str:
    if not isinstance(command, Mapping):
        return f"Unknown command {command!r}"
    name = command.get("name")
    if name not in COMMANDS:
        return f"Unknown command {name}"
    required = REQUIRED.get(name)
    if required is not None and not isinstance(command.get(required), str):
        return f"{name} needs {required}"
    seconds = command.get("timeout_seconds", 1)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
        return "timeout_seconds must be a number of seconds"
    choices = command.get("choices", ())
    if name == "GetMultipleChoice" and not (choices and isinstance(choices, list)):
        return "GetMultipleChoice needs choices"
    return ""
