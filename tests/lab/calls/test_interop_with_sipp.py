"""The lab against SIPp, an independent SIP stack."""

from __future__ import annotations

import asyncio
import os
import re

import pytest

from pytest_sipfront.lab.calls.audio import level_dbfs
from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.calls.call_record import SILENCE_DBFS
from pytest_sipfront.lab.calls.calls_executor import CallsExecutor
from pytest_sipfront.lab.calls.phone_behaviour import PhoneBehaviour
from pytest_sipfront.lab.file.lab_file import LabFile
from tests.lab.calls.placing import find, needs_stack, with_lab
from tests.lab.calls.rtp_streams import Impairment, impaired_stream, pcap
from tests.lab.calls.sipp_peer import HUM, needs_sipp, sipp

pytestmark = [needs_stack, needs_sipp]
needs_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="SIPp plays pcap files as root only")

CALLING = """
prompts:
  question: {{say: how are you}}
target: sip:127.0.0.1:{port};transport={transport}
tests:
  call:
    steps:
      - []
      - - {{action: call, dial_destination: "4711", answer_timeout: {timeout}}}
        - {{action: play, prompt: question}}
        - {{action: hold, seconds: 0.5}}
    conditions: {{{conditions}}}
"""


def calling(port: int, conditions: str = "", timeout: float = 5, transport: str = "udp") -> str:
    return CALLING.format(port=port, conditions=conditions, timeout=timeout, transport=transport)


def test_a_peer_that_answers_and_talks_passes() -> None:
    """A call to a peer that answers and sends RTP passes, and both ends see its BYE."""
    with sipp("answers", "-rtp_echo") as peer:
        quality = "min_mos: 4" if os.geteuid() == 0 else "max_packet_loss: 15"  # SIPp sends no RTCP
        result = find(calling(peer.port, f"not_silent: from_callee, prompt_heard: question, {quality}"))
        assert peer.exit_code() == 0
    assert (result.state, result.description) == ("passed", "")
    assert [sent.line.split()[0] for sent in result.ladder if sent.direction == "->"] == ["INVITE", "ACK", "BYE"]


@pytest.mark.slow
def test_a_call_over_tcp_passes() -> None:
    """`;transport=tcp` carries the SIP messages over TCP."""
    with sipp("answers", "-t", "t1", "-rtp_echo") as peer:
        result = find(calling(peer.port, "rtp: both", transport="tcp"))
        assert peer.exit_code() == 0
    assert (result.state, result.description) == ("passed", "")


def test_a_peer_that_answers_and_sends_no_rtp_fails() -> None:
    """The description contains the seconds without RTP."""
    with sipp("answers") as peer:
        result = find(calling(peer.port))
        assert peer.exit_code() == 0
    assert result.state == "failed"
    assert re.fullmatch(r"no RTP from callee for \d\.\d s", result.description)


def test_a_peer_that_rejects_with_486_is_reported_as_busy() -> None:
    """The description contains final code and phrase."""
    with sipp("rejects_486") as peer:
        result = find(calling(peer.port))
        assert peer.exit_code() == 0
    assert result.state == "failed"
    assert re.fullmatch(r"486 Busy Here after \d\.\d\d s", result.description)


def test_a_peer_that_rejects_with_603_passes_if_603_is_expected() -> None:
    """An expected rejection passes, and its code is measured."""
    with sipp("rejects_603") as peer:
        result = find(calling(peer.port, "sip_code: 603, media: none"))
        assert peer.exit_code() == 0
    assert result.state == "passed"
    assert result.measures["sip_code"].value == 603


def test_a_peer_that_never_answers_gets_a_cancel() -> None:
    """An unanswered call is cancelled, and the peer ends it with 487."""
    with sipp("never_answers") as peer:
        result = find(calling(peer.port, timeout=0.5))
        assert peer.exit_code() == 0
    assert result.state == "failed"
    assert re.fullmatch(r"no answer within \d\.\d\d s, cancelled \(487\)", result.description)
    assert any(message.line.startswith("CANCEL ") for message in result.ladder)


def test_a_foreign_caller_reaches_a_phone_of_the_lab() -> None:
    """A phone of the lab answers a call of another stack, receives its audio and its BYE."""
    legs: list[CallLeg] = []

    async def call_the_phone(executor: CallsExecutor, file: LabFile) -> int:
        stack = await executor.switchboard.open()
        agent = await stack.agent("reception")
        lines: list[asyncio.Task[None]] = []

        def ring(leg: CallLeg) -> None:
            legs.append(leg)
            lines.append(asyncio.create_task(PhoneBehaviour(file.phones["hall"], leg, {}).run()))

        agent.on_call(ring)
        with sipp("calls", f"127.0.0.1:{stack.port}", "-s", "reception") as peer:
            code = await asyncio.to_thread(peer.exit_code)
        await asyncio.wait_for(asyncio.gather(*lines), 5)
        return code

    code = with_lab("phones: {hall: {}}\ntests: {call: {}}", call_the_phone)
    assert code == 0
    assert legs[0].ended_by_peer
    assert level_dbfs(legs[0].receiver.audio) > SILENCE_DBFS


# ---- behaviour of Asterisk: it waits for digits without sending audio, and some channels send comfort noise


def prompt_and_pauses(noise_every: int = 0) -> bytes:
    """Return a pcap file: a prompt of 0.6 s, then nothing for 1.8 s or comfort noise (RFC 3389) with pauses."""
    stream = impaired_stream(120, Impairment(), HUM[:8000] * 3)
    kept = [(at, data) for at, data in stream.packets[:30]]
    if noise_every:
        kept += [(at, data[:1] + b"\x0d" + data[2:12] + b"\x30") for at, data in stream.packets[30::noise_every]]
    return pcap([(at, data[:2] + number.to_bytes(2, "big") + data[4:]) for number, (at, data) in enumerate(kept, 1)])


@pytest.mark.slow
@needs_root
@pytest.mark.parametrize(
    ("noise_every", "conditions", "sentence"),
    [
        (0, "", ""),
        (0, "max_rtp_gap: 1", r"no RTP from callee for 1\.\d s, max_rtp_gap allows 1 s"),
        (20, "max_packet_loss: 0, max_rtp_gap: 1", ""),
        (40, "max_rtp_gap: 0.5", r"no RTP from callee for 0\.\d s, max_rtp_gap allows 0.5 s"),
    ],
)
def test_an_ivr_that_waits_for_digits_is_healthy(noise_every: int, conditions: str, sentence: str) -> None:
    """Pauses and comfort noise are neither loss nor a reason to fail, unless the test bounds them."""
    with sipp("plays", files={"stream.pcap": prompt_and_pauses(noise_every)}) as peer:
        text = calling(peer.port, f"rtp: from_callee, not_silent: from_callee, {conditions}")
        result = find(text.replace("{action: play, prompt: question}", "{action: send_dtmf, digits: '42', after: 1.5}"))
    assert re.fullmatch(sentence, result.description)
    assert result.state == ("failed" if sentence else "passed")
