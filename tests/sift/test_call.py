"""Calls as tests drive them, against the lab over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_sipfront.clients.sift.routine import Say
from pytest_sipfront.errors import CallbackMissing, CallFailed, ConfigurationError, PlatformUnavailable, RequestRefused
from pytest_sipfront.sift.answers import NO_ANSWER
from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.call_control import CallControl
from pytest_sipfront.sift.runtime import SiftRuntime
from tests.sift.conftest import BANK, HASTY, SiftLab, bank, by_request

Dial = Callable[..., Call]


def test_a_scenario_runs_from_dialling_to_a_finished_call(sift_lab: SiftLab, dial: Dial) -> None:
    """The example of the documentation."""
    sift_lab.configure(bank("says: Welcome to ACME bank!", "hears: balance", "says: my checking please"))
    with dial() as call:
        call.expect_connected(within=60)
        assert call.listen(timeout=10).says("welcome to acme bank", wer=0.2)
        call.say("balance")
        assert call.choose(["checking", "savings"]) == "checking"
        call.hang_up()
    assert call.status == "finished"
    assert 0 < call.duration < 60


def test_the_timeline_lists_sent_commands_and_received_callbacks(sift_lab: SiftLab, dial: Dial) -> None:
    """Each entry has time, direction, event and details."""
    sift_lab.configure(bank("says: hello"))
    with dial() as call:
        call.expect_connected()
        call.listen(timeout=4)
    entries = [(entry.direction, entry.event, entry.details) for entry in call.timeline]
    assert entries[0] == ("->", "dial", BANK)
    sent, answered = (
        entries.index(("->", "GetFreeResponse", "timeout_seconds=4")),
        entries.index(("<-", "done GetFreeResponse", "value='hello'")),
    )
    assert sent < answered < entries.index(("->", "HangUp", ""))
    times = [entry.at for entry in call.timeline]
    assert times == sorted(times)
    assert entries[-1] == ("<-", "status", "finished")


# ---- calls that go otherwise than asserted


@pytest.mark.parametrize("answer", ["busy", "no_answer"])
def test_a_call_that_is_not_answered_fails_at_once(sift_lab: SiftLab, dial: Dial, answer: str) -> None:
    """Sift reports "failed" for busy and for no answer."""
    sift_lab.configure(f'callees: {{"{BANK}": {{answer: {answer}, rings: 0.05}}}}')
    with pytest.raises(CallFailed, match="the call failed while waiting for connected") as raised:
        dial().expect_connected(within=60)
    assert "failed" in str(raised.value.evidence["timeline"])


def test_a_call_to_an_unassigned_number_fails(sift_lab: SiftLab, dial: Dial) -> None:
    """Its connection never connects."""
    sift_lab.configure("page_size: 20")
    call = dial()
    assert call.expect_status("failed", "finished", within=60) == "failed"
    assert call.duration == 0


def test_a_call_that_is_not_connected_in_time_fails(sift_lab: SiftLab, dial: Dial) -> None:
    """The message contains the time limit and the status."""
    sift_lab.configure(f'callees: {{"{BANK}": {{rings: 30}}}}')
    with pytest.raises(CallFailed, match=r"not connected within 0\.1 s; the status is connecting"):
        dial().expect_connected(within=0.1)


VERBS: list[Callable[[Call], object]] = [
    lambda call: call.listen(timeout=60),
    lambda call: call.digits(timeout=60),
    lambda call: call.yes_or_no(timeout=60),
    lambda call: call.run([Say(text="hi"), {"name": "GetName"}, Say(text="there")]),
    lambda call: call.bridge("+15550100300").wait_ended(within=60),
]


@pytest.mark.parametrize("verb", VERBS)
def test_a_hang_up_ends_a_waiting_method_with_the_timeline(
    sift_lab: SiftLab, dial: Dial, verb: Callable[[Call], object]
) -> None:
    """The method does not wait for its timeout."""
    sift_lab.configure(bank("hangs_up: 0.5"))
    call = dial()
    call.expect_connected()
    with pytest.raises(CallFailed, match="the call was finished while") as raised:
        verb(call)
    assert {"call", "connection", "status", "timeline"} <= raised.value.evidence.keys()
    assert "-> dial" in str(raised.value.evidence["timeline"])


def test_a_method_after_the_end_of_the_call_fails_without_a_request(sift_lab: SiftLab, dial: Dial) -> None:
    """The message says that the call is over."""
    sift_lab.configure(bank("hangs_up: 0"))
    call = dial()
    call.wait_finished(within=60)
    with pytest.raises(CallFailed, match="the call is over"):
        call.say("anybody there?")
    assert sift_lab.service.recorder.by_kind["sift-routine"] == 0


def test_wait_finished_fails_if_the_call_does_not_end(sift_lab: SiftLab, dial: Dial) -> None:
    """It does not hang up."""
    sift_lab.configure(bank())
    call = dial()
    call.expect_connected()
    with pytest.raises(CallFailed, match=r"not finished within 0\.1 s; the status is connected"):
        call.wait_finished(within=0.1)


# ---- what is Sift's own failure


@by_request
def test_a_rejected_routine_is_an_error_with_the_timeline(sift_lab: SiftLab, dial: Dial) -> None:
    """It is not a failure of the call."""
    sift_lab.configure(bank(faults="[{on: routine, status: 400, error: too many commands, times: 1}]"))
    call = dial()
    call.expect_connected()
    with pytest.raises(RequestRefused, match="too many commands") as raised:
        call.say("hello")
    assert "timeline" in raised.value.evidence


def test_a_missing_done_callback_is_an_error(sift_lab: SiftLab, dial: Dial) -> None:
    """The call is active, so the result of the command is unknown."""
    sift_lab.configure(bank(callbacks="[{on: done, lost: true}]"))
    call = dial(patience=HASTY)
    call.expect_connected()
    with pytest.raises(CallbackMissing, match="did not report the end of Say") as raised:
        call.say("hi")
    assert "--sift-callback-timeout" in raised.value.hint
    assert "-> Say" in str(raised.value.evidence["timeline"])


def test_a_call_without_a_connection_id_is_an_error(sift_lab: SiftLab, dial: Dial) -> None:
    """The response is empty and no status callback arrives. Teardown reports it, too."""
    sift_lab.configure(bank(created="empty", callbacks="[{on: status, lost: true}]"))
    call = dial(patience=HASTY)
    with pytest.raises(CallbackMissing, match="did not name the connection"):
        call.run([Say(text="hi")])
    with pytest.raises(CallbackMissing, match="cannot be hung up"):
        call.close()
    call._control.inbox.connection = type(call.connection)(connection_id="x", status="finished")  # noqa: SLF001


@by_request
def test_a_hang_up_without_effect_is_an_error(sift_lab: SiftLab, dial: Dial) -> None:
    """Sift accepted HangUp, but the call continues."""
    sift_lab.configure(bank(faults="[{on: routine, body: {}, effect: false, times: 1}]"))
    call = dial()
    call.expect_connected()
    with pytest.raises(CallbackMissing, match=r"the call is still active 0\.2 s after HangUp"):
        call.hang_up(within=0.2)


def test_a_refused_call_is_not_hung_up(sift_lab: SiftLab, runtime: SiftRuntime) -> None:
    """The error contains the timeline, and closing the call does nothing."""
    sift_lab.configure("faults: [{on: create, status: 400, error: no such number}]")
    call = Call(CallControl(runtime, BANK), {"phone_number": BANK})
    with pytest.raises(RequestRefused, match="no such number"):
        call.dial()
    call.close()
    assert sift_lab.service.recorder.by_kind["sift-routine"] == 0


def test_a_lost_response_is_replaced_by_the_status_callback(sift_lab: SiftLab, dial: Dial) -> None:
    """The callback proves that the call was placed. It is not placed again."""
    sift_lab.configure(bank("says: hello", faults="[{on: create, drop: after}]"))
    with dial() as call:
        assert call.listen().text == "hello"
    assert sift_lab.service.recorder.by_kind["sift-create"] == 1


def test_a_lost_response_without_a_callback_is_an_error(sift_lab: SiftLab, runtime: SiftRuntime) -> None:
    """The call may have been placed. It is not placed again."""
    sift_lab.configure(bank(faults="[{on: create, drop: before}]"))
    with pytest.raises(PlatformUnavailable) as raised:
        Call(CallControl(runtime, BANK, HASTY), {"phone_number": BANK}).dial()
    assert "not placed again" in raised.value.hint
    assert sift_lab.service.recorder.by_kind["sift-create"] == 1


# ---- the end


def test_leaving_the_with_block_hangs_up(sift_lab: SiftLab, dial: Dial) -> None:
    """The call ends with the block."""
    sift_lab.configure(bank())
    with dial() as call:
        call.expect_connected()
    assert call.status == "finished"
    assert sift_lab.commands == [{"name": "HangUp"}]


def test_an_error_in_the_block_is_raised_after_hanging_up(sift_lab: SiftLab, dial: Dial) -> None:
    """Errors of the hang-up are suppressed."""
    sift_lab.configure(bank(faults="[{on: routine, status: 400, error: no, times: 1}]"))
    with pytest.raises(ZeroDivisionError):  # noqa: PT012, SIM117 - the block is what is tested
        with dial() as call:
            call.expect_connected()
            _ = 1 / 0
    call.close()
    assert call.status == "finished"


def test_a_call_that_is_still_ringing_is_hung_up(sift_lab: SiftLab, dial: Dial) -> None:
    """A call that is not answered does not ring on."""
    sift_lab.configure(f'callees: {{"{BANK}": {{rings: 30}}}}')
    with dial() as call:
        assert call.status in ("", "connecting")
    assert call.status == "failed"


def test_hanging_up_twice_is_allowed(sift_lab: SiftLab, dial: Dial) -> None:
    """The second time does nothing."""
    sift_lab.configure(bank())
    with dial() as call:
        call.expect_connected()
        call.hang_up()
        call.hang_up()
    assert [command["name"] for command in sift_lab.commands] == ["HangUp"]


def test_both_sides_may_hang_up_at_once(sift_lab: SiftLab, dial: Dial) -> None:
    """The other side's status callback may still be on its way."""
    sift_lab.configure(bank("hangs_up: 0", callbacks="[{on: status, status: finished, late: 1}]"))
    call = dial()
    call.expect_status("connected")
    call.hang_up()
    assert call.status == "finished"


# ---- mistakes


@pytest.mark.parametrize(
    ("mistake", "why"),
    [
        (lambda call: call.choose([]), "one or more non-empty strings"),
        (lambda call: call.choose("yes"), "must be a list of strings"),
        (lambda call: call.run(Say(text="hi")), "a routine must be a list"),
        (lambda call: call.listen(timeout=0), "timeout must be a number of seconds > 0, got 0"),
        (lambda call: call.bridge(), "required, got neither"),
        (lambda call: call.bridge("+15550100300", client_name="x"), "required, got both"),
        (lambda call: call.play("a.wav"), "URL"),
        (lambda call: call.dial(), "already dialled"),
    ],
)
def test_an_invalid_argument_is_an_error_before_a_request(
    sift_lab: SiftLab, dial: Dial, mistake: Callable[[Any], object], why: str
) -> None:
    """The message says what is allowed."""
    sift_lab.configure(bank())
    call = dial()
    call.expect_connected()
    with pytest.raises(ConfigurationError, match=why):
        mistake(call)
    assert sift_lab.service.recorder.by_kind["sift-routine"] == 0


def test_a_call_must_be_dialled_first(runtime: SiftRuntime) -> None:
    """`connect=False` leaves dialling to the test."""
    call = Call(CallControl(runtime, BANK), {"phone_number": BANK})
    for verb in (call.expect_connected, call.hang_up, call.listen, call.wait_finished):
        with pytest.raises(ConfigurationError, match="not dialled yet"):
            verb()
    call.close()


def test_no_answer_can_be_compared_with_words() -> None:
    """`call.listen().says(...)` works without an answer."""
    match = NO_ANSWER.says("hello")
    assert not match
    assert "heard ''" in repr(match)
