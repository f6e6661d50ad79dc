"""Faults that one run can give to the phones that it calls, and whether its test can show them.

A launch with the parameter `lab.fault` runs its test against phones with this fault. The phones of other runs stay as
the lab file describes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_sipfront.lab.file.call_conditions import NO_MEDIA, Conditions
from pytest_sipfront.lab.file.calls_section import CallPlan, LineProfile, Phone, phone_of
from pytest_sipfront.lab.file.steps import (
    Action,
    CallAction,
    HoldAction,
    OverrideError,
    PlayAction,
    SendDtmfAction,
    Steps,
    WaitAction,
    overridden,
)

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.lab_file import LabFile, TestSpec

FAULT_PARAMETER: Final = "lab.fault"
BAD_LINE: Final = "bad-line"
_OWN_FAULTS = {
    name: Phone.model_fields[name].get_default(call_default_factory=True)
    for name in ("silent", "one_way", "reject", "never_answers", "wrong_prompt", "lose_digit", "line")
}
_BUSY = 486
_LATE_SECONDS = 2.5
"""The answer of a late phone if the test names no bound."""
_MARGIN_SECONDS = 0.5
_DROPPED_SECONDS = 0.3
_NO_MEDIA_NEEDED = "the test needs no media"
_SETUP_SECONDS, _DIGIT_SECONDS, _PROMPT_SECONDS = 0.4, 0.25, 2.0
"""For estimates: beside the actions of a call, per DTMF digit, and for a prompt, whose length is unknown here."""
_BAD_LINE = LineProfile(loss=20, jitter=100, seed=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledPhone:
    """A phone as one step of a test calls it.

    Args:
        name: The name of the phone.
        phone: The phone, with the seconds of ringing that the test gives it.
        call: The call.
        actions: The actions within the call.
        conditions: The conditions of the test.
        prompts: The names of all prompts of the lab file.
    """

    name: str
    phone: Phone
    call: CallAction
    actions: tuple[Action, ...]
    conditions: Conditions
    prompts: tuple[str, ...]

    @property
    def played(self) -> tuple[str, ...]:
        """The prompts that the phone can play."""
        played = (self.phone.play, *(state.play for state in self.phone.menu.values()))
        return tuple(dict.fromkeys(prompt for prompt in played if prompt is not None))

    @property
    def digits(self) -> str:
        """The digits that the test sends."""
        return "".join(action.digits for action in self.actions if isinstance(action, SendDtmfAction))

    @property
    def refuses(self) -> bool:
        """Whether the phone answers no call."""
        return self.phone.reject is not None or self.phone.never_answers

    @property
    def own_faults(self) -> list[str]:
        """The faults that the lab file gives to the phone."""
        return [name for name, default in _OWN_FAULTS.items() if getattr(self.phone, name) != default]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneFault:
    """A fault of a phone.

    Args:
        text: The fault as a sentence.
        changes: Returns the fields of the phone to change, or why the test cannot show the fault.
        needs_media: Whether only the media of a call show it.
        replaces_reason: Whether a run that fails for another reason fails for this one instead.
    """

    text: str
    changes: Callable[[CalledPhone], Mapping[str, Any] | str]
    needs_media: bool = False
    replaces_reason: bool = False


def _silence(called: CalledPhone) -> Mapping[str, Any] | str:
    return {"silent": True} if called.played else "the phone plays no prompt"


def _deaf(called: CalledPhone) -> Mapping[str, Any] | str:
    is_shown = called.digits or called.conditions.media != NO_MEDIA
    return {"one_way": "sends"} if is_shown else _NO_MEDIA_NEEDED


def _dropped(called: CalledPhone) -> Mapping[str, Any]:
    own = called.phone.hang_up_after
    return {"hang_up_after": _DROPPED_SECONDS if own is None else min(own, _DROPPED_SECONDS)}


def _wrong_prompt(called: CalledPhone) -> Mapping[str, Any] | str:
    if not called.played:
        return "the phone plays no prompt"
    if len(called.prompts) == 1:
        return "the lab file has no other prompt"
    following = dict(zip(called.prompts, (*called.prompts[1:], called.prompts[0]), strict=True))
    return {"wrong_prompt": {prompt: following[prompt] for prompt in called.played}}


def _lost_digit(called: CalledPhone) -> Mapping[str, Any] | str:
    return {"lose_digit": len(called.digits)} if called.digits else "the test sends no digits"


def _late_answer(called: CalledPhone) -> Mapping[str, Any] | str:
    bound = called.conditions.answer_within
    if bound is None:
        return {"answer_after": min(_LATE_SECONDS, called.call.answer_timeout * 0.8)}
    return {"answer_after": max(bound, called.phone.answer_after) + _MARGIN_SECONDS}


def _busy(called: CalledPhone) -> Mapping[str, Any] | str:
    return {"reject": _BUSY} if called.phone.reject != _BUSY else "the phone is busy in the lab file"


def _no_answer(called: CalledPhone) -> Mapping[str, Any] | str:
    changes = {"never_answers": True, "reject": None}
    return "the phone answers no call in the lab file" if called.phone.never_answers else changes


PHONE_FAULTS: Mapping[str, PhoneFault] = {
    "mute": PhoneFault(text="the phone sends no RTP", changes=lambda _: {"one_way": "receives"}, needs_media=True),
    "silence": PhoneFault(text="the phone sends silence", changes=_silence, needs_media=True, replaces_reason=True),
    "deaf": PhoneFault(
        text="the phone ignores all RTP and digits that arrive",
        changes=_deaf,
    ),
    "wrong-prompt": PhoneFault(
        text="the phone plays other prompts", changes=_wrong_prompt, needs_media=True, replaces_reason=True
    ),
    "lost-digit": PhoneFault(text="the phone ignores the last digit", changes=_lost_digit, replaces_reason=True),
    BAD_LINE: PhoneFault(
        text=f"{_BAD_LINE.loss:g} % packet loss and up to {_BAD_LINE.jitter:g} ms jitter",
        changes=lambda _: {"line": _BAD_LINE},
        needs_media=True,
    ),
    "late-answer": PhoneFault(text="the phone answers late", changes=_late_answer),
    "dropped": PhoneFault(text=f"the phone hangs up after {_DROPPED_SECONDS:g} s", changes=_dropped),
    "busy": PhoneFault(text="the phone rejects the call with 486", changes=_busy, replaces_reason=True),
    "no-answer": PhoneFault(text="the phone does not answer", changes=_no_answer, replaces_reason=True),
    "healthy": PhoneFault(
        text="the phone has no fault, unlike in the lab file", changes=lambda _: _OWN_FAULTS, replaces_reason=True
    ),
}
"""The faults by name. "healthy" removes the faults that the lab file gives to a phone."""


def coverage(file: LabFile, test: TestSpec, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return each fault by name with the reason why a run of the test cannot show it, or "" if it can.

    "healthy" is absent if no phone that the test calls has a fault.
    """
    names = {name: "" for name in PHONE_FAULTS if name != "healthy"}
    if test.steps is None:
        return dict.fromkeys(names, "the test has no steps, so its verdict is scripted")
    try:
        steps = overridden(test.steps, parameters)
    except OverrideError as error:
        return dict.fromkeys(names, str(error))
    called = [each for each in called_phones(file, steps, test.conditions or Conditions()) if each is not None]
    if not called:
        reason = "it calls a target" if file.target is not None else "it calls no phone of the lab file"
        return dict.fromkeys(names, reason)
    if any(each.own_faults for each in called):
        names["healthy"] = ""
    for name in names:
        reasons = [_reason(name, each) for each in called]
        tolerated = "the lab file lists it in `tolerates`" if name in test.tolerates else ""
        names[name] = tolerated or ("" if "" in reasons else reasons[0])
    return names


def called_phones(plan: CallPlan, steps: Steps, conditions: Conditions) -> list[CalledPhone | None]:
    """Return the phone that each step after the first one calls; None if it is not a phone of the lab file."""
    waits = [action for action in steps[0] if isinstance(action, WaitAction)]
    delays = {wait.phone: wait.answer_delay for wait in waits if wait.answer_delay is not None}
    return [_called_phone(plan, actions, delays, conditions) for actions in steps[1:]]


def _called_phone(
    plan: CallPlan, actions: tuple[Action, ...], delays: Mapping[str, float], conditions: Conditions
) -> CalledPhone | None:
    call = actions[0]
    assert isinstance(call, CallAction)  # noqa: S101 - the lab file ensures it
    name = phone_of(plan.phones, call.dial_destination) if plan.target is None else ""
    if not name:
        return None
    phone = plan.phones[name]
    delay = delays.get(name, delays.get("", phone.answer_after))
    return CalledPhone(
        name=name,
        phone=phone.model_copy(update={"answer_after": delay}),
        call=call,
        actions=actions[1:],
        conditions=conditions,
        prompts=tuple(plan.prompts),
    )


def expected_seconds(plan: CallPlan, steps: Steps, conditions: Conditions, fault: str = "") -> float:
    """Return a rough estimate of the duration of a run in seconds."""
    return sum(
        _call_seconds(plan, actions, called, fault)
        for actions, called in zip(steps[1:], called_phones(plan, steps, conditions), strict=True)
    )


def _call_seconds(plan: CallPlan, actions: tuple[Action, ...], called: CalledPhone | None, fault: str) -> float:
    call, phone = actions[0], called.phone if called is not None else None
    assert isinstance(call, CallAction)  # noqa: S101 - the lab file ensures it
    if called is not None and fault:
        phone = faulty(fault, called) or phone
    rounds = math.ceil(call.max_total_calls / (call.concurrent_calls or plan.limits.concurrent_calls))
    if phone is not None and phone.reject is not None:
        return _SETUP_SECONDS * rounds
    if phone is not None and phone.never_answers:
        return call.answer_timeout * rounds
    rings = phone.answer_after if phone is not None else 0.0
    return (_SETUP_SECONDS + rings + sum(map(_action_seconds, actions))) * rounds


def _action_seconds(action: Action) -> float:
    if isinstance(action, HoldAction):
        return action.seconds
    if isinstance(action, SendDtmfAction):
        return action.after + len(action.digits) * _DIGIT_SECONDS
    return _PROMPT_SECONDS if isinstance(action, PlayAction) else 0.0


def faulty(fault: str, called: CalledPhone) -> Phone | None:
    """Return the called phone with a fault, or None if the test cannot show it."""
    if _reason(fault, called):
        return None
    changes = PHONE_FAULTS[fault].changes(called)
    assert not isinstance(changes, str)  # noqa: S101 - that would be a reason
    return called.phone.model_copy(update=dict(changes))


def _reason(name: str, called: CalledPhone) -> str:
    """Return why the test cannot show a fault, or ""."""
    fault = PHONE_FAULTS[name]
    if name not in ("healthy", "busy", "no-answer"):
        if called.refuses:
            return "the phone answers no call in the lab file"
        if called.own_faults:
            return f"the phone has a fault in the lab file ({', '.join(called.own_faults)})"
    if name == "healthy" and not called.own_faults:
        return "the phone has no fault in the lab file"
    if fault.needs_media and called.conditions.media == NO_MEDIA:
        return _NO_MEDIA_NEEDED
    changes = fault.changes(called)
    return changes if isinstance(changes, str) else ""


class FaultCatalogue:
    """The faults of a lab file's phones, for programs that prove a suite."""

    def __init__(self, file: LabFile) -> None:
        self._file = file
        self.texts: Mapping[str, str] = {name: fault.text for name, fault in PHONE_FAULTS.items()}
        """Each fault as a sentence, by its name."""

    def coverage(
        self,
        *,
        test: str | None = None,
        project: str | int | None = None,
        test_ids: Collection[int] = (),
        parameters: Mapping[str, str],
        expects_failure: bool = False,
    ) -> dict[str, str]:
        """Return each fault by name with the reason why a run cannot show it, or "" if it can.

        Args:
            test: The name of the test, or None for a project.
            project: The name or id of the project.
            test_ids: The ids of the project's tests (default: all).
            parameters: The overrides of the launch.
            expects_failure: Whether the run has to fail. A fault then has to replace the reason of the failure.
        """
        tests = self._tests(test, project, test_ids)
        if not tests:
            return dict.fromkeys(self.texts, "the lab file has no such test")
        covered = [coverage(self._file, each, {**each.parameters, **parameters}) for each in tests]
        names = [name for name in self.texts if any(name in each for each in covered)]
        reasons = {name: [each[name] for each in covered if name in each] for name in names}
        return {
            name: "the run fails with and without it"
            if expects_failure and not PHONE_FAULTS[name].replaces_reason
            else ("" if "" in reasons[name] else reasons[name][0])
            for name in names
        }

    def seconds(
        self, *, test: str | None = None, project: str | int | None = None, parameters: Mapping[str, str], fault: str
    ) -> float:
        """Return a rough estimate of the duration of a run in seconds; see `coverage` for the arguments."""
        longest = 0.0
        for each in self._tests(test, project, ()):
            if each.steps is None:
                longest = max(longest, each.takes.high)
                continue
            with suppress(OverrideError):
                steps = overridden(each.steps, {**each.parameters, **parameters})
                longest = max(longest, expected_seconds(self._file, steps, each.conditions or Conditions(), fault))
        return longest

    def _tests(self, test: str | None, project: str | int | None, test_ids: Collection[int]) -> list[TestSpec]:
        if test is not None:
            return [self._file.tests[test]] if test in self._file.tests else []
        projects = (each for each in self._file.projects.values() if project in (each.name, each.id))
        tests = next((each.tests for each in projects), ())
        return [each for each in tests if not test_ids or each.id in test_ids]
