"""Which commands a routine may have, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_sipfront.lab.sift.conversations import CONVERSING
from pytest_sipfront.lab.sift.scripted_callee import LISTENING

COMMANDS = ("Say", "Play", *LISTENING, *CONVERSING, "HangUp")
REQUIRED = {
    "Play": "sound_url",
    "CallPhone": "phone_number",
    "CallClient": "client_name",
    "JoinConference": "conference_name",
}


def objection(routine: Any) -> str:
    """Return why Sift does not do this routine; "" if it does."""
    if not isinstance(routine, list):
        return "routine must be a list of commands"
    return next((text for text in map(_objection, routine) if text), "")


def _objection(command: Any) -> str:
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
