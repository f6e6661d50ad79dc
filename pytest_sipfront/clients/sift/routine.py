"""The commands of a routine, with the field names of Gridspace's documentation.

A field that is None is not sent, so Sift's default applies. `do_record` is always sent, since its documented default
differs between commands. A call fills in `on_done` and `event_callback` with the URLs of its receiver.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from pytest_sipfront.errors import ConfigurationError

_E164 = re.compile(r"\+[1-9][0-9]{4,14}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command. The class name is its `name`. An invalid value raises `ConfigurationError`."""

    def __post_init__(self) -> None:
        """Check the values."""

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object: `name` and the fields that are set."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        given = {
            name: list(value) if isinstance(value, tuple) else value for name, value in values if value is not None
        }
        return {"name": type(self).__name__, **given}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting(Command):
    """A command that posts to `on_done` when it is done."""

    on_done: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Say(Reporting):
    """Speak `text`."""

    text: str

    def __post_init__(self) -> None:
        _filled(self, "text", self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Play(Reporting):
    """Play the .wav or .mp3 file at `sound_url`."""

    sound_url: str

    def __post_init__(self) -> None:
        _web_address(self, "sound_url", self.sound_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening(Reporting):
    """A command that waits for input from the other side.

    Attributes:
        prompt_url: A .wav or .mp3 file that is played first. For a spoken prompt put a `Say` before the command.
        timeout_seconds: Whole seconds. It is not documented whether they begin before or after the prompt.
    """

    prompt_url: str | None = None
    timeout_seconds: int | None = None

    def __post_init__(self) -> None:
        _whole(self, "timeout_seconds", self.timeout_seconds)
        if self.prompt_url is not None:
            _web_address(self, "prompt_url", self.prompt_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDigits(Listening):
    """Collect keys (0-9, * and #) until there are `count` of them. After a timeout the collected keys are lost."""

    count: int | None = None

    def __post_init__(self) -> None:
        Listening.__post_init__(self)
        _whole(self, "count", self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFreeResponse(Listening):
    """Transcribe speech up to a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetMultipleChoice(Listening):
    """Recognise one of `choices`."""

    choices: Sequence[str]

    def __post_init__(self) -> None:
        Listening.__post_init__(self)
        choices: Any = self.choices
        if isinstance(choices, str) or not isinstance(choices, Sequence):
            raise _invalid(self, "choices", choices, "a list of strings")
        if not choices or not all(isinstance(choice, str) and choice.strip() for choice in choices):
            raise _invalid(self, "choices", choices, "a list of one or more non-empty strings")
        object.__setattr__(self, "choices", tuple(choices))


@dataclass(frozen=True, slots=True, kw_only=True)
class GetYesOrNo(Listening):
    """Recognise yes or no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetNumber(Listening):
    """Recognise a number, as digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDate(Listening):
    """Recognise a date, in ISO 8601; without the year if it was not spoken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetName(Listening):
    """Recognise a person's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversing(Command):
    """A command that begins a conversation. Its events are posted to `event_callback`.

    Attributes:
        do_record: Whether the conversation is recorded.
        processors: The processing of the recording: transcribe, findtopics, classify:<name>, grade.
        live_talk_times, live_transcripts, live_topics: The events to post during the conversation.
    """

    event_callback: str | None = None
    do_record: bool = False
    live_talk_times: bool | None = None
    live_transcripts: bool | None = None
    live_topics: bool | None = None
    processors: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.processors is not None:
            object.__setattr__(self, "processors", tuple(self.processors))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPhone(Conversing):
    """Dial a second leg to `phone_number` (E.164) and bridge it to this connection."""

    phone_number: str

    def __post_init__(self) -> None:
        Conversing.__post_init__(self)
        check_phone_number(self.phone_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClient(Conversing):
    """Ring the VoIP client `client_name` and bridge it to this connection."""

    client_name: str

    def __post_init__(self) -> None:
        Conversing.__post_init__(self)
        _filled(self, "client_name", self.client_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinConference(Conversing):
    """Join the conference room `conference_name`.

    Attributes:
        live_emotion: Whether transcript events contain emotions.
        live_scan: Phrases to search for, each `{"key": ..., "query": ...}`.
    """

    conference_name: str
    live_emotion: bool | None = None
    live_scan: Sequence[Mapping[str, str]] | None = None

    def __post_init__(self) -> None:
        Conversing.__post_init__(self)
        _filled(self, "conference_name", self.conference_name)
        if self.live_scan is not None:
            object.__setattr__(self, "live_scan", tuple(self.live_scan))


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp(Command):
    """End the connection."""


Step: TypeAlias = Command | Mapping[str, Any]
"""A command, or the JSON object of a command without a class here."""


def as_json(step: object) -> dict[str, Any]:
    """Return the JSON object of a step.

    Raises:
        ConfigurationError: The step is not a command and not a mapping with a `name`.
    """
    if isinstance(step, Command):
        return step.as_json()
    if isinstance(step, Mapping) and isinstance(step.get("name"), str) and step["name"]:
        return dict(step)
    raise ConfigurationError(f"{step!r} is not a command; a routine consists of commands, or mappings with a 'name'")


def check_routine(routine: object) -> list[Step]:
    """Return the steps of a routine.

    Raises:
        ConfigurationError: The routine is not a list, or a step is not a command.
    """
    if isinstance(routine, str | Mapping | Command) or not isinstance(routine, Iterable):
        raise ConfigurationError(
            f"a routine must be a list of commands, got {type(routine).__name__}; write [{_shown(routine)}]"
        )
    steps = list(routine)
    for step in steps:
        as_json(step)
    return steps


def check_phone_number(value: object) -> str:
    """Return `value` if it is a phone number in E.164 form.

    Raises:
        ConfigurationError: It is not.
    """
    if isinstance(value, str) and _E164.fullmatch(value):
        return value
    bare = re.sub(r"[\s().\-/]", "", value) if isinstance(value, str) else ""
    suggestion = f"; did you mean {bare!r}?" if bare != value and _E164.fullmatch(bare) else ""
    raise ConfigurationError(
        f"{value!r} is not a phone number in E.164 form: + and country code, digits only, such as '+15550100200'"
        f"{suggestion}"
    )


def check_endpoint(phone_number: str | None, client_name: str | None) -> dict[str, str]:
    """Return the endpoint to call as JSON fields.

    Raises:
        ConfigurationError: Not exactly one of them is given, or it is invalid.
    """
    if (phone_number is None) == (client_name is None):
        given = "neither" if phone_number is None else "both"
        raise ConfigurationError(f"exactly one of phone_number and client_name is required, got {given}")
    if phone_number is not None:
        return {"phone_number": check_phone_number(phone_number)}
    if not isinstance(client_name, str) or not client_name.strip():
        raise ConfigurationError(f"client_name must be the name of a VoIP client, got {client_name!r}")
    return {"client_name": client_name}


def _invalid(command: Command, name: str, value: object, allowed: str) -> ConfigurationError:
    return ConfigurationError(f"{type(command).__name__}: {name} must be {allowed}, got {value!r}")


def _filled(command: Command, name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise _invalid(command, name, value, "a non-empty string")


def _whole(command: Command, name: str, value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise _invalid(command, name, value, "an integer >= 1")


def _web_address(command: Command, name: str, value: object) -> None:
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise _invalid(command, name, value, "an http(s) URL")


def _shown(value: object) -> str:
    return "..." if isinstance(value, str) else repr(value)
