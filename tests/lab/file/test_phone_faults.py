"""The faults that a launch can give to phones, and which of them a test can show."""

from __future__ import annotations

from typing import get_args

import pytest

from pytest_sipfront.lab.calls import engine
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.file.calls_section import Phone
from pytest_sipfront.lab.file.lab_file import FaultName, LabFile
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.file.phone_faults import PHONE_FAULTS, FaultCatalogue, called_phones, coverage, faulty

LAB = """
prompts: {welcome: {tone: 440}, sales: {tone: 500}, closed: {tone: 600}}
phones:
  switchboard: {number: "100", menu: {main: {play: welcome, 1: sales}, sales: {play: sales}}}
  engaged: {number: "486", reject: 486}
  one way: {number: "113", one_way: receives}
  series: {number: "49*", play: welcome, answer_after: 1}
tests:
  menu:
    steps:
      - [{action: wait, phone: switchboard, answer_delay: 0.3}]
      - - {action: call, dial_destination: "100", answer_timeout: 4}
        - {action: send_dtmf, digits: "12"}
        - {action: hold, seconds: 1}
    conditions: {answer_within: 2}
  no media:
    steps: [[{action: wait}], [{action: call, dial_destination: "100"}]]
    conditions: {media: none, answered: true}
    tolerates: [late-answer]
  scripted: {}
projects: {Both: {tests: [no media, scripted]}}
"""
PLAYS = {"welcome": "sales", "sales": "closed"}


@pytest.fixture(scope="module")
def file() -> LabFile:
    return load(LAB, engine())


def changed(file: LabFile, fault: str, test: str = "menu", number: str = "100") -> dict[str, object]:
    """Return the fields of the called phone that the fault changes."""
    steps = file.tests[test].steps
    assert steps is not None
    call = steps[1][0].model_copy(update={"dial_destination": number})
    (called,) = called_phones(file, (steps[0], (call, *steps[1][1:])), file.tests[test].conditions or Conditions())
    assert called is not None
    phone = faulty(fault, called)
    assert phone is not None
    return {
        name: getattr(phone, name) for name in Phone.model_fields if getattr(phone, name) != getattr(called.phone, name)
    }


@pytest.mark.parametrize(
    ("fault", "fields"),
    [
        ("mute", {"one_way": "receives"}),
        ("silence", {"silent": True}),
        ("deaf", {"one_way": "sends"}),
        ("wrong-prompt", {"wrong_prompt": PLAYS}),
        ("lost-digit", {"lose_digit": 2}),
        ("late-answer", {"answer_after": 2.5}),
        ("dropped", {"hang_up_after": 0.3}),
        ("busy", {"reject": 486}),
        ("no-answer", {"never_answers": True}),
    ],
)
def test_a_fault_changes_the_phone_that_the_test_calls(file: LabFile, fault: str, fields: dict[str, object]) -> None:
    """The last digit is lost, every prompt is another one, and the answer is later than the test permits."""
    assert changed(file, fault) == fields


def test_a_late_phone_of_a_test_without_a_bound_answers_before_the_caller_gives_up(file: LabFile) -> None:
    """Otherwise the fault would be no answer."""
    assert changed(file, "late-answer", "no media") == {"answer_after": 2.5}


def test_a_phone_with_a_pattern_keeps_the_dialled_number(file: LabFile) -> None:
    """Its own seconds of ringing apply unless the step has some."""
    assert changed(file, "busy", number="4912") == {"reject": 486}


def test_only_a_phone_with_a_fault_can_be_healthy(file: LabFile) -> None:
    """The faults of the lab file are removed; other faults do not apply to such a phone."""
    menu = file.tests["menu"]
    assert "healthy" not in coverage(file, menu, {})
    to_engaged = coverage(file, menu, {"step.1.0.dial_destination": "486"})
    assert (to_engaged["healthy"], to_engaged["no-answer"]) == ("", "")
    assert to_engaged["busy"] == "the phone is busy in the lab file"
    assert to_engaged["mute"] == "the phone answers no call in the lab file"
    to_one_way = coverage(file, menu, {"step.1.0.dial_destination": "113"})
    assert to_one_way["deaf"] == "the phone has a fault in the lab file (one_way)"
    assert changed(file, "healthy", number="113") == {"one_way": None}


def test_a_fault_that_no_run_can_show_has_a_reason(file: LabFile) -> None:
    """A test without media, without digits, without steps, or to another number."""
    no_media = coverage(file, file.tests["no media"], {})
    assert no_media["mute"] == no_media["deaf"] == "the test needs no media"
    assert no_media["lost-digit"] == "the test sends no digits"
    assert no_media["late-answer"] == "the lab file lists it in `tolerates`"
    assert no_media["busy"] == ""
    assert coverage(file, file.tests["scripted"], {})["busy"] == "the test has no steps, so its verdict is scripted"
    elsewhere = coverage(file, file.tests["menu"], {"step.1.0.dial_destination": "999"})
    assert set(elsewhere.values()) == {"it calls no phone of the lab file"}
    invalid = coverage(file, file.tests["menu"], {"step.9.0.dial_destination": "999"})
    assert "the test has no action 0 in step 9" in invalid["busy"]


def test_digits_show_that_a_phone_is_deaf(file: LabFile) -> None:
    """Also if the test needs no media."""
    menu = file.tests["menu"].model_copy(update={"conditions": Conditions(media="none", answered=True)})
    assert coverage(file, menu, {})["deaf"] == ""


def test_a_phone_that_hangs_up_early_hangs_up_no_later(file: LabFile) -> None:
    """A dropped call is at most as long as the phone permits."""
    for own, expected in ((None, 0.3), (5.0, 0.3), (0.1, 0.1)):
        phone = file.phones["switchboard"].model_copy(update={"hang_up_after": own})
        short = file.model_copy(update={"phones": {**file.phones, "switchboard": phone}})
        steps = file.tests["menu"].steps
        assert steps is not None
        (called,) = called_phones(short, steps, Conditions())
        assert called is not None
        dropped = faulty("dropped", called)
        assert dropped is not None
        assert dropped.hang_up_after == expected


def test_a_run_that_has_to_fail_needs_a_fault_that_replaces_its_reason(file: LabFile) -> None:
    """A late answer adds a reason to the one that the test expects."""
    catalogue = FaultCatalogue(file)
    covered = catalogue.coverage(test="menu", parameters={}, expects_failure=True)
    assert covered["late-answer"] == "the run fails with and without it"
    assert covered["busy"] == ""


def test_a_project_shows_the_faults_that_one_of_its_tests_shows(file: LabFile) -> None:
    """By name or id; of an unknown test no fault is covered."""
    catalogue = FaultCatalogue(file)
    for project in ("Both", 1):
        covered = catalogue.coverage(project=project, parameters={})
        assert (covered["busy"], covered["mute"]) == ("", "the test needs no media")
    (only_scripted,) = {catalogue.coverage(project=1, test_ids=[103], parameters={})["busy"]}
    assert only_scripted.startswith("the test has no steps")
    assert set(catalogue.coverage(test="unknown", parameters={}).values()) == {"the lab file has no such test"}


def test_the_duration_of_a_run_is_estimated_from_its_steps(file: LabFile) -> None:
    """A phone that does not answer costs the caller's patience, a busy one nearly nothing."""
    catalogue = FaultCatalogue(file)
    seconds = {fault: catalogue.seconds(test="menu", parameters={}, fault=fault) for fault in ("", "busy", "no-answer")}
    assert seconds["busy"] < 1 < seconds[""] < 3
    assert seconds["no-answer"] == 4


def test_the_key_tolerates_knows_every_fault() -> None:
    """The lab file and this module name the same faults."""
    assert get_args(FaultName) == tuple(PHONE_FAULTS)
