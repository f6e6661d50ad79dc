"""Which keys the `sift:` section of a lab file has, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_sipfront.lab.file.field_types import Choice, Flag, Json, ListOf, MapOf, Number, Text, Whole
from pytest_sipfront.lab.file.lab_file import FaultSpec
from pytest_sipfront.lab.file.schema import Field, Section
from pytest_sipfront.lab.file.sift_section import (
    APPLICATION,
    BUSY,
    CONNECTS,
    NO_ANSWER,
    RUN,
    CallbackFault,
    Callee,
    Caller,
    SiftSpec,
    Turn,
)

_SECONDS = Number(low=0)
_TEXT = Text(verbatim=True)
TURN_FIELDS = {
    "says": Field(_TEXT, None),
    "presses": Field(_TEXT, None),
    "hears": Field(_TEXT, None),
    "silence": Field(Whole(low=1), None),
    "hangs_up": Field(_SECONDS, None),
    "means": Field(Json(), None),
    "takes": Field(_SECONDS, 0.0),
}
_TURN = Section("a turn of a script", TURN_FIELDS, Turn)
_SCRIPT = Field(ListOf(_TURN), ())
CALLEE_FIELDS = {
    "answer": Field(Choice(CONNECTS, BUSY, NO_ANSWER), CONNECTS),
    "rings": Field(_SECONDS, 0.0),
    "script": _SCRIPT,
    "phone": Field(_TEXT, None),
    "words": Field(MapOf(_TEXT), {}),
}
_CALLEE = Section("a callee", CALLEE_FIELDS, Callee)


def _caller(**values: Any) -> Caller:
    return Caller(from_=values.pop("from"), **values)


CALLER_FIELDS = {
    "from": Field(_TEXT),
    "to": Field(_TEXT),
    "on": Field(Choice(APPLICATION, RUN), APPLICATION),
    "after": Field(_SECONDS, 0.0),
    "client_data": Field(Json(), None),
    "script": _SCRIPT,
}
_CALLER = Section("a caller", CALLER_FIELDS, _caller)
CALLBACK_FIELDS = {
    "on": Field(Choice("status", "done", "incoming", "event", "any"), "any"),
    "status": Field(_TEXT, None),
    "to": Field(_TEXT, "*"),
    "after": Field(Whole(low=0), 0),
    "times": Field(Whole(low=1), None),
    "late": Field(_SECONDS, 0.0),
    "swap": Field(Flag(), False),
    "repeat": Field(Whole(low=0), 0),
    "lost": Field(Flag(), False),
    "early": Field(Flag(), False),
    "content_type": Field(_TEXT, None),
    "add": Field(MapOf(Json()), {}),
    "omit": Field(ListOf(_TEXT), ()),
}
_CALLBACK = Section("a callback's fault", CALLBACK_FIELDS, CallbackFault)
FAULTS_ON = ("create", "routine", "retrieve", "list", "applications", "conversations", "media", "numbers", "any")
SIFT_FIELDS = {
    "callees": Field(MapOf(_CALLEE), {}),
    "callers": Field(ListOf(_CALLER), ()),
    "page_size": Field(Whole(low=1), 20),
    "takes": Field(_SECONDS, 0.0),
    "timeout_scale": Field(_SECONDS, 1.0),
    "no_answer": Field(Choice("documented", "empty", "null", "absent"), "documented"),
    "created": Field(Choice("bare", "wrapped", "id", "empty"), "bare"),
    "done_on_hangup": Field(Flag(), False),
    "numbers": Field(ListOf(_TEXT), ()),
    "callbacks": Field(ListOf(_CALLBACK), ()),
}


def sift_section(fault_fields: Mapping[str, Field]) -> Section[SiftSpec]:
    """Return the kind of the section; `fault_fields` are the keys that every fault of a lab file has."""
    fault = Section("a fault", {"on": Field(Choice(*FAULTS_ON), "any"), **fault_fields}, FaultSpec)
    return Section("sift", {**SIFT_FIELDS, "faults": Field(ListOf(fault), ())}, SiftSpec)
