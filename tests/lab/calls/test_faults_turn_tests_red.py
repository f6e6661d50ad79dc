"""Every fault of a phone against a suite that passes with a healthy phone."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from pytest_sipfront.lab.file.calls_section import Phone
from pytest_sipfront.lab.platform.executor import LabRunResult
from tests.lab.calls.placing import find_all, needs_stack

pytestmark = [needs_stack, pytest.mark.slow]

SUITE = """
  answers at once:
    steps:
      - [{action: register}, {action: wait}]
      - [{action: call, dial_destination: sound, answer_timeout: 2.5}, {action: hold, seconds: 1}]
    conditions: {answered: true, answer_within: 1}
  can be heard:
    steps:
      - [{action: wait}]
      - [{action: call, dial_destination: sound, answer_timeout: 2.5}, {action: hold, seconds: 1}]
    conditions: {not_silent: from_callee}
  hears the caller:
    steps:
      - [{action: wait}]
      - - {action: call, dial_destination: sound, answer_timeout: 2.5}
        - {action: play, prompt: sales}
    conditions: {not_silent: from_caller}
  greets:
    steps:
      - [{action: wait}]
      - [{action: call, dial_destination: sound, answer_timeout: 2.5}, {action: hold, seconds: 2}]
    conditions: {prompt_heard: welcome}
  leads to sales:
    steps:
      - [{action: wait}]
      - - {action: call, dial_destination: sound, answer_timeout: 2.5}
        - {action: send_dtmf, digits: "1"}
        - {action: hold, seconds: 2}
    conditions: {prompt_heard: sales}
  gets every digit:
    steps:
      - [{action: wait}, {action: expect_dtmf, digits: "42"}]
      - - {action: call, dial_destination: sound, answer_timeout: 2.5}
        - {action: send_dtmf, digits: "42", after: 0.6}
  sounds good:
    steps:
      - [{action: wait}]
      - [{action: call, dial_destination: sound, answer_timeout: 2.5}, {action: hold, seconds: 1.5}]
    conditions: {max_packet_loss: 5, max_jitter: 20}
  stays on the line:
    steps:
      - [{action: wait}]
      - [{action: call, dial_destination: sound, answer_timeout: 2.5}, {action: hold, seconds: 1}]
    conditions: {ended_by: caller, duration: [0.9, 3]}
  is busy:
    steps:
      - [{action: wait}]
      - [{action: call, dial_destination: engaged, answer_timeout: 2.5}]
    conditions: {sip_code: 486, media: none}
"""
SUITE_TESTS = [line.strip()[:-1] for line in SUITE.splitlines() if re.fullmatch(r"  \S.*:", line)]
ELSEWHERE = "is busy"
EVERY_CALL = [name for name in SUITE_TESTS if name != ELSEWHERE]

MENU = "menu: {main: {play: welcome, 1: sales}, sales: {play: sales}}"
FAULTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "silence": (
        f"{MENU}, silent: true",
        {
            "can be heard": r"silence from callee: .*, -50 dBFS needed",
            "greets": r"prompt 'welcome' expected, no prompt of the catalogue heard .*",
            "leads to sales": r"prompt 'sales' expected, no prompt of the catalogue heard .*",
        },
    ),
    "wrong greeting": (
        f"{MENU}, wrong_prompt: {{welcome: closed}}",
        {"greets": r"prompt 'welcome' expected, 'closed' heard \(match [01]\.\d+ against -?\d\.\d+\)"},
    ),
    "greeting with one word changed": (
        f"{MENU}, wrong_prompt: {{welcome: welcome changed}}",
        {"greets": r"prompt 'welcome' expected, 'welcome changed' heard .*"},
    ),
    "wrong prompt behind a digit": (
        f"{MENU}, wrong_prompt: {{sales: support}}",
        {"leads to sales": r"prompt 'sales' expected, 'support' heard .*"},
    ),
    "first digit lost": (
        f"{MENU}, lose_digit: 1",
        {
            "leads to sales": r"prompt 'sales' expected, .*",
            "gets every digit": r"DTMF 42 expected, 2 received",
        },
    ),
    "second digit lost": (
        f"{MENU}, lose_digit: 2",
        {"gets every digit": r"DTMF 42 expected, 4 received"},
    ),
    "busy": ("reject: 486", dict.fromkeys(EVERY_CALL, r"486 Busy Here after \d\.\d\d s")),
    "unknown number": ("reject: 404", dict.fromkeys(EVERY_CALL, r"404 Not Found after \d\.\d\d s")),
    "no common codec": ("reject: 488", dict.fromkeys(EVERY_CALL, r"488 Not Acceptable Here after \d\.\d\d s")),
    "no answer": (
        "never_answers: true",
        dict.fromkeys(EVERY_CALL, r"no answer within \d\.\d\d s, cancelled \(487\)"),
    ),
    "late answer": (
        f"{MENU}, answer_after: 1.2",
        {"answers at once": r"answered after \d\.\d\d s, at most 1 s allowed"},
    ),
    "early hang-up": (
        f"{MENU}, hang_up_after: 0.4",
        {
            "hears the caller": r"call ended by the callee after \d\.\d\d s, during 'play'",
            "greets": r"prompt 'welcome' expected, the call was too short for it",
            "leads to sales": r"(call ended .*; )?prompt 'sales' expected, the call was too short for it",
            "gets every digit": r"DTMF 42 expected, (nothing|4) received",
            "stays on the line": (
                r"call lasted \d\.\d\d s, ended by the callee; 0\.9 to 3 s expected; "
                r"ended by the callee after \d\.\d\d s, to be ended by the caller"
            ),
        },
    ),
    "bad line": (
        f"{MENU}, line: {{jitter: 90}}",
        {"sounds good": r"jitter [23]\d\.\d ms from callee \(.*\), at most 20 ms allowed; jitter .* from caller .*"},
    ),
    "no RTP sent": (
        f"{MENU}, one_way: receives",
        dict.fromkeys(EVERY_CALL, r"no RTP from callee for \d\.\d s( \(1 packet in all\))?(;.*)?"),
    ),
    "deaf": (
        f"{MENU}, one_way: sends",
        dict.fromkeys(EVERY_CALL, r"no RTP from caller for \d\.\d s(;.*)?"),
    ),
}
SOUND = "sound"


def lab_text() -> str:
    phones = {SOUND: MENU, **{name: phone for name, (phone, _) in FAULTS.items()}, "engaged": "reject: 486"}
    listed = "\n".join(f"  {name}: {{number: {number_of(name)}, {phone}}}" for name, phone in phones.items())
    return f"""
limits: {{concurrent_calls: 16}}
prompts:
  welcome: {{say: welcome one}}
  welcome changed: {{say: welcome six}}
  sales: {{say: sales here}}
  support: {{say: help me out}}
  closed: {{say: we are closed}}
phones:
{listed}
tests:
{SUITE}
"""


def number_of(phone: str) -> str:
    return phone.replace(" ", "-")


@pytest.fixture(scope="module")
def results() -> dict[tuple[str, str], LabRunResult]:
    """The results of the suite against the healthy phone and every faulty one, by fault and test."""
    runs = [(fault, test) for fault in (SOUND, *FAULTS) for test in SUITE_TESTS]
    key = "step.1.0.dial_destination"
    found = find_all(
        lab_text(),
        [(test, {} if test == ELSEWHERE else {key: number_of(fault)}) for fault, test in runs],
    )
    return dict(zip(runs, found, strict=True))


def test_a_healthy_phone_passes_every_test(results: Mapping[tuple[str, str], LabRunResult]) -> None:
    """The whole suite passes without a fault, so every failure below has the fault as its cause."""
    assert {test: results[SOUND, test].description for test in SUITE_TESTS} == dict.fromkeys(SUITE_TESTS, "")
    assert {results[SOUND, test].state for test in SUITE_TESTS} == {"passed"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_turns_exactly_the_tests_red_that_it_concerns(
    fault: str, results: Mapping[tuple[str, str], LabRunResult]
) -> None:
    """Each affected test fails for the reason of the fault, and no other test fails."""
    _, expected = FAULTS[fault]
    found = {test: results[fault, test] for test in SUITE_TESTS}
    red = {test: result.description for test, result in found.items() if result.state != "passed"}
    assert red.keys() == expected.keys()
    wrongly_told = {test: text for test, text in red.items() if not re.fullmatch(expected[test], text)}
    assert not wrongly_told


def test_every_fault_that_a_phone_can_have_is_tried() -> None:
    """A new fault of phones needs an entry in this module."""
    behaviour = {"number", "play", "repeat", "menu", "send_dtmf", "record"}
    tried = {field for field in Phone.model_fields if any(f"{field}:" in phone for phone, _ in FAULTS.values())}
    assert set(Phone.model_fields) - tried <= behaviour
