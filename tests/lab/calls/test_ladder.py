"""The SIP message ladder."""

from __future__ import annotations

from pytest_sipfront.lab.calls.ladder import Ladders


def message(line: str, *, way: str = "TX", sink: str = "127.0.0.1:9", tag: str = "a", call: str = "1") -> str:
    headers = f"From: <sip:x@y>;tag={tag}\r\nCall-ID: {call}\r\nCSeq: 7 INVITE\r\n"
    return f"\n{way} UDP 127.0.0.1:5 -> {sink}\r\n{line}\r\n{headers}\r\n"


def rungs(ladders: Ladders, call: str = "1") -> list[tuple[str, str]]:
    return [(rung.direction, rung.line) for rung in ladders.of(call)]


def test_requests_and_responses_point_at_their_receiver() -> None:
    """The sender of the first request is the caller; each message points to its receiver."""
    ladders = Ladders()
    ladders.add(message("INVITE sip:b SIP/2.0"), 0.0)
    ladders.add(message("SIP/2.0 200 OK", way="RX"), 0.1)
    ladders.add(message("BYE sip:a SIP/2.0", way="RX", tag="b"), 0.2)
    ladders.add(message("SIP/2.0 200 OK", tag="b"), 0.3)
    assert rungs(ladders) == [
        ("->", "INVITE sip:b SIP/2.0"),
        ("<-", "SIP/2.0 200 OK (7 INVITE)"),
        ("<-", "BYE sip:a SIP/2.0"),
        ("->", "SIP/2.0 200 OK (7 INVITE)"),
    ]


def test_a_message_to_the_lab_itself_is_listed_once() -> None:
    """If the lab calls its own phone, every message is traced twice and listed once."""
    ladders = Ladders()
    for way in ("TX", "RX"):
        ladders.add(message("INVITE sip:b SIP/2.0", way=way, sink="127.0.0.1:5"), 0.0)
    assert len(rungs(ladders)) == 1


def test_calls_are_separate_and_old_calls_are_discarded() -> None:
    """Each call has its ladder, and a limited number is kept."""
    ladders = Ladders(kept=2)
    for call in ("1", "2", "3"):
        ladders.add(message(f"INVITE sip:{call} SIP/2.0", call=call), 0.0)
    assert rungs(ladders, "1") == []
    assert rungs(ladders, "3") == [("->", "INVITE sip:3 SIP/2.0")]


def test_other_log_lines_are_ignored() -> None:
    """Log lines without a SIP message are ignored."""
    ladders = Ladders()
    ladders.add("audio rx pipeline: aumem <--- PCMU", 0.0)
    assert rungs(ladders) == []


def test_a_cancelled_call_is_over_with_its_ack() -> None:
    """The other side repeats its 487 until it is acknowledged."""
    ladders = Ladders()
    for line in ("INVITE sip:b SIP/2.0", "CANCEL sip:b SIP/2.0"):
        ladders.add(message(line), 0.0)
    assert not ladders.is_over("1", answered=False)
    ladders.add(message("ACK sip:b SIP/2.0"), 0.0)
    assert ladders.is_over("1", answered=False)


def test_an_answered_call_is_over_with_the_response_to_its_bye() -> None:
    """A lost BYE must be repeated until its response arrives."""
    ladders = Ladders()
    for line in ("INVITE sip:b SIP/2.0", "SIP/2.0 200 OK", "ACK sip:b SIP/2.0", "BYE sip:b SIP/2.0"):
        ladders.add(message(line), 0.0)
    assert not ladders.is_over("1", answered=True)
    ladders.add(message("SIP/2.0 200 OK").replace("7 INVITE", "8 BYE"), 0.0)
    assert ladders.is_over("1", answered=True)
