"""What a test does, in the platform's own structure: steps, each a list of actions, each with parameters.

Step 0 prepares the called side. Every further step places calls: its first action is the call, the others happen
within each of its calls. Any parameter can be overridden for one run as `step.<step>.<action>.<parameter>`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, TypeAlias

_ADDRESS = re.compile(r"step\.(\d+)\.(\d+)\.(.+)")
DIALLED = re.compile(r"[A-Za-z0-9_.+*#~!$&'()=,-]+")
"""What can be dialled: the user part of a SIP URI. Anything else could name a host of its own."""
_HOST_AND_PORT = re.compile(r"[^:;@?<>\s]+(:\d{1,5})?")
_DIGITS = re.compile(r"[0-9A-Da-d*#]+")


class OverrideError(ValueError):
    """An override names no step, action or parameter of the test, or its value is not of the parameter's kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterAction:
    """Registers `user` at `registrar` (empty: the file's target) for `regexpire` seconds, before calls are placed.

    Without a registrar and a target there is nothing to register at: the lab's phones are called directly.
    """

    word: ClassVar[str] = "register"
    regexpire: int = 3600
    registrar: str = ""
    user: str = ""

    def __post_init__(self) -> None:
        if self.registrar and not _HOST_AND_PORT.fullmatch(self.registrar):
            raise ValueError(f"{self.registrar!r} is no registrar: it is given as host or host:port")
        if self.user and not DIALLED.fullmatch(self.user):
            raise ValueError(f"{self.user!r} is no user: it is the part before the @ of a SIP address")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitAction:
    """Waits for calls: `phone` takes them, here with `answer_delay` seconds instead of its own delay."""

    word: ClassVar[str] = "wait"
    phone: str = ""
    answer_delay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAction:
    """Places `max_total_calls` calls to `dial_destination`, at most `concurrent_calls` at a time (0: the limit).

    A call that is not answered within `answer_timeout` seconds is cancelled.
    """

    word: ClassVar[str] = "call"
    dial_destination: str
    max_total_calls: int = 1
    concurrent_calls: int = 0
    answer_timeout: float = 10.0
    caller: str = "caller"

    def __post_init__(self) -> None:
        for user in (self.dial_destination, self.caller):
            if not DIALLED.fullmatch(user):
                raise ValueError(f"{user!r} cannot be dialled: it is the part before the @ of a SIP address")


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDtmfAction:
    """Presses `digits`, after `after` seconds."""

    word: ClassVar[str] = "send_dtmf"
    digits: str
    after: float = 0.0

    def __post_init__(self) -> None:
        _check_digits(self.digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectDtmfAction:
    """In step 0: the called side must have received `digits`. Later: the caller waits for them, `within` seconds."""

    word: ClassVar[str] = "expect_dtmf"
    digits: str
    within: float = 5.0

    def __post_init__(self) -> None:
        _check_digits(self.digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayAction:
    """Plays a prompt of the catalogue to the called side and goes on when it has been played."""

    word: ClassVar[str] = "play"
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAction:
    """Keeps the call up for `seconds`, or until the called side ends it."""

    word: ClassVar[str] = "hold"
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUpAction:
    """Ends the call. A step whose actions are done ends its call anyway."""

    word: ClassVar[str] = "hang_up"


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
Steps: TypeAlias = tuple[tuple[Action, ...], ...]
CALLED_SIDE: tuple[type[Action], ...] = (RegisterAction, WaitAction, ExpectDtmfAction)
IN_CALL: tuple[type[Action], ...] = (SendDtmfAction, ExpectDtmfAction, PlayAction, HoldAction, HangUpAction)


def check(steps: Steps) -> Steps:
    """Return the steps if their order makes sense.

    Raises:
        ValueError: No step places a call, or an action stands where it cannot work.
    """
    if len(steps) < 2:  # noqa: PLR2004 - the called side and one call
        raise ValueError("a test has at least two steps: step 0 prepares the called side, step 1 calls")
    for action in steps[0]:
        if not isinstance(action, CALLED_SIDE):
            raise ValueError(f"step 0 prepares the called side, where '{action.word}' cannot stand")  # noqa: TRY004
    for number, actions in enumerate(steps[1:], start=1):
        if not actions or not isinstance(actions[0], CallAction):
            raise ValueError(f"the first action of step {number} must be 'call'")
        for action in actions[1:]:
            if not isinstance(action, IN_CALL):
                raise ValueError(f"'{action.word}' cannot stand within the calls of step {number}")  # noqa: TRY004
    return steps


def overridden(steps: Steps, parameters: Mapping[str, str]) -> Steps:
    """Return the steps with every `step.<step>.<action>.<parameter>` of a launch laid over them.

    Raises:
        OverrideError: One of them cannot be applied; the text says which, and what could be.
    """
    table = [list(actions) for actions in steps]
    for key, text in parameters.items():
        address = _ADDRESS.fullmatch(key)
        if address is None:
            continue
        step, action = int(address[1]), int(address[2])
        if step >= len(table) or action >= len(table[step]):
            raise OverrideError(f"{key}: the test has no action {action} in a step {step}; {_shape(steps)}")
        table[step][action] = _changed(table[step][action], address[3], key, text)
    return check(tuple(map(tuple, table)))


def _changed(action: Action, name: str, key: str, text: str) -> Action:
    kinds = {field.name: str(field.type) for field in dataclasses.fields(action)}
    if name not in kinds:
        close = get_close_matches(name, kinds, n=1, cutoff=0.5)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        allowed = ", ".join(kinds) or "none"
        raise OverrideError(f"{key}: '{action.word}' has no parameter '{name}'.{hint} It has: {allowed}")
    try:
        value = _CONVERTERS[kinds[name]](text)
        return dataclasses.replace(action, **{name: value})
    except ValueError as error:
        raise OverrideError(f"{key}: {text!r} cannot be used: {error}") from None


def _shape(steps: Steps) -> str:
    counts = ", ".join(f"step {number} has {len(actions)}" for number, actions in enumerate(steps))
    return f"its actions: {counts}"


def _check_digits(digits: str) -> None:
    if not _DIGITS.fullmatch(digits):
        raise ValueError(f"{digits!r} are no DTMF digits (0-9, A-D, * and #)")


def _not_negative(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError("it must be a number of at least 0")
    return seconds


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("it must be a whole number of at least 0")
    return number


_CONVERTERS: Mapping[str, Any] = {"str": str, "int": _count, "float": _not_negative, "float | None": _not_negative}
