"""The keys of a lab file about calls: prompts, phones, the target and limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from pytest_sipfront.lab.addresses import DIALLED, escaped, is_loopback, matches
from pytest_sipfront.yaml_models import (
    Count,
    Flag,
    InvalidValueError,
    Name,
    PositiveCount,
    Resolved,
    Seconds,
    YamlModel,
)

HANG_UP = "hang_up"
USER_VARIABLE = "SIPFRONT_LAB_SIP_USER"
PASSWORD_VARIABLE = "SIPFRONT_LAB_SIP_PASSWORD"  # noqa: S105 - a variable's name, not its value
_SIP_URI = re.compile(r"sip:(?P<host>[^:;@\s]+)(?::(?P<port>\d{1,5}))?(?:;transport=(?P<transport>udp|tcp))?")
Percent = Annotated[float, Field(ge=0, le=100, strict=True), Resolved]
_DEFAULT_PORT, _HIGHEST_PORT = 5060, 65535


def _in_directory(path: Path, info: ValidationInfo) -> Path:
    return path if info.context is None else Path(info.context) / path


def _check_inside(path: Path, info: ValidationInfo, key: str) -> None:
    directory = Path(info.context).resolve() if info.context is not None else None
    if directory is not None and not path.resolve().is_relative_to(directory):
        raise InvalidValueError(f"is outside of {directory}; that needs 'allow_outside: true'", (key,))


class PromptSpec(YamlModel):
    """A prompt: a WAV file, text for speech synthesis, or a tone."""

    wav: Annotated[Path, AfterValidator(_in_directory)] | None = Field(
        default=None,
        description="sound file, relative to the lab file: WAV of any sample rate and format",
    )
    allow_outside: Flag = Field(default=False, description="allow a file outside the directory of the lab file")
    say: str | None = Field(default=None, description="text for the synthesis, which sounds the same everywhere")
    tone: Annotated[float, Field(ge=50, le=3500, strict=True), Resolved] | None = Field(
        default=None, description="frequency of a sine, in hertz"
    )
    seconds: Annotated[float, Field(ge=0.1, le=30, strict=True), Resolved] = Field(
        default=1.0, description="length of the tone, in seconds"
    )

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> PromptSpec:
        if self.wav is not None and not self.allow_outside:
            _check_inside(self.wav, info, "wav")
        if sum(source is not None for source in (self.wav, self.say, self.tone)) != 1:
            raise ValueError("a prompt needs exactly one of wav, say and tone")
        return self


class MenuState(YamlModel):
    """A state of a phone's menu: the prompt it plays and where each digit leads."""

    free_keys = ("digits", "^[0-9A-D*#]$")

    play: str | None = Field(default=None, description="prompt that the state plays")
    digits: Mapping[str, str] = Field(
        default_factory=dict,
        validation_alias="<digits>",
        description=f"DTMF digit with the state that it leads to, or `{HANG_UP}`",
    )
    hang_up: Flag = Field(default=False, description="end the call after the prompt")


class LineProfile(YamlModel):
    """Impairments of the RTP between a caller of the lab and the phone, in both directions."""

    loss: Percent = Field(default=0.0, description="lost packets, in percent")
    duplicate: Percent = Field(default=0.0, description="duplicated packets, in percent")
    reorder: Percent = Field(default=0.0, description="packets that arrive 30 ms late and out of order, in percent")
    delay: Seconds = Field(default=0.0, description="delay of every packet, in milliseconds")
    jitter: Seconds = Field(default=0.0, description="largest random delay of a packet, in milliseconds")
    seed: Count = Field(default=0, description="seed of the random numbers")


class Phone(YamlModel):
    """A phone of the lab: how it handles a call, and its faults."""

    number: str = Field(
        default="",
        description="number, or first digits and `*` for all numbers that begin with them (default: its name)",
    )
    answer_after: Seconds = Field(default=0.0, description="seconds of ringing before it answers")
    play: str | None = Field(default=None, description="prompt that it plays; mutually exclusive with `menu`")
    repeat: Flag = Field(default=False, description="play the prompt over and over")
    menu: Mapping[str, MenuState] = Field(default_factory=dict, description="states by name; the first is the start")
    send_dtmf: str = Field(default="", description="digits that it sends after its answer")
    record: Flag = Field(default=True, description="keep the recording of its calls")
    hang_up_after: Seconds | None = Field(default=None, description="seconds from its answer until it hangs up")
    silent: Flag = Field(default=False, description="fault: send packets that contain silence")
    one_way: Literal["sends", "receives"] | None = Field(
        default=None, description="fault: `receives` sends no RTP, `sends` drops every packet and digit that arrives"
    )
    reject: Annotated[Literal[404, 486, 488], Resolved] | None = Field(
        default=None, description="fault: reject calls with this code; the SIP stack can send no other"
    )
    never_answers: Flag = Field(default=False, description="fault: ring until the caller gives up")
    wrong_prompt: Mapping[str, str] = Field(
        default_factory=dict, description="fault: prompts to play in place of others, for example `{welcome: closed}`"
    )
    lose_digit: PositiveCount | None = Field(
        default=None, description="fault: position of a digit that it does not notice, counted from 1"
    )

    line: LineProfile | None = Field(default=None, description="fault: impairments of its RTP")

    @model_validator(mode="after")
    def _check(self) -> Phone:
        if self.play is not None and self.menu:
            raise ValueError("play and menu are mutually exclusive")
        for name, state in self.menu.items():
            for digit, follower in state.digits.items():
                if follower != HANG_UP and follower not in self.menu:
                    states = ", ".join((*self.menu, HANG_UP))
                    raise InvalidValueError(f"must be one of {states}, got '{follower}'", ("menu", name, digit))
        return self


class PhoneTable(YamlModel):
    """A CSV or TSV file with a phone in each row."""

    file: Annotated[Path, AfterValidator(_in_directory)] = Field(description="the file, relative to the lab file")
    allow_outside: Flag = Field(default=False, description="allow a file outside the directory of the lab file")

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> PhoneTable:
        if not self.allow_outside:
            _check_inside(self.file, info, "file")
        return self


class Target(YamlModel):
    """A PBX that is called instead of the phones of the lab. Credentials come from environment variables only."""

    uri: Name = Field(description="SIP URI, for example `sip:127.0.0.1:5060;transport=tcp` (default transport: udp)")
    allow_remote: Flag = Field(default=False, description="allow an address of another machine")
    user_variable: Name = Field(default=USER_VARIABLE, description="environment variable with the user")
    password_variable: Name = Field(default=PASSWORD_VARIABLE, description="environment variable with the password")

    @model_validator(mode="after")
    def _check(self) -> Target:
        uri = _SIP_URI.fullmatch(self.uri)
        if uri is None or int(uri["port"] or 1) > _HIGHEST_PORT:
            raise InvalidValueError(
                f"must be sip:<host>:<port>, optionally with ;transport=udp or ;transport=tcp, got {self.uri!r}",
                ("uri",),
            )
        if not self.allow_remote and not is_loopback(self.host):
            raise ValueError(f"{self.host} is another machine; calls to it need 'allow_remote: true'")
        return self

    def _part(self, name: str) -> str:
        uri = _SIP_URI.fullmatch(self.uri)
        return (uri[name] if uri else None) or ""

    @property
    def host(self) -> str:
        """Host name or IP address."""
        return self._part("host")

    @property
    def port(self) -> int:
        """Port number."""
        return int(self._part("port") or _DEFAULT_PORT)

    @property
    def transport(self) -> str:
        """Transport protocol: "udp" or "tcp"."""
        return self._part("transport") or "udp"

    @property
    def address(self) -> str:
        """Host and port as in a SIP URI."""
        return f"{self.host}:{self.port}"


def _with_uri(value: Any) -> Any:
    return {"uri": value} if isinstance(value, str) else value


def _with_file(value: Any) -> Any:
    return {"file": value} if isinstance(value, str) else value


class CallLimits(YamlModel):
    """How many calls the lab may place."""

    concurrent_calls: Annotated[int, Field(ge=1, le=200, strict=True), Resolved] = Field(
        default=20, description="maximum number of concurrent calls of all runs; further calls wait"
    )
    calls_per_run: Annotated[int, Field(ge=1, le=100_000, strict=True), Resolved] = Field(
        default=1000, description="maximum number of calls of one run; a run that asks for more ends as errored"
    )
    call_seconds: Annotated[float, Field(ge=0.1, le=3600, strict=True), Resolved] = Field(
        default=60.0, description="maximum length of a call in seconds; longer calls are hung up and fail"
    )


def phone_of(phones: Mapping[str, Phone], number: str) -> str:
    """Return the name of the phone with this number, or else of the first one whose pattern matches, or ""."""
    exact = (name for name, phone in phones.items() if escaped(phone.number) == escaped(number))
    matching = (name for name, phone in phones.items() if matches(number, phone.number))
    return next(exact, "") or next(matching, "")


def _numbered(phones: Mapping[str, Phone]) -> Mapping[str, Phone]:
    """Give each phone without a number its name as number."""
    numbers: set[str] = set()
    for name, phone in phones.items():
        number = phone.number or name
        if not DIALLED.fullmatch(number):
            raise InvalidValueError(f"{number!r} cannot be dialled; set 'number' to one without spaces", (name,))
        if escaped(number) in numbers:
            raise InvalidValueError(f"duplicate number {number}", (name, "number"))
        numbers.add(escaped(number))
    return {name: phone.model_copy(update={"number": phone.number or name}) for name, phone in phones.items()}


CallsMode: TypeAlias = Literal["auto", "required", "scripted"]


class CallPlan(YamlModel):
    """The sections about calls."""

    calls: CallsMode = Field(
        default="auto",
        description="how runs with steps get their verdicts: `required`: by real calls only; `scripted`: always by the "
        "verdict in this file; `auto`: as `required` on Linux and macOS, elsewhere scripted if no call can be placed",
    )
    prompts: Mapping[str, PromptSpec] = Field(default_factory=dict, description="prompts by name")
    phones: Annotated[Mapping[str, Phone], AfterValidator(_numbered)] = Field(
        default_factory=dict, description="phones of the lab by name"
    )
    phone_table: Annotated[PhoneTable, BeforeValidator(_with_file, json_schema_input_type=str | PhoneTable)] | None = (
        Field(
            default=None,
            description="further phones: a CSV or TSV file, or a mapping; columns are `name` and the keys of a phone",
        )
    )
    target: Annotated[Target, BeforeValidator(_with_uri, json_schema_input_type=str | Target)] | None = Field(
        default=None, description="PBX to call instead of the phones of the lab: a SIP URI, or a mapping"
    )
    limits: CallLimits = Field(default_factory=CallLimits, description="limits of all calls")

    def may_reach(self, address: str) -> bool:
        """Whether the lab may send to `address`, a host or host:port: this machine, or the target that is allowed."""
        host = address.partition(":")[0]
        return not host or is_loopback(host) or (self.target is not None and host == self.target.host)
