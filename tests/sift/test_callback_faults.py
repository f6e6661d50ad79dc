"""Callbacks late, repeated, out of order, lost, early, odd: the call goes on as far as anybody can tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_sipfront.errors import CallbackMissing, CallFailed, InvalidResponse
from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.runtime import SiftRuntime
from tests.sift.conftest import HASTY, Stand, bank

Dial = Callable[..., Call]

BEARABLE = [
    "{on: status, late: 0.1}",
    "{on: done, late: 0.1}",
    "{on: any, repeat: 2}",
    "{on: status, swap: true, times: 1}",
    "{on: status, status: connecting, early: true}",
    "{on: status, status: connecting, lost: true}",
    "{on: status, status: connected, lost: true}",
    "{on: status, status: finished, lost: true}",
    "{on: status, lost: true}",
    "{on: any, content_type: applcation/json}",
    "{on: any, content_type: json}",
    "{on: any, content_type: text/plain}",
    "{on: any, add: {unknown: {deep: [1, null]}, direction: sideways}}",
    "{on: any, omit: [account_id]}",
    "{on: done, omit: [account_id, connection_id]}",
]


@pytest.mark.parametrize("fault", BEARABLE)
def test_a_scenario_succeeds_whatever_happens_to_its_callbacks(stand: Stand, dial: Dial, fault: str) -> None:
    """Order, repeats, losses that asking makes good, content types and unknown fields do not matter."""
    stand.configure(bank("says: welcome", "says: checking", callbacks=f"[{fault}]"))
    with dial() as call:
        call.expect_connected()
        assert call.listen().says("welcome")
        assert call.choose(["checking", "savings"]) == "checking"
        call.hang_up()
    assert call.status == "finished"


@pytest.mark.parametrize("fault", BEARABLE[:7])
def test_a_call_without_a_create_answer_is_named_by_any_status_callback(stand: Stand, dial: Dial, fault: str) -> None:
    """With an empty body, the id comes from the first status callback, whichever that is."""
    stand.configure(bank("says: welcome", created="empty", callbacks=f"[{fault}]"))
    with dial() as call:
        assert call.listen().says("welcome")
    assert call.status == "finished"


def test_a_status_that_was_overtaken_does_not_bring_a_call_back(stand: Stand, dial: Dial) -> None:
    """connected after finished leaves the call finished, and counts as reached."""
    stand.configure(bank("hangs_up: 0", callbacks="[{on: status, status: connected, late: 0.05}]"))
    call = dial()
    call.wait_finished(within=5)
    assert call.expect_status("connected", within=5) == "connected"
    assert call.status == "finished"


def test_an_answer_that_comes_after_the_end_still_counts(stand: Stand, dial: Dial) -> None:
    """The last done callback and the finished status may change places."""
    stand.configure(bank("says: goodbye", "hangs_up: 0", callbacks="[{on: done, late: 0.05}]"))
    with dial() as call:
        assert call.listen().says("goodbye")


def test_a_done_callback_for_a_command_that_a_hang_up_cut_short_is_silence(stand: Stand, dial: Dial) -> None:
    """Whether there is one is on no page; if there is, it holds no answer, and the call is over."""
    stand.configure(bank("hangs_up: 0.5", done_on_hangup="true"))
    call = dial()
    call.expect_connected()
    assert not call.listen(timeout=30)
    call.wait_finished(within=5)


def test_a_callback_that_names_another_account_is_for_nobody(stand: Stand, dial: Dial, runtime: SiftRuntime) -> None:
    """It is kept and shown, and changes nothing."""
    stand.configure(bank(callbacks="[{on: status, status: finished, add: {account_id: theirs}}]"))
    with dial() as call:
        call.expect_connected()
    assert any("another account" in stray.unmatched for stray in runtime.log.unmatched)
    assert call.status == "finished"  # found by asking


def test_a_callback_that_names_another_connection_is_for_nobody(stand: Stand, dial: Dial, runtime: SiftRuntime) -> None:
    """One call is never confused with another, even at its own address."""
    fault = "{on: done, add: {connection_id: ffffffffffffffff}, times: 1, repeat: 0}"
    stand.configure(bank("says: hello", callbacks=f"[{fault}]"))
    call = dial(patience=HASTY)
    call.expect_connected()
    with pytest.raises(CallbackMissing, match="did not report the end of") as raised:
        call.listen(timeout=1)
    assert "ffffffffffffffff" in str(raised.value.evidence["unmatched callbacks"])
    assert any("belongs to another call" in stray.unmatched for stray in runtime.log.unmatched)


def test_a_wrong_answer_is_not_taken_for_silence(stand: Stand, dial: Dial) -> None:
    """A value of a wrong type is Sift's mistake: an error, no verdict on the words."""
    stand.configure(bank("says: hello", callbacks="[{on: done, add: {value: {text: hello}}}]"))
    call = dial()
    call.expect_connected()
    with pytest.raises(InvalidResponse, match="instead of a string"):
        call.listen()


def test_parallel_calls_keep_their_answers_apart(stand: Stand, dial: Dial) -> None:
    """Each call has addresses of its own; repeats of one never answer another."""
    script = "[{says: one}, {says: two}]"
    stand.configure(
        f'callees:\n  "+15550100201": {{script: {script}}}\n  "+15550100202": {{script: {script}}}\n'
        "callbacks: [{on: any, repeat: 1}]"
    )
    first, second = dial("+15550100201"), dial("+15550100202")
    assert first.listen().text == "one"
    assert second.listen().text == "one"
    assert second.listen().text == "two"
    assert first.listen().text == "two"


def test_a_failed_call_whose_callback_is_lost_is_found_by_asking(stand: Stand, dial: Dial) -> None:
    """A lost callback costs a moment, not the verdict."""
    stand.configure('callees: {"+15550100200": {answer: busy}}\ncallbacks: [{on: status, lost: true}]')
    with pytest.raises(CallFailed, match="the call failed") as raised:
        dial().expect_connected()
    assert "status by request  failed" in str(raised.value.evidence["timeline"])
