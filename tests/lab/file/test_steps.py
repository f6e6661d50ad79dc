"""A test's steps and the overrides of a launch."""

from __future__ import annotations

import pytest

from pytest_sipfront.lab.file.steps import (
    CallAction,
    HoldAction,
    OverrideError,
    RegisterAction,
    SendDtmfAction,
    WaitAction,
    check,
    overridden,
)

STEPS = check(
    (
        (RegisterAction(), WaitAction(phone="desk")),
        (CallAction(dial_destination="100"), SendDtmfAction(digits="1"), HoldAction(seconds=2)),
    )
)


def test_published_overrides_change_what_they_name() -> None:
    """The platform's own keys mean here what they mean there."""
    steps = overridden(
        STEPS,
        {
            "step.0.0.regexpire": "60",
            "step.1.0.dial_destination": "0043123",
            "step.1.0.max_total_calls": "5",
        },
    )
    assert steps[0][0] == RegisterAction(regexpire=60)
    assert steps[1][0] == CallAction(dial_destination="0043123", max_total_calls=5)


def test_every_other_parameter_is_overridden_by_the_same_address() -> None:
    """What stands in the file can be changed for one run, whatever action it belongs to."""
    steps = overridden(STEPS, {"step.0.1.answer_delay": "0.5", "step.1.1.digits": "42#", "step.1.2.seconds": "0.25"})
    assert steps[0][1] == WaitAction(phone="desk", answer_delay=0.5)
    assert steps[1][1:] == (SendDtmfAction(digits="42#"), HoldAction(seconds=0.25))


def test_parameters_that_are_no_addresses_are_left_alone() -> None:
    """Other keys of a launch, such as the report mode, are not for the steps."""
    assert overridden(STEPS, {"report.mode": "full"}) == STEPS


@pytest.mark.parametrize(
    ("key", "text", "told"),
    [
        ("step.1.9.seconds", "1", "no action 9 in a step 1; its actions: step 0 has 2, step 1 has 3"),
        ("step.4.0.seconds", "1", "no action 0 in a step 4"),
        ("step.1.0.dial_destinaton", "1", "Did you mean 'dial_destination'?"),
        ("step.1.0.max_total_calls", "many", "'many' cannot be used"),
        ("step.1.0.max_total_calls", "-1", "'-1' cannot be used"),
        ("step.1.2.seconds", "nan", "'nan' cannot be used"),
        ("step.1.1.digits", "4x", "no DTMF digits"),
    ],
)
def test_an_override_that_cannot_be_applied_says_why(key: str, text: str, told: str) -> None:
    """A typo in an override is told with what could have been meant; it never passes silently."""
    with pytest.raises(OverrideError) as raised:
        overridden(STEPS, {key: text})
    assert str(raised.value).startswith(key)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    "steps",
    [
        (),
        ((),),
        ((), ()),
        ((HoldAction(seconds=1),), (CallAction(dial_destination="1"),)),
        ((), (HoldAction(seconds=1),)),
    ],
)
def test_steps_without_a_call_are_refused(steps: tuple[tuple[HoldAction | CallAction, ...], ...]) -> None:
    """A test prepares the called side first and then calls."""
    with pytest.raises(ValueError, match=r"step|call"):
        check(steps)
