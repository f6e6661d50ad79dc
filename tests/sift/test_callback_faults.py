"""Callbacks that are late, repeated, reordered, lost, early or odd."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_sipfront.errors import CallbackMissing, CallFailed, InvalidResponse
from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.runtime import SiftRuntime
from tests.sift.conftest import HASTY, SiftLab, bank

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
def test_a_scenario_succeeds_with_faulty_callbacks(sift_lab: SiftLab, dial: Dial, fault: str) -> None:
    """Order, repeats, content types and unknown fields do not matter. A lost status callback is replaced by polling."""
    sift_lab.configure(bank("says: welcome", "says: checking", callbacks=f"[{fault}]"))
    with dial() as call:
        call.expect_connected()
        assert call.listen().says("welcome")
        assert call.choose(["checking", "savings"]) == "checking"
        call.hang_up()
    assert call.status == "finished"


@pytest.mark.parametrize("fault", BEARABLE[:7])
def test_the_first_status_callback_names_the_connection(sift_lab: SiftLab, dial: Dial, fault: str) -> None:
    """The response to the creation is empty."""
    sift_lab.configure(bank("says: welcome", created="empty", callbacks=f"[{fault}]"))
    with dial() as call:
        assert call.listen().says("welcome")
    assert call.status == "finished"


def test_an_overtaken_status_does_not_reopen_a_call(sift_lab: SiftLab, dial: Dial) -> None:
    """ "connected" after "finished" counts as reached only."""
    sift_lab.configure(bank("hangs_up: 0", callbacks="[{on: status, status: connected, late: 0.05}]"))
    call = dial()
    call.wait_finished(within=60)
    assert call.expect_status("connected", within=60) == "connected"
    assert call.status == "finished"


def test_an_answer_after_the_end_counts(sift_lab: SiftLab, dial: Dial) -> None:
    """The last done callback may follow the finished status."""
    sift_lab.configure(bank("says: goodbye", "hangs_up: 0", callbacks="[{on: done, late: 0.05}]"))
    with dial() as call:
        assert call.listen().says("goodbye")


def test_a_command_that_a_hang_up_interrupts_has_no_answer(sift_lab: SiftLab, dial: Dial) -> None:
    """It is not documented whether there is a done callback; here it is empty."""
    sift_lab.configure(bank("hangs_up: 0.5", done_on_hangup="true"))
    call = dial()
    call.expect_connected()
    assert not call.listen(timeout=30)
    call.wait_finished(within=60)


def test_a_callback_of_another_account_is_unmatched(sift_lab: SiftLab, dial: Dial, runtime: SiftRuntime) -> None:
    """It is logged, and has no effect."""
    sift_lab.configure(bank(callbacks="[{on: status, status: finished, add: {account_id: theirs}}]"))
    with dial() as call:
        call.expect_connected()
    assert any("another account" in callback.unmatched for callback in runtime.log.unmatched)
    assert call.status == "finished"  # found by polling


def test_a_callback_of_another_connection_is_unmatched(sift_lab: SiftLab, dial: Dial, runtime: SiftRuntime) -> None:
    """Even if it is posted to the URL of the call."""
    fault = "{on: done, add: {connection_id: ffffffffffffffff}, times: 1, repeat: 0}"
    sift_lab.configure(bank("says: hello", callbacks=f"[{fault}]"))
    call = dial(patience=HASTY)
    call.expect_connected()
    with pytest.raises(CallbackMissing, match="did not report the end of") as raised:
        call.listen(timeout=1)
    assert "ffffffffffffffff" in str(raised.value.evidence["unmatched callbacks"])
    assert any("belongs to another call" in callback.unmatched for callback in runtime.log.unmatched)


def test_a_mistyped_answer_is_an_error(sift_lab: SiftLab, dial: Dial) -> None:
    """It is a fault of Sift, and not a missing answer."""
    sift_lab.configure(bank("says: hello", callbacks="[{on: done, add: {value: {text: hello}}}]"))
    call = dial()
    call.expect_connected()
    with pytest.raises(InvalidResponse, match="instead of a string"):
        call.listen()


def test_parallel_calls_keep_their_answers_apart(sift_lab: SiftLab, dial: Dial) -> None:
    """Each call has its own URLs, so a repeat never answers another call."""
    script = "[{says: one}, {says: two}]"
    sift_lab.configure(
        f'callees:\n  "+15550100201": {{script: {script}}}\n  "+15550100202": {{script: {script}}}\n'
        "callbacks: [{on: any, repeat: 1}]"
    )
    first, second = dial("+15550100201"), dial("+15550100202")
    assert first.listen().text == "one"
    assert second.listen().text == "one"
    assert second.listen().text == "two"
    assert first.listen().text == "two"


def test_polling_finds_a_failed_call_without_its_callback(sift_lab: SiftLab, dial: Dial) -> None:
    """A lost callback costs one poll interval."""
    sift_lab.configure('callees: {"+15550100200": {answer: busy}}\ncallbacks: [{on: status, lost: true}]')
    with pytest.raises(CallFailed, match="the call failed") as raised:
        dial().expect_connected()
    assert "status by request  failed" in str(raised.value.evidence["timeline"])
