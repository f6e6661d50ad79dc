"""The lab file's sections about calls: what may stand in them, and what they become."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from pytest_sipfront.lab.calls.call_record import CALLEE, CALLER
from pytest_sipfront.lab.calls.conditions import BOTH, FROM_CALLEE, FROM_CALLER, NO_MEDIA, Conditions
from pytest_sipfront.lab.file.calls_section import (
    PASSWORD_VARIABLE,
    REJECTIONS,
    USER_VARIABLE,
    CallLimits,
    MenuState,
    Phone,
    PromptSpec,
    Target,
)
from pytest_sipfront.lab.file.field_types import Choice, Convert, Either, Flag, ListOf, MapOf, Number, Text, Whole
from pytest_sipfront.lab.file.schema import Field, Free, Kind, Section, Source, nearest
from pytest_sipfront.lab.file.steps import (
    DIALLED,
    Action,
    CallAction,
    ExpectDtmfAction,
    HangUpAction,
    HoldAction,
    PlayAction,
    RegisterAction,
    SendDtmfAction,
    WaitAction,
    check,
)

_WORD = Text(verbatim=True)
_SECONDS = Number(low=0)
_DIGITS = "0123456789ABCD*#"
_SIP_URI = re.compile(r"sip:(?P<host>[^:;@\s]+)(?::(?P<port>\d{1,5}))?(?:;transport=(?P<transport>udp|tcp))?")
_HIGHEST_PORT = 65535


# ---- prompts, phones, target, limits ----------------------------------------------------------------------------

_PROMPT = Section(
    "a prompt",
    {
        "wav": Field(_WORD, None),
        "say": Field(_WORD, None),
        "tone": Field(Number(low=50, high=3500), None),
        "seconds": Field(Number(low=0.1, high=30), 1.0),
    },
    PromptSpec,
)
_MENU_STATE = Section(
    "a menu state",
    {"play": Field(_WORD, None), "hang_up": Field(Flag(), False)},
    MenuState,
    free=Free("digits", _WORD, lambda key: key in _DIGITS and len(key) == 1),
)


def _rejection(code: int) -> int:
    if code not in REJECTIONS:
        allowed = ", ".join(map(str, REJECTIONS))
        raise ValueError(f"given is {code}, allowed is one of {allowed}: the SIP stack can refuse with no other code")
    return code


_PHONE = Section(
    "a phone",
    {
        "number": Field(_WORD, ""),
        "answer_after": Field(_SECONDS, 0.0),
        "play": Field(_WORD, None),
        "repeat": Field(Flag(), False),
        "menu": Field(MapOf(_MENU_STATE), {}),
        "send_dtmf": Field(_WORD, ""),
        "record": Field(Flag(), True),
        "hang_up_after": Field(_SECONDS, None),
        "silent": Field(Flag(), False),
        "one_way": Field(Choice("sends", "receives"), None),
        "reject": Field(Convert(Whole(), _rejection), None),
        "never_answers": Field(Flag(), False),
        "wrong_prompt": Field(MapOf(_WORD), {}),
        "lose_digit": Field(Whole(low=1), None),
    },
    Phone,
)


def _numbered(phones: Mapping[str, Phone]) -> dict[str, Phone]:
    """Every phone with a number: its name where it has none of its own."""
    numbered = {name: dataclasses.replace(phone, number=phone.number or name) for name, phone in phones.items()}
    owners: dict[str, str] = {}
    for name, phone in numbered.items():
        if not DIALLED.fullmatch(phone.number):
            raise ValueError(f"phone '{name}': '{phone.number}' cannot be dialled; give it a number without spaces")
        if phone.number in owners:
            raise ValueError(f"phones '{owners[phone.number]}' and '{name}' both have the number {phone.number}")
        owners[phone.number] = name
    return numbered


def _endpoint(uri: str) -> dict[str, Any]:
    found = _SIP_URI.fullmatch(uri)
    if found is None or int(found["port"] or 1) > _HIGHEST_PORT:
        raise ValueError(f"given is '{uri}', allowed is sip:host:port, with ;transport=udp or ;transport=tcp behind it")
    return {"host": found["host"], "port": int(found["port"] or 5060), "transport": found["transport"] or "udp"}


def _target(uri: str, **others: Any) -> Target:
    return Target(**_endpoint(uri), **others)


class _TargetKind(Kind[Target]):
    """A SIP URI, or a mapping with it and more."""

    _short = Convert(Text(), _target)
    _long = Section(
        "target",
        {
            "uri": Field(Text()),
            "allow_remote": Field(Flag(), False),
            "user_variable": Field(Text(), USER_VARIABLE),
            "password_variable": Field(Text(), PASSWORD_VARIABLE),
        },
        _target,
    )
    allowed = f"a SIP URI, or {_long.allowed}"

    def read(self, source: Source, node: yaml.Node) -> Target:
        return (self._short if isinstance(node, yaml.ScalarNode) else self._long).read(source, node)


_LIMITS = Section(
    "limits",
    {
        "concurrent_calls": Field(Whole(1, 200), CallLimits().concurrent_calls),
        "calls_per_run": Field(Whole(1, 100_000), CallLimits().calls_per_run),
        "call_seconds": Field(Number(0.1, 3600), CallLimits().call_seconds),
    },
    CallLimits,
)

FILE_KEYS: Mapping[str, Field] = {
    "prompts": Field(MapOf(_PROMPT), {}),
    "phones": Field(Convert(MapOf(_PHONE), _numbered), {}),
    "target": Field(_TargetKind(), None),
    "limits": Field(_LIMITS, CallLimits()),
}


# ---- a test's steps and conditions ------------------------------------------------------------------------------

_ACTIONS: Mapping[str, type[Action]] = {
    action.word: action
    for action in (
        RegisterAction,
        WaitAction,
        CallAction,
        SendDtmfAction,
        ExpectDtmfAction,
        PlayAction,
        HoldAction,
        HangUpAction,
    )
}
_PARAMETER_KINDS: Mapping[str, Kind[Any]] = {
    "str": _WORD,
    "int": Whole(low=0),
    "float": _SECONDS,
    "float | None": _SECONDS,
}


def _builder(action: type[Action]) -> Callable[..., Action]:
    return lambda **values: action(**{name: value for name, value in values.items() if name != "action"})


def _action_section(action: type[Action]) -> Section[Action]:
    fields = {"action": Field(_WORD)}
    for field in dataclasses.fields(action):
        kind = _PARAMETER_KINDS[str(field.type)]
        fields[field.name] = Field(kind) if field.default is dataclasses.MISSING else Field(kind, field.default)
    return Section(f"action '{action.word}'", fields, _builder(action))


class _ActionKind(Kind[Action]):
    """A mapping whose `action` says which further keys it has."""

    allowed = f"a mapping with 'action' ({', '.join(_ACTIONS)}) and that action's parameters"
    _sections: Mapping[str, Section[Action]] = {word: _action_section(action) for word, action in _ACTIONS.items()}

    def read(self, source: Source, node: yaml.Node) -> Action:
        if not isinstance(node, yaml.MappingNode):
            raise self.refuse(source, node)
        words = [value for _, key, value in source.entries(node) if key == "action"]
        if not words:
            raise source.place(node).error(f"the action is not named, allowed is {self.allowed}")
        word = _WORD.read(source, words[0])
        if word not in self._sections:
            hint = nearest(word, self._sections)
            allowed = ", ".join(self._sections)
            raise source.place(words[0]).error(f"unknown action '{word}'.{hint} Allowed: {allowed}")
        return self._sections[word].read(source, node)


def _span(bounds: tuple[float, ...]) -> tuple[float, float]:
    if len(bounds) != 2 or bounds[0] > bounds[1]:  # noqa: PLR2004 - a pair
        raise ValueError(f"given is {list(bounds)}, allowed is [least, most] in seconds")
    return bounds[0], bounds[1]


_WHOSE = Choice(BOTH, FROM_CALLEE, FROM_CALLER)
_CONDITIONS = Section(
    "conditions",
    {
        "media": Field(Choice(NO_MEDIA), None),
        "answered": Field(Flag(), None),
        "answer_within": Field(_SECONDS, None),
        "sip_code": Field(Whole(200, 699), None),
        "duration": Field(Convert(ListOf(_SECONDS), _span), None),
        "ended_by": Field(Choice(CALLER, CALLEE), None),
        "rtp": Field(_WHOSE, None),
        "max_rtp_gap": Field(Number(low=0.5), Conditions().max_rtp_gap),
        "not_silent": Field(_WHOSE, None),
        "max_packet_loss": Field(Number(0, 100), None),
        "max_jitter": Field(_SECONDS, None),
        "min_mos": Field(Number(1, 4.5), None),
        "max_post_dial_delay": Field(_SECONDS, None),
        "dtmf_received": Field(_WORD, None),
        "prompt_heard": Field(Either(Convert(_WORD, lambda name: (name,)), ListOf(_WORD)), ()),
    },
    Conditions,
)

TEST_KEYS: Mapping[str, Field] = {
    "steps": Field(Convert(ListOf(ListOf(_ActionKind())), check), None),
    "conditions": Field(_CONDITIONS, None),
}
