"""The response to the status callback `connected`: the test's first command, or a routine that keeps the call up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pytest_sipfront.engine import routine_responses
from pytest_sipfront.engine.routine_responses import KEEP_UP, RoutineResponses
from pytest_sipfront.errors import CallFailed
from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.runtime import SiftRuntime
from tests.loop_thread import LoopThread
from tests.sift.conftest import BANK, SiftLab, bank, by_request

Dial = Callable[..., Call]
SAY = [{"name": "Say", "text": "hello"}]
CONNECTED = {"connection": {"connection_id": "c1", "status": "connected"}}

with_routine = pytest.mark.parametrize("callback_response", ["routine"], indirect=True)


@pytest.fixture
def responses() -> RoutineResponses:
    created = RoutineResponses()
    created.expect("call")
    return created


async def _respond(responses: RoutineResponses, body: Any = CONNECTED, kind: str = "status") -> Any:
    response = await responses.respond(kind, "call", body)
    responses.sent("call", response)
    return response


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Responses do not wait for a command."""
    monkeypatch.setattr(routine_responses, "COMMAND_SECONDS", 0.01)


def test_the_response_contains_the_first_command(responses: RoutineResponses, background: LoopThread) -> None:
    """It waits for the command, which counts as sent."""

    async def exchange() -> tuple[Any, bool]:
        waiting = asyncio.create_task(_respond(responses))
        await asyncio.sleep(0)
        is_sent = await responses.hand_over("call", SAY)
        return await waiting, is_sent

    assert background.wait(exchange) == ({"routine": SAY}, True)
    assert background.wait(lambda: _respond(responses)) == {"routine": KEEP_UP}
    assert background.wait(lambda: responses.hand_over("call", SAY)) is False


@pytest.mark.usefixtures("short")
def test_without_a_command_the_call_is_kept_up(responses: RoutineResponses, background: LoopThread) -> None:
    """Commands that come later are sent by request, and repeated callbacks get the same routine."""
    assert background.wait(lambda: _respond(responses)) == {"routine": KEEP_UP}
    assert background.wait(lambda: responses.hand_over("call", SAY)) is False
    assert background.wait(lambda: _respond(responses)) == {"routine": KEEP_UP}


def test_a_routine_that_was_sent_by_request_is_not_replaced(
    responses: RoutineResponses, background: LoopThread
) -> None:
    """The callback arrives after the request."""
    assert background.wait(lambda: responses.hand_over("call", SAY)) is False
    assert background.wait(lambda: _respond(responses)) == {}


def test_a_call_that_sends_nothing_for_now_gets_its_response_at_once(
    responses: RoutineResponses, background: LoopThread
) -> None:
    """The response does not wait for a command."""
    assert background.wait(lambda: responses.hand_over("call", [])) is False
    assert background.wait(lambda: _respond(responses)) == {"routine": KEEP_UP}


@pytest.mark.parametrize(
    ("kind", "body", "response"),
    [
        ("status", {"connection_id": "c1", "status": "finished"}, {}),
        ("status", None, {}),
        ("done", CONNECTED, {}),
        ("incoming", CONNECTED, {"routine": []}),
    ],
)
def test_other_callbacks_get_no_command(
    responses: RoutineResponses, background: LoopThread, kind: str, body: Any, response: Any
) -> None:
    """Only `connected` does."""
    assert background.wait(lambda: _respond(responses, body, kind)) == response


@with_routine
def test_the_first_command_needs_no_request(sift_lab: SiftLab, dial: Dial) -> None:
    """The second one is sent by request."""
    sift_lab.configure(bank("says: hello"))
    with dial() as call:
        assert call.listen().says("hello")
        assert sift_lab.service.recorder.by_kind["sift-routine"] == 0
        call.say("hello")
        assert sift_lab.service.recorder.by_kind["sift-routine"] == 1
    assert [command["name"] for command in sift_lab.commands] == ["GetFreeResponse", "Say", "HangUp"]


@with_routine
def test_a_repeated_callback_does_not_repeat_the_command(sift_lab: SiftLab, dial: Dial) -> None:
    """Sift may send a callback again."""
    sift_lab.configure(bank("says: hello", callbacks="[{on: status, repeat: 2}]"))
    with dial() as call:
        assert call.listen().says("hello")
    assert [command["name"] for command in sift_lab.commands] == ["GetFreeResponse", "HangUp"]


@with_routine
def test_a_test_that_only_waits_gets_the_end_without_delay(sift_lab: SiftLab, dial: Dial) -> None:
    """The other side hangs up, and no response waits for a command."""
    sift_lab.configure(bank("hangs_up: 0.1"))
    call = dial()
    call.wait_finished(within=2)
    assert call.duration < 2


@by_request
def test_a_hang_up_after_an_empty_response_names_the_setting(sift_lab: SiftLab, dial: Dial) -> None:
    """The call ended because Sift received no routine."""
    sift_lab.configure(bank("says: hello") + "\nneeds_routine: true")
    call = dial()
    with pytest.raises(CallFailed, match="finished") as raised:
        call.expect_status("failed")
    assert "after an empty response to the status callback 'connected'" in raised.value.hint
    assert "--sift-callback-response=routine" in raised.value.hint


@with_routine
def test_the_hint_is_absent_if_the_response_contains_a_routine(sift_lab: SiftLab, dial: Dial) -> None:
    """Then the other side has hung up."""
    sift_lab.configure(bank("hangs_up: 0"))
    call = dial()
    with pytest.raises(CallFailed) as raised:
        call.expect_status("failed")
    assert "empty response" not in raised.value.hint


@with_routine
def test_a_call_without_a_command_is_kept_up(sift_lab: SiftLab, dial: Dial, runtime: SiftRuntime) -> None:
    """A command after the response has been sent finds the call connected."""
    sift_lab.configure(bank("presses: '4711'"))
    with dial(BANK) as call:
        call.expect_connected()
        call._control.await_other_side()  # noqa: SLF001 - the response is sent without a command
        runtime.wait_for(lambda: any(leg.routine_task for leg in sift_lab.service.calls.connections), 2)
        assert call.status == "connected"
        assert call.digits(4) == "4711"
