"""The keys of the section `sift`: who answers, who calls, and which requests and callbacks go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field, model_validator

from pytest_sipfront.lab.file.fault_spec import FaultSpec
from pytest_sipfront.yaml_models import Count, Flag, Json, PositiveCount, Seconds, YamlModel

APPLICATION, RUN = "application", "run"
_KINDS = ("says", "presses", "hears", "silence", "hangs_up")


class Turn(YamlModel):
    """An entry of a script: exactly one of says, presses, hears, silence and hangs_up."""

    says: str | None = Field(default=None, description="what the callee says to the next command that listens")
    presses: str | None = Field(default=None, description="digits that the callee presses at the next GetDigits")
    hears: str | None = Field(
        default=None, description="what the callee waits for: the text of a Say or the URL of a Play (`*`, `?`)"
    )
    silence: PositiveCount | None = Field(default=None, description="number of questions left unanswered")
    hangs_up: Seconds | None = Field(default=None, description="seconds until the callee hangs up")
    means: Json = Field(default=None, description="value that a typed question gets for `says`, if the words differ")
    takes: Seconds = Field(default=0.0, description="seconds that saying or pressing takes")

    @model_validator(mode="after")
    def _check(self) -> Turn:
        if sum(getattr(self, kind) is not None for kind in _KINDS) != 1:
            raise ValueError(f"a turn needs exactly one of {', '.join(_KINDS)}")
        return self


class Callee(YamlModel):
    """Who answers a number: after how many seconds, and with which script."""

    answer: Literal["connects", "busy", "no_answer"] = Field(default="connects", description="how a call ends up")
    rings: Seconds = Field(default=0.0, description="seconds of ringing")
    script: tuple[Turn, ...] = Field(default=(), description="what the callee says and does, in order")
    phone: str | None = Field(default=None, description="phone of the lab that answers instead if calls can be placed")
    words: Mapping[str, str] = Field(
        default_factory=dict, description="what the prompts of that phone say, by prompt; needed for WAV files"
    )


class Caller(YamlModel):
    """Who calls a number of an application."""

    from_: str = Field(validation_alias="from", description="number of the caller")
    to: str = Field(description="number to call")
    on: Literal["application", "run"] = Field(
        default="application", description="call once an application answers the number, or when a run dials it"
    )
    after: Seconds = Field(default=0.0, description="seconds to wait first")
    client_data: Json = Field(default=None, description="`client_data` of the connection")
    script: tuple[Turn, ...] = Field(default=(), description="what the caller says and does, in order")


class CallbackFault(YamlModel):
    """A fault of callbacks."""

    on: Literal["status", "done", "incoming", "event", "any"] = Field(
        default="any", description="kind of callback that it hits"
    )
    status: str | None = Field(default=None, description="hit only status callbacks with this status")
    to: str = Field(default="*", description="hit only connections to a number that matches")
    after: Count = Field(default=0, description="number of matching callbacks to skip first")
    times: PositiveCount | None = Field(default=None, description="number of callbacks to hit (default: all)")
    late: Seconds = Field(default=0.0, description="seconds by which the callback is late; later ones overtake it")
    swap: Flag = Field(default=False, description="send the callback after the one that follows it")
    repeat: Count = Field(default=0, description="number of times to send it again")
    lost: Flag = Field(default=False, description="never send it")
    early: Flag = Field(
        default=False, description="send a status callback before the request that creates the connection is answered"
    )
    content_type: str | None = Field(default=None, description="content type (default: application/json)")
    add: Mapping[str, Json] = Field(default_factory=dict, description="fields to replace or add in the body")
    omit: tuple[str, ...] = Field(default=(), description="fields to leave out of the body")

    def concerns(self, kind: str, status: str, to: str) -> bool:
        """Whether this fault is about such a callback at all."""
        return self.on in ("any", kind) and self.status in (None, status) and fnmatchcase(to, self.to)


class SiftFault(FaultSpec):
    """A fault of requests to Sift."""

    on: Literal["create", "routine", "retrieve", "list", "applications", "conversations", "media", "numbers", "any"] = (
        Field(default="any", description="endpoint whose requests it hits")
    )


class SiftSpec(YamlModel):
    """The calls at Sift."""

    callees: Mapping[str, Callee] = Field(
        default_factory=dict,
        description="who answers, by number or `webrtc:<name>` (`*`, `?`, `[...]`); the first match wins",
    )
    callers: tuple[Caller, ...] = Field(default=(), description="who calls")
    page_size: PositiveCount = Field(default=20, description="number of connections on a page")
    takes: Seconds = Field(default=0.0, description="seconds that each command takes in addition to the callee's time")
    timeout_scale: Seconds = Field(default=1.0, description="factor for `timeout_seconds`, to shorten silence")
    no_answer: Literal["documented", "empty", "null", "absent"] = Field(
        default="documented", description="how a question without an answer is reported"
    )
    created: Literal["bare", "wrapped", "id", "empty"] = Field(
        default="bare", description="answer to the request that creates a connection"
    )
    needs_routine: Flag = Field(
        default=False, description="hang up if the response to the status callback `connected` contains no routine"
    )
    done_on_hangup: Flag = Field(default=False, description="post to `on_done` of a command that a hang-up interrupts")
    numbers: tuple[str, ...] = Field(default=(), description="numbers that the lists of phone numbers contain")
    faults: tuple[SiftFault, ...] = Field(default=(), description="faults of requests")
    callbacks: tuple[CallbackFault, ...] = Field(default=(), description="faults of callbacks")

    def callee(self, to: str) -> Callee | None:
        """Return the first callee whose pattern matches the number `to`, if any."""
        return next((callee for pattern, callee in self.callees.items() if fnmatchcase(to, pattern)), None)
