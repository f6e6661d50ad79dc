"""Code of a user's suite with calls at Sift. It is type-checked and never run."""

from __future__ import annotations

from typing import assert_type

from pytest_sipfront import RunResult
from pytest_sipfront.sift import (
    NO_ANSWER,
    Call,
    Calls,
    Connection,
    Event,
    GetDigits,
    HangUp,
    Incoming,
    LiveConversation,
    NoAnswer,
    Say,
    Sift,
    Transcript,
)


def uses_calls(sift_call: Calls, sift_incoming: Incoming, sift: Sift, run: RunResult) -> None:
    call = sift_call("+15550100200", connect=False)
    assert_type(call, Call)
    assert_type(sift_call(client_name="agent-7"), Call)
    assert_type(sift_incoming(to="+15550100300", within=10), Call)
    with call as entered:
        assert_type(entered, Call)
    assert_type(sift.connection("c"), Connection)
    assert_type(sift.connection_of(run), Connection | None)
    assert_type(bool(call.matches(run, dialled="+15550100200")), bool)


def uses_verbs(call: Call) -> None:
    assert_type(call.listen(timeout=10), Transcript | NoAnswer)
    assert_type(call.listen().text, str)
    assert_type(call.digits(count=4), str | NoAnswer)
    assert_type(call.choose(["a", "b"]), str | NoAnswer)
    assert_type(call.number(), str | NoAnswer)
    assert_type(call.date(), str | NoAnswer)
    assert_type(call.name(), str | NoAnswer)
    answer = call.yes_or_no()
    assert_type(answer, bool | NoAnswer)
    if answer is not NO_ANSWER and not isinstance(answer, NoAnswer):
        assert_type(answer, bool)
    assert_type(call.bridge("+15550100300", live_transcripts=True), LiveConversation)
    assert_type(call.join_conference("room").expect_event("scan"), Event)
    call.run([Say(text="hello"), GetDigits(count=4), {"name": "Dance"}, HangUp()])
    assert_type(call.expect_status("connected", within=5), str)
    assert_type(call.duration, float)
