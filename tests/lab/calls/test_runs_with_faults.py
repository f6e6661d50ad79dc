"""Faults and line profiles of single runs, beside other runs at the same phones."""

from __future__ import annotations

import re
import socket
import struct
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sipfront.lab.calls.call_measurement import measure_reception
from pytest_sipfront.lab.calls.ladder import TO_CALLEE
from pytest_sipfront.lab.calls.rtp import AudioMedia, RtpPacket
from pytest_sipfront.lab.calls.rtp_capture import RtpCapture
from pytest_sipfront.yaml_models import YamlFileError
from tests.end_to_end.suite import wait_until
from tests.lab.calls.placing import find, find_all, lab_file, needs_stack

LAB = """
prompts: {hum: {tone: 440, seconds: 0.5}, other: {tone: 700, seconds: 0.5}}
phones:
  desk: {number: "100", play: hum, repeat: true}
  series: {number: "49*", play: hum, repeat: true}
  engaged: {number: "486", reject: 486}
  one way: {number: "113", one_way: receives}
tests:
  call: &call
    steps:
      - [{action: wait}]
      - - {action: call, dial_destination: "100", answer_timeout: 3}
        - {action: send_dtmf, digits: "42"}
        - {action: play, prompt: hum}
        - {action: hold, seconds: 1}
    conditions:
      {answer_within: 1.5, not_silent: both, prompt_heard: hum, dtmf_received: "42", ended_by: caller,
       max_packet_loss: 5}
  bad line: {<<: *call, line: {loss: 25, seed: 3}}
"""
FAULTS = {
    "mute": r"no RTP from callee for .*",
    "silence": r"silence from callee: .*",
    "deaf": r"no RTP from caller for .*DTMF 42 expected, nothing received.*",
    "wrong-prompt": r"prompt 'hum' expected, 'other' heard .*",
    "lost-digit": r"DTMF 42 expected, 4 received",
    "bad-line": r".*\d+\.\d % of the callee's packets lost .*",
    "late-answer": r"answered after (2|3)\.\d\d s, at most 1\.5 s allowed",
    "dropped": r".*ended by the callee after 0\.\d\d s.*",
    "busy": r"486 Busy Here after .*",
    "no-answer": r"no answer within 3\.\d\d s, cancelled \(487\)",
}


@needs_stack
@pytest.mark.parametrize("may_capture", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_fault_concerns_only_the_run_that_was_launched_with_it(
    may_capture: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs without a fault pass at the same phone at the same time, and each fault is the reason of its run."""
    if not may_capture:
        monkeypatch.setattr(RtpCapture, "open", lambda: None)
    numbers = ("100", "4912")
    runs = [
        ("call", {"lab.fault": fault, "step.1.0.dial_destination": number}) for fault in FAULTS for number in numbers
    ]
    sound, *results = find_all(LAB, [("call", {}), *runs])
    assert (sound.state, sound.description) == ("passed", "")
    for (_, overrides), result in zip(runs, results, strict=True):
        reason = FAULTS[overrides["lab.fault"]]
        assert (overrides, result.state) == (overrides, "failed")
        assert re.fullmatch(reason, result.description), (overrides, result.description)


@pytest.mark.slow
@needs_stack
def test_a_phone_with_a_fault_can_be_healthy_in_one_run() -> None:
    """A run with a fault that its phone cannot have has no verdict."""
    runs = [
        {"step.1.0.dial_destination": "113", "lab.fault": "healthy"},
        {"step.1.0.dial_destination": "486", "lab.fault": "healthy"},
        {"step.1.0.dial_destination": "486", "lab.fault": "mute"},
    ]
    one_way, engaged, impossible = find_all(LAB, [("call", overrides) for overrides in runs])
    assert re.match(r"silence from callee: .*; prompt 'hum' expected", one_way.description)
    assert re.match(r"silence from callee: .*; prompt 'hum' expected", engaged.description)
    assert impossible.state == "errored"
    assert impossible.description == "no phone that the test calls can have the fault mute"


@pytest.mark.slow
@needs_stack
def test_a_test_can_have_a_bad_line() -> None:
    """Another test passes at the same phone at the same time."""
    good, bad = find_all(LAB, [("call", {}), ("bad line", {})])
    assert (good.state, good.description) == ("passed", "")
    assert bad.state == "failed"
    assert re.match(r"\d+\.\d % of the callee's packets lost .*, at most 5 % allowed", bad.description)


@pytest.mark.slow
def test_a_line_profile_replaces_that_of_the_phone() -> None:
    """A clean line for one test at a phone with a bad one."""
    text = LAB.replace('"100", play', '"100", line: {loss: 40}, play').replace("loss: 25, seed: 3", "loss: 0")
    assert find(text, "bad line").description == ""


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "target: sip:127.0.0.1:5060\ntests: {}\nphones: {desk: {line: {loss: 1}}}",
            r"lab.yaml:3: phones.desk.line: has no effect",
        ),
        ("tests: {A: {line: {loss: 1}}}", r"lab.yaml:1: tests.A.line: a line needs steps"),
    ],
)
def test_a_line_without_effect_is_a_mistake(text: str, mistake: str) -> None:
    """Otherwise a suite would seem to be proven."""
    with pytest.raises(YamlFileError, match=mistake):
        lab_file(text)


def test_packets_of_an_earlier_call_at_the_same_port_are_not_counted() -> None:
    """The system gives a port to another call soon after the first one ended."""
    packets = [
        RtpPacket(at, 0, number, number * 160, 1, b"\xff" * 160) for number, at in enumerate((7.0, 8.0, 12.1, 12.2))
    ]
    media = AudioMedia(address="127.0.0.1", port=4000, formats={0: "pcmu"})
    capture = SimpleNamespace(dropped=0, packets=lambda *_: packets, forget=lambda *_: None)
    ladders = SimpleNamespace(media=lambda *_: (media, media), local_ports=lambda *_: {4000})
    stack: Any = SimpleNamespace(ladders=ladders, capture=capture, relay=None, has_jitter_buffer=False)
    leg: Any = SimpleNamespace(
        call_id="a", started_at=10.0, answered_at=12.0, ended_at=13.0, drops_incoming=False, stats=None, digits="",
        digit_times=(), rtcp_at=None, capture_drops=0, receiver=SimpleNamespace(audio=b"", longest_gap=0.0),
    )  # fmt: skip
    assert measure_reception(leg, TO_CALLEE, stack).packets == 2


@pytest.mark.skipif(not hasattr(socket, "AF_PACKET"), reason="captures packets on Linux only")
def test_the_packets_of_two_calls_at_one_port_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is discarded of the first call leaves the second one alone, which may have started before its trace."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        sink.bind(("127.0.0.1", 0))
        port = sink.getsockname()[1]
        monkeypatch.setattr("pytest_sipfront.lab.calls.rtp_capture._RECENT_SECONDS", 600.0)
        capture = RtpCapture.open()
        if capture is None:
            pytest.skip("this process may not capture packets")

        def receive(*numbers: int, call_id: str) -> None:
            """Send packets with these sequence numbers, and wait until the call has the last one."""
            for number in numbers:
                out.sendto(struct.pack("!BBHII", 0x80, 0, number, number * 160, 1) + b"\xff" * 160, sink.getsockname())
            wait_until(lambda: numbers[-1] in [packet.sequence for packet in capture.packets(port, call_id)])

        try:
            capture.watch(port, "first")
            receive(1, 2, call_id="first")
            receive(3, call_id="first")
            capture.watch(port, "second")
            capture.watch(port, "second")
            assert [packet.sequence for packet in capture.packets(port, "second")] == [1, 2, 3]
            receive(4, call_id="second")
            assert [packet.sequence for packet in capture.packets(port, "first")] == [1, 2, 3]
            capture.forget(port, "first")
            receive(5, call_id="second")
            assert [packet.sequence for packet in capture.packets(port, "second")][-2:] == [4, 5]
            assert capture.packets(port, "first") == []
        finally:
            capture.close()
