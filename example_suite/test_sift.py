"""Calls that Sift places and receives, tested by their speech."""

from __future__ import annotations

import pytest

from pytest_sipfront import Sipfront
from pytest_sipfront.sift import Call, Calls, Incoming, Sift


@pytest.mark.parametrize(
    ("number", "greeting"),
    [
        ("+43123100", "welcome, press one for sales, or two for support"),
        ("+43123104", "we are closed, please call tomorrow"),
    ],
)
@pytest.mark.sift(phone_number="{number}", connect_within=10)
def test_greetings(sift_connection: Call, number: str, greeting: str) -> None:
    """The call is connected before the test. Each of these numbers is a phone of the lab."""
    assert sift_connection.connection.to == number
    assert sift_connection.listen(timeout=10).says(greeting, wer=0.2)


def test_a_conversation(sift_call: Calls) -> None:
    """Speak, listen, and wait for the end of the call."""
    with sift_call("+43123200") as call:
        call.expect_connected(within=20)
        assert call.listen().says("which account please, checking or savings")
        call.say("savings")
        assert call.number() == "120"
        call.say("no, thank you")
        assert call.listen().says("goodbye")
        call.wait_finished(within=10)
    assert call.status == "finished"
    assert call.duration < 60


def test_an_engaged_line(sift_call: Calls) -> None:
    """Sift reports every call that is not connected as failed."""
    assert sift_call("+43123111").expect_status("connected", "failed", within=20) == "failed"


def test_both_ends_of_one_call(sipfront: Sipfront, sift: Sift, sift_incoming: Incoming) -> None:
    """A Sipfront run dials a number that this test answers. Number and time identify the call."""
    sift_incoming.register("+43123201")
    pending = sipfront.launch(test="Call the bot", step_1_0_dial_destination="+43123201")
    with sift_incoming(to="+43123201", within=10) as call:
        call.say("How can I help you?")
        assert call.listen().says("I would like to speak to somebody")
        run = pending.wait()
    assert call.matches(run)
    assert sift.connection_of(run) is not None
