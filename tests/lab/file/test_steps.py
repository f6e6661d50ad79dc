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


def test_documented_overrides() -> None:
    """The overrides that the platform documents work in the lab, too."""
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


def test_any_parameter_can_be_overridden() -> None:
    """Numbers are read as Python writes them."""
    steps = overridden(STEPS, {"step.0.1.answer_delay": "0.5", "step.1.1.digits": "42#", "step.1.2.seconds": "25e-2"})
    assert steps[0][1] == WaitAction(phone="desk", answer_delay=0.5)
    assert steps[1][1:] == (SendDtmfAction(digits="42#"), HoldAction(seconds=0.25))


def test_other_parameters_of_a_launch_are_ignored() -> None:
    """Keys such as the report mode are no overrides of steps."""
    assert overridden(STEPS, {"report.mode": "full"}) == STEPS


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("step.1.9.seconds", "1", ": the test has no action 9 in step 1; its actions: step 0 has 2, step 1 has 3"),
        ("step.4.0.seconds", "1", ": the test has no action 0 in step 4; its actions: step 0 has 2, step 1 has 3"),
        ("step.1.0.dial_destinaton", "1", ": unknown parameter 'dial_destinaton'; did you mean 'dial_destination'?"),
        ("step.1.2.action", "play", ": unknown parameter 'action'; valid: seconds"),
        ("step.1.0.max_total_calls", "many", " must be an integer >= 0, got 'many'"),
        ("step.1.0.max_total_calls", "-1", " must be an integer >= 0, got '-1'"),
        ("step.1.0.max_total_calls", "1.5", " must be an integer >= 0, got '1.5'"),
        ("step.1.2.seconds", "nan", " must be a number >= 0, got 'nan'"),
        ("step.1.2.seconds", "9" * 400 + ".0", f" must be a number >= 0, got '{'9' * 400}.0'"),
        ("step.1.1.digits", "4x", " must be DTMF digits (0-9, A-D, * and #), got '4x'"),
        ("step.1.0.dial_destination", "", " must be a number, got nothing"),
    ],
)
def test_an_invalid_override_is_refused_with_its_key(key: str, text: str, reason: str) -> None:
    """The message has the override, its value and what is allowed."""
    with pytest.raises(OverrideError) as raised:
        overridden(STEPS, {key: text})
    assert str(raised.value) == key + reason


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
def test_steps_that_place_no_call_are_refused(steps: tuple[tuple[HoldAction | CallAction, ...], ...]) -> None:
    """Step 0 prepares the called side, every further step starts with a call."""
    with pytest.raises(ValueError, match=r"step|call"):
        check(steps)
