"""Which called leg belongs to which call if a PBX removes the tag of the lab."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.calls.conditions import violations
from pytest_sipfront.lab.calls.ladder import TAG_HEADER
from pytest_sipfront.lab.calls.switchboard import CalledSide, ExpectedLeg, Switchboard
from pytest_sipfront.lab.file.call_conditions import Conditions
from tests.lab.calls.placing import lab_file
from tests.lab.calls.test_conditions import ANSWERED

LAB = """
target: sip:127.0.0.1:5060
phones: {desk: {number: "100"}, hall: {number: "200"}}
tests: {call: {}}
"""


def leg(tag: str | None = None) -> CallLeg:
    headers: dict[str, str] = {TAG_HEADER: tag} if tag else {}
    fake: Any = SimpleNamespace(headers=headers)
    return fake  # type: ignore[no-any-return]


def attributed(switchboard: Switchboard, phone: str, user: str = "", tag: str | None = None) -> ExpectedLeg | None:
    expected = switchboard._find_expected(leg(tag), phone, user or phone)  # noqa: SLF001
    if expected is not None:
        expected.callee = leg()
    return expected


@pytest.fixture
def switchboard() -> Switchboard:
    return Switchboard(lab_file(LAB))


def test_a_leg_belongs_to_the_run_that_waits_at_its_phone(switchboard: Switchboard) -> None:
    """Two runs at two phones are distinguished, whichever leg rings first."""
    desk = switchboard.expect(CalledSide(phones=frozenset({"desk"})))
    hall = switchboard.expect(CalledSide(phones=frozenset({"hall"})))
    assert attributed(switchboard, "hall") is hall
    assert attributed(switchboard, "desk") is desk


def test_a_leg_belongs_to_the_run_that_registered_its_user(switchboard: Switchboard) -> None:
    """Two users at one phone are distinguished."""
    alice = switchboard.expect(CalledSide(phones=frozenset({"desk"}), users=frozenset({"alice"})))
    bob = switchboard.expect(CalledSide(phones=frozenset({"desk"}), users=frozenset({"bob"})))
    assert attributed(switchboard, "desk", "bob") is bob
    assert attributed(switchboard, "desk", "alice") is alice


def test_legs_that_two_runs_wait_for_are_not_attributable_and_never_pass(switchboard: Switchboard) -> None:
    """Neither run gets the leg, and every condition on the called side is violated."""
    first = switchboard.expect(CalledSide(phones=frozenset({"desk"})))
    second = switchboard.expect(CalledSide())
    assert attributed(switchboard, "desk") is None
    assert attributed(switchboard, "desk") is None
    assert first.ambiguity == second.ambiguity == "a call rang at phone 'desk' while 2 runs waited for one"
    record = replace(
        ANSWERED, received_by_callee=None, is_ambiguous=True, callee_unknown_reason=first.ambiguity, sent_packets=100
    )
    texts = [violation.text for violation in violations(Conditions(dtmf_received="42"), record)]
    assert texts == [
        f"RTP from caller not attributable: {first.ambiguity}",
        f"DTMF 42 expected; not measurable: {first.ambiguity}",
    ]


def test_calls_of_one_run_take_legs_in_their_order(switchboard: Switchboard) -> None:
    """They have the same conditions, so the verdict does not depend on the order."""
    called_side = CalledSide(phones=frozenset({"desk"}))
    calls = [switchboard.expect(called_side) for _ in range(3)]
    assert [attributed(switchboard, "desk") for _ in range(3)] == calls


def test_a_tag_that_arrives_decides(switchboard: Switchboard) -> None:
    """A proxy keeps the header of the lab, whatever phone rings."""
    switchboard.expect(CalledSide())
    second = switchboard.expect(CalledSide())
    assert attributed(switchboard, "hall", tag=second.tag) is second
    assert attributed(switchboard, "hall", tag="unknown") is None
