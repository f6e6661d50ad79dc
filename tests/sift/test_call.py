"""Calls as tests drive them, against the stand-in over real HTTP."""

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
from tests.sift.conftest import BANK, HASTY, Stand, bank

Dial = Callable[..., Call]


def test_a_whole_scenario_goes_from_dialling_to_a_finished_call(stand: Stand, dial: Dial) -> None:
    """The example of the documentation works as it stands."""
    stand.configure(bank("says: Welcome to ACME bank!", "hears: balance", "says: my checking please"))
    with dial() as call:
        call.expect_connected(within=20)
        assert call.listen(timeout=10).says("welcome to acme bank", wer=0.2)
        call.say("balance")
        assert call.choose(["checking", "savings"]) == "checking"
        call.hang_up()
    assert call.status == "finished"
    assert 0 < call.duration < 60


def test_the_timeline_holds_what_was_sent_and_what_came_back_in_order(stand: Stand, dial: Dial) -> None:
    """Time, event, what was sent, what came back."""
    stand.configure(bank("says: hello"))
    with dial() as call:
        call.expect_connected()
        call.listen(timeout=4)
    told = [(entry.direction, entry.event, entry.details) for entry in call.timeline]
    assert told[0] == ("->", "dial", BANK)
    asked, answered = (
        told.index(("->", "GetFreeResponse", "timeout_seconds=4")),
        told.index(("<-", "done GetFreeResponse", "value='hello'")),
    )
    assert asked < answered < told.index(("->", "HangUp", ""))
    times = [entry.at for entry in call.timeline]
    assert times == sorted(times)
    assert told[-1] == ("<-", "status", "finished")


# ---- calls that go otherwise than asserted


@pytest.mark.parametrize("answer", ["busy", "no_answer"])
def test_a_call_that_is_not_answered_fails_at_once(stand: Stand, dial: Dial, answer: str) -> None:
    """Sift has one word for busy and no answer: failed."""
    stand.configure(f'callees: {{"{BANK}": {{answer: {answer}, rings: 0.05}}}}')
    with pytest.raises(CallFailed, match="the call failed while waiting for connected") as raised:
        dial().expect_connected(within=20)
    assert "status  failed" in str(raised.value.evidence["timeline"])


def test_a_number_that_nobody_has_fails(stand: Stand, dial: Dial) -> None:
    """A connection that never connects is failed."""
    stand.configure("page_size: 20")
    call = dial()
    assert call.expect_status("failed", "finished", within=5) == "failed"
    assert call.duration == 0


def test_a_call_that_is_not_connected_in_time_fails(stand: Stand, dial: Dial) -> None:
    """The message says how long was waited and how far the call came."""
    stand.configure(f'callees: {{"{BANK}": {{rings: 30}}}}')
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
def test_a_hang_up_in_the_middle_ends_the_waiting_verb_with_the_timeline(
    stand: Stand, dial: Dial, verb: Callable[[Call], object]
) -> None:
    """The assertion shows the whole call; nothing waits for the timeout."""
    stand.configure(bank("hangs_up: 0.5"))
    call = dial()
    call.expect_connected()
    with pytest.raises(CallFailed, match="the call was finished while") as raised:
        verb(call)
    assert {"call", "connection", "status", "timeline"} <= raised.value.evidence.keys()
    assert "-> dial" in str(raised.value.evidence["timeline"])


def test_a_verb_after_the_end_fails_without_asking_sift(stand: Stand, dial: Dial) -> None:
    """What cannot be done any more is said at once."""
    stand.configure(bank("hangs_up: 0"))
    call = dial()
    call.wait_finished(within=5)
    with pytest.raises(CallFailed, match="the call is over"):
        call.say("anybody there?")
    assert stand.now.recorder.by_kind["sift-routine"] == 0


def test_a_call_that_should_end_and_does_not_fails(stand: Stand, dial: Dial) -> None:
    """wait_finished does not hang up by itself."""
    stand.configure(bank())
    call = dial()
    call.expect_connected()
    with pytest.raises(CallFailed, match=r"not finished within 0\.1 s; the status is connected"):
        call.wait_finished(within=0.1)


# ---- what is Sift's own failure


def test_a_rejected_routine_is_an_error_with_the_timeline(stand: Stand, dial: Dial) -> None:
    """It is no failure of the call."""
    stand.configure(bank(faults="[{on: routine, status: 400, error: too many commands, times: 1}]"))
    call = dial()
    call.expect_connected()
    with pytest.raises(RequestRefused, match="too many commands") as raised:
        call.say("hello")
    assert "timeline" in raised.value.evidence


def test_a_done_callback_that_never_comes_is_an_error(stand: Stand, dial: Dial) -> None:
    """The call goes on, and so nobody knows how the command ended."""
    stand.configure(bank(callbacks="[{on: done, lost: true}]"))
    call = dial(patience=HASTY)
    call.expect_connected()
    with pytest.raises(CallbackMissing, match="did not report the end of Say") as raised:
        call.say("hi")
    assert "--sift-callback-timeout" in raised.value.hint
    assert "-> Say" in str(raised.value.evidence["timeline"])


def test_a_call_that_sift_never_names_is_an_error(stand: Stand, dial: Dial) -> None:
    """An empty create answer and no status callback leave nothing to go by; teardown says so too."""
    stand.configure(bank(created="empty", callbacks="[{on: status, lost: true}]"))
    call = dial(patience=HASTY)
    with pytest.raises(CallbackMissing, match="did not name the connection"):
        call.run([Say(text="hi")])
    with pytest.raises(CallbackMissing, match="cannot be hung up"):
        call.close()
    call._control.inbox.connection = type(call.connection)(connection_id="x", status="finished")  # noqa: SLF001


def test_a_hang_up_that_does_not_end_the_call_is_an_error(stand: Stand, dial: Dial) -> None:
    """Sift accepted HangUp and goes on."""
    stand.configure(bank(faults="[{on: routine, body: {}, effect: false, times: 1}]"))
    call = dial()
    call.expect_connected()
    with pytest.raises(CallbackMissing, match=r"the call is still active 0\.2 s after HangUp"):
        call.hang_up(within=0.2)


def test_a_refused_create_places_no_call_and_leaves_nothing_to_hang_up(stand: Stand, runtime: SiftRuntime) -> None:
    """The error has the timeline, and closing is quiet."""
    stand.configure("faults: [{on: create, status: 400, error: no such number}]")
    call = Call(CallControl(runtime, BANK), {"phone_number": BANK})
    with pytest.raises(RequestRefused, match="no such number"):
        call.dial()
    call.close()
    assert stand.now.recorder.by_kind["sift-routine"] == 0


def test_a_lost_create_answer_is_made_good_by_the_status_callback(stand: Stand, dial: Dial) -> None:
    """The call was placed, as its callback says; it is driven on and not placed again."""
    stand.configure(bank("says: hello", faults="[{on: create, drop: after}]"))
    with dial() as call:
        assert call.listen().text == "hello"
    assert stand.now.recorder.by_kind["sift-create"] == 1


def test_a_lost_create_answer_without_a_callback_says_that_a_call_may_be_placed(
    stand: Stand, runtime: SiftRuntime
) -> None:
    """It is never placed again."""
    stand.configure(bank(faults="[{on: create, drop: before}]"))
    with pytest.raises(PlatformUnavailable) as raised:
        Call(CallControl(runtime, BANK, HASTY), {"phone_number": BANK}).dial()
    assert "not placed again" in raised.value.hint
    assert stand.now.recorder.by_kind["sift-create"] == 1


# ---- the end


def test_leaving_the_with_block_hangs_up(stand: Stand, dial: Dial) -> None:
    """A call is over when its block is."""
    stand.configure(bank())
    with dial() as call:
        call.expect_connected()
    assert call.status == "finished"
    assert stand.commands == [{"name": "HangUp"}]


def test_an_error_in_the_block_is_the_one_that_is_raised(stand: Stand, dial: Dial) -> None:
    """Whatever hanging up runs into, and it does hang up."""
    stand.configure(bank(faults="[{on: routine, status: 400, error: no, times: 1}]"))
    with pytest.raises(ZeroDivisionError):  # noqa: PT012, SIM117 - the block is what is tested
        with dial() as call:
            call.expect_connected()
            _ = 1 / 0
    call.close()
    assert call.status == "finished"


def test_a_call_that_is_still_ringing_is_hung_up(stand: Stand, dial: Dial) -> None:
    """Also a call that nobody has answered yet does not ring on."""
    stand.configure(f'callees: {{"{BANK}": {{rings: 30}}}}')
    with dial() as call:
        assert call.status in ("", "connecting")
    assert call.status == "failed"


def test_hanging_up_twice_is_quiet(stand: Stand, dial: Dial) -> None:
    """What is over need not be ended."""
    stand.configure(bank())
    with dial() as call:
        call.expect_connected()
        call.hang_up()
        call.hang_up()
    assert stand.now.recorder.by_kind["sift-routine"] == 1


def test_a_hang_up_that_crosses_the_other_sides_is_quiet(stand: Stand, dial: Dial) -> None:
    """The other side was quicker, and its callback is still under way."""
    stand.configure(bank("hangs_up: 0", callbacks="[{on: status, status: finished, late: 1}]"))
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
def test_a_mistake_in_a_verb_is_an_error_and_sends_nothing(
    stand: Stand, dial: Dial, mistake: Callable[[Any], object], why: str
) -> None:
    """The text says what to write instead."""
    stand.configure(bank())
    call = dial()
    call.expect_connected()
    with pytest.raises(ConfigurationError, match=why):
        mistake(call)
    assert stand.now.recorder.by_kind["sift-routine"] == 0


def test_a_call_that_is_not_dialled_says_so(runtime: SiftRuntime) -> None:
    """`connect=False` leaves dialling to the test."""
    call = Call(CallControl(runtime, BANK), {"phone_number": BANK})
    for verb in (call.expect_connected, call.hang_up, call.listen, call.wait_finished):
        with pytest.raises(ConfigurationError, match="not dialled yet"):
            verb()
    call.close()


def test_no_answer_reads_like_silence() -> None:
    """`call.listen().says(...)` works when nothing was heard."""
    match = NO_ANSWER.says("hello")
    assert not match
    assert "heard ''" in repr(match)
