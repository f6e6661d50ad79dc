"""The steps of a test, in the platform's structure: a list of steps, each a list of actions with parameters.

Step 0 prepares the called side. Every further step places calls: its first action is the call, the others take place
within each of its calls. `step.<step>.<action>.<parameter>` overrides any parameter for one run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, ValidationError

from pytest_sipfront.lab.addresses import DIALLED
from pytest_sipfront.yaml_models import Count, InvalidValueError, Seconds, YamlModel
from pytest_sipfront.yaml_schema import FileSchema, unknown

_ADDRESS = re.compile(r"step\.(\d{1,9})\.(\d{1,9})\.(.+)")
_HOST_AND_PORT = re.compile(r"[^:;@?<>\s]+(:\d{1,5})?")
_DIGITS = re.compile(r"[0-9A-Da-d*#]+")


class OverrideError(ValueError):
    """An override names no step, action or parameter of the test, or its value is invalid."""


def _registrar(text: str) -> str:
    if text and not _HOST_AND_PORT.fullmatch(text):
        raise ValueError(f"must be a host or host:port, got {text!r}")
    return text


def _user(text: str) -> str:
    if text and not DIALLED.fullmatch(text):
        raise ValueError(f"must be the part of a SIP address before the @, got {text!r}")
    return text


def _number(text: str) -> str:
    if not text:
        raise ValueError("must be a number, got nothing")
    return _user(text)


def _digits(text: str) -> str:
    if not _DIGITS.fullmatch(text):
        raise ValueError(f"must be DTMF digits (0-9, A-D, * and #), got {text!r}")
    return text


Digits = Annotated[str, AfterValidator(_digits)]


class RegisterAction(YamlModel):
    """Register at a SIP registrar before calls are placed. This needs a registrar or a target."""

    action: Literal["register"] = "register"
    regexpire: Count = Field(default=3600, description="lifetime of the registration, in seconds")
    registrar: Annotated[str, AfterValidator(_registrar)] = Field(
        default="", description="host or host:port (default: the target)"
    )
    user: Annotated[str, AfterValidator(_user)] = Field(default="", description="user to register")


class WaitAction(YamlModel):
    """Wait for calls."""

    action: Literal["wait"] = "wait"
    phone: str = Field(default="", description="phone that takes the calls")
    answer_delay: Seconds | None = Field(
        default=None, description="seconds of ringing (default: `answer_after` of the phone)"
    )


class CallAction(YamlModel):
    """Place calls."""

    action: Literal["call"] = "call"
    dial_destination: Annotated[str, AfterValidator(_number)] = Field(description="number to call")
    max_total_calls: Count = Field(default=1, description="number of calls")
    concurrent_calls: Count = Field(default=0, description="maximum number of concurrent calls; 0: the limit")
    answer_timeout: Seconds = Field(default=10.0, description="seconds after which an unanswered call is cancelled")
    caller: Annotated[str, AfterValidator(_number)] = Field(default="caller", description="number or name that calls")


class SendDtmfAction(YamlModel):
    """Send DTMF digits."""

    action: Literal["send_dtmf"] = "send_dtmf"
    digits: Digits = Field(description="digits to send")
    after: Seconds = Field(default=0.0, description="seconds to wait first")


class ExpectDtmfAction(YamlModel):
    """Expect DTMF digits: in step 0 as a condition on the called side, within a call by waiting for them."""

    action: Literal["expect_dtmf"] = "expect_dtmf"
    digits: Digits = Field(description="digits to receive")
    within: Seconds = Field(default=5.0, description="seconds to wait for them within a call")


class PlayAction(YamlModel):
    """Play a prompt to its end."""

    action: Literal["play"] = "play"
    prompt: str = Field(description="name of the prompt")


class HoldAction(YamlModel):
    """Keep the call up, or until the called side hangs up."""

    action: Literal["hold"] = "hold"
    seconds: Seconds = Field(description="seconds")


class HangUpAction(YamlModel):
    """End the call. The end of a step ends its calls, too."""

    action: Literal["hang_up"] = "hang_up"


Action: TypeAlias = (
    RegisterAction
    | WaitAction
    | CallAction
    | SendDtmfAction
    | ExpectDtmfAction
    | PlayAction
    | HoldAction
    | HangUpAction
)
CALLED_SIDE: tuple[type[Action], ...] = (RegisterAction, WaitAction, ExpectDtmfAction)
IN_CALL: tuple[type[Action], ...] = (SendDtmfAction, ExpectDtmfAction, PlayAction, HoldAction, HangUpAction)


def check(steps: tuple[tuple[Action, ...], ...]) -> tuple[tuple[Action, ...], ...]:
    """Return the steps if their order makes sense.

    Raises:
        InvalidValueError: No step places a call, or an action is in a step where it has no effect.
    """
    if len(steps) < 2:  # noqa: PLR2004 - the called side and one call
        raise InvalidValueError("must have at least 2 steps: step 0 prepares the called side, step 1 calls")
    for place, action in enumerate(steps[0]):
        if not isinstance(action, CALLED_SIDE):
            raise InvalidValueError(_misplaced(action, "step 0", CALLED_SIDE), (0, place))
    for number, (first, *others) in enumerate((actions or (None,) for actions in steps[1:]), start=1):
        if not isinstance(first, CallAction):
            raise InvalidValueError(f"the first action of step {number} must be 'call'", (number,))
        for place, action in enumerate(others, start=1):
            if not isinstance(action, IN_CALL):
                raise InvalidValueError(_misplaced(action, "a call", IN_CALL), (number, place))
    return steps


def _word(action: type[Action]) -> str:
    return str(action.model_fields["action"].default)


def _misplaced(action: Action, place: str, allowed: tuple[type[Action], ...]) -> str:
    return f"'{action.action}' is not allowed in {place}; valid: {', '.join(map(_word, allowed))}"


Steps = Annotated[
    tuple[tuple[Annotated[Action, Field(discriminator="action")], ...], ...],
    AfterValidator(check),
]


def overridden(steps: Steps, parameters: Mapping[str, str]) -> Steps:
    """Return the steps with every `step.<step>.<action>.<parameter>` of a launch applied.

    Raises:
        OverrideError: One of them cannot be applied; the text says which, and what is allowed.
    """
    table = [list(actions) for actions in steps]
    for key, text in parameters.items():
        address = _ADDRESS.fullmatch(key)
        if address is None:
            continue
        step, action = int(address[1]), int(address[2])
        if step >= len(table) or action >= len(table[step]):
            raise OverrideError(f"{key}: the test has no action {action} in step {step}; {_action_counts(steps)}")
        table[step][action] = _changed(table[step][action], address[3], key, text)
    try:
        return check(tuple(map(tuple, table)))
    except InvalidValueError as error:
        raise OverrideError(str(error)) from None


def _changed(action: Action, name: str, key: str, text: str) -> Action:
    fields = {name: field for name, field in type(action).model_fields.items() if name != "action"}
    if name not in fields:
        raise OverrideError(f"{key}: {unknown('parameter', name, fields)}")
    value = text if fields[name].annotation is str else _parsed(text)
    try:
        return type(action).model_validate({**dict(action), name: value})
    except ValidationError as error:
        objection = error.errors()[0].get("ctx", {}).get("error")
        expected = FileSchema.of(type(action)).describe_key(name)
        raise OverrideError(f"{key} {objection or f'must be {expected}, got {text!r}'}") from None


def _parsed(text: str) -> Any:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _action_counts(steps: Steps) -> str:
    counts = ", ".join(f"step {number} has {len(actions)}" for number, actions in enumerate(steps))
    return f"its actions: {counts}"
