"""The commands of a routine, with the field names of Gridspace's pages on each of them.

A field that is None is not sent, so that Sift's own default holds; `do_record` is always sent, since its documented
default differs from command to command. `on_done` and `event_callback` are filled in by whoever receives callbacks.
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
    """One command; its class is its `name`. Making one with a value that cannot work raises `ConfigurationError`."""

    def __post_init__(self) -> None:
        """Check the values; there is nothing to check in every command."""

    def as_json(self) -> dict[str, Any]:
        """Return the command as Sift reads it: `name`, and the fields beside it."""
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        sent = {name: list(value) if isinstance(value, tuple) else value for name, value in given if value is not None}
        return {"name": type(self).__name__, **sent}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting(Command):
    """A command that posts to `on_done` when it is over."""

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
class Asking(Reporting):
    """A command that waits for the other side.

    Attributes:
        prompt_url: A .wav or .mp3 file that is played first. There is no spoken prompt: use a `Say` before.
        timeout_seconds: Whole seconds. Whether they begin before or after the prompt is on no page.
    """

    prompt_url: str | None = None
    timeout_seconds: int | None = None

    def __post_init__(self) -> None:
        _whole(self, "timeout_seconds", self.timeout_seconds)
        if self.prompt_url is not None:
            _web_address(self, "prompt_url", self.prompt_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDigits(Asking):
    """Collect keys 0-9 * #; ends after `count` of them. Keys pressed before a timeout are lost."""

    count: int | None = None

    def __post_init__(self) -> None:
        Asking.__post_init__(self)
        _whole(self, "count", self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFreeResponse(Asking):
    """Transcribe what is said, up to a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetMultipleChoice(Asking):
    """Recognise one of `choices`."""

    choices: Sequence[str]

    def __post_init__(self) -> None:
        Asking.__post_init__(self)
        choices: Any = self.choices
        if isinstance(choices, str) or not isinstance(choices, Sequence):
            raise _wrong(self, "choices", choices, "a list of texts")
        if not choices or not all(isinstance(choice, str) and choice.strip() for choice in choices):
            raise _wrong(self, "choices", choices, "a list of at least one text, none of them empty")
        object.__setattr__(self, "choices", tuple(choices))


@dataclass(frozen=True, slots=True, kw_only=True)
class GetYesOrNo(Asking):
    """Recognise yes or no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetNumber(Asking):
    """Recognise a number, as digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDate(Asking):
    """Recognise a date, in ISO 8601; without its year if none was spoken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetName(Asking):
    """Recognise a person's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversing(Command):
    """A command that begins a conversation, observed through `event_callback`.

    Attributes:
        do_record: Whether it is recorded.
        processors: What is done with the recording: transcribe, findtopics, classify:<name>, grade.
        live_talk_times, live_transcripts, live_topics: Which events are posted while it goes on.
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
    """Ring the VOIP client `client_name` and bridge it to this connection."""

    client_name: str

    def __post_init__(self) -> None:
        Conversing.__post_init__(self)
        _filled(self, "client_name", self.client_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinConference(Conversing):
    """Join the conference room `conference_name`.

    Attributes:
        live_emotion: Adds emotion to transcript events.
        live_scan: Phrases to look for, each `{"key": ..., "query": ...}`.
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
"""A command, or one that this package does not know, as Sift reads it."""


def as_json(step: object) -> dict[str, Any]:
    """Return a step as Sift reads it.

    Raises:
        ConfigurationError: It is neither a command nor a mapping with a `name`.
    """
    if isinstance(step, Command):
        return step.as_json()
    if isinstance(step, Mapping) and isinstance(step.get("name"), str) and step["name"]:
        return dict(step)
    raise ConfigurationError(f"{step!r} is no command of a routine: give a command, or a mapping with its 'name'")


def check_routine(routine: object) -> list[Step]:
    """Return the steps of a routine.

    Raises:
        ConfigurationError: It is no list, or a step of it is no command.
    """
    if isinstance(routine, str | Mapping | Command) or not isinstance(routine, Iterable):
        raise ConfigurationError(
            f"a routine is a list of commands, not {type(routine).__name__}: write [{_shown(routine)}]"
        )
    steps = list(routine)
    for step in steps:
        as_json(step)
    return steps


def check_phone_number(value: object) -> str:
    """Return `value` if it is a phone number that can be dialled.

    Raises:
        ConfigurationError: It is not in E.164 form.
    """
    if isinstance(value, str) and _E164.fullmatch(value):
        return value
    bare = re.sub(r"[\s().\-/]", "", value) if isinstance(value, str) else ""
    hint = f"; did you mean {bare!r}?" if bare != value and _E164.fullmatch(bare) else ""
    raise ConfigurationError(
        f"{value!r} is not a phone number in E.164 form, such as '+15550100200': + and country code, digits only{hint}"
    )


def check_endpoint(phone_number: str | None, client_name: str | None) -> dict[str, str]:
    """Return whom to call, as Sift reads it.

    Raises:
        ConfigurationError: Both or neither of them are given, or the one given cannot be called.
    """
    if (phone_number is None) == (client_name is None):
        given = "neither is" if phone_number is None else "both are"
        raise ConfigurationError(f"give one of phone_number and client_name: {given} given")
    if phone_number is not None:
        return {"phone_number": check_phone_number(phone_number)}
    if not isinstance(client_name, str) or not client_name.strip():
        raise ConfigurationError(f"client_name={client_name!r} is not the name of a VOIP client")
    return {"client_name": client_name}


def _wrong(command: Command, name: str, value: object, wanted: str) -> ConfigurationError:
    return ConfigurationError(f"{type(command).__name__}: {name}={value!r} is not {wanted}")


def _filled(command: Command, name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(command, name, value, "a text with something in it")


def _whole(command: Command, name: str, value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise _wrong(command, name, value, "a whole number, 1 or more")


def _web_address(command: Command, name: str, value: object) -> None:
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise _wrong(command, name, value, "an http(s) URL that Sift can fetch")


def _shown(value: object) -> str:
    return "..." if isinstance(value, str) else repr(value)
