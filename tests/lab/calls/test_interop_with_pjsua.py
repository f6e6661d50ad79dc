"""The lab against PJSUA2, an independent SIP stack that sends RTCP, as a phone, a caller and a B2BUA."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence

import pytest

from pytest_sipfront.lab.calls.audio import level_dbfs
from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.calls.call_record import SILENCE_DBFS
from pytest_sipfront.lab.calls.calls_executor import CallsExecutor
from pytest_sipfront.lab.calls.phone_behaviour import PhoneBehaviour
from pytest_sipfront.lab.calls.rtp_capture import RtpCapture
from pytest_sipfront.lab.file.lab_file import LabFile
from pytest_sipfront.lab.platform.executor import LabRunResult
from tests.lab.calls.pjsua_peer import needs_pjsua, pjsua
from tests.lab.calls.placing import find, find_all, needs_stack, with_lab

pytestmark = [needs_stack, needs_pjsua]
needs_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may capture packets")
CALL = """
target: sip:127.0.0.1:{port}
tests:
  call:
    steps:
      - []
      - - {{action: call, dial_destination: "100", answer_timeout: 5}}
        - {action}
    conditions: {{{conditions}}}
"""
QUALITY = "max_packet_loss: 2, min_mos: 3.8"


def call(port: int, conditions: str, action: str = "{action: hold, seconds: 2.5}") -> LabRunResult:
    return find(CALL.format(port=port, conditions=conditions, action=action))


@needs_root
@pytest.mark.parametrize("loss", [0, 10, 30])
def test_loss_is_measured_in_a_call_shorter_than_the_first_report(loss: int) -> None:
    """The RTCP interval is 5 s, so the figures come from the packets and agree with those that the peer sent."""
    with pjsua(loss=loss) as peer:
        result = call(peer.port, QUALITY)
        sent = peer.report()["sent"]
    measured, received = result.measures["packet_loss_caller"], result.measures["rtp_packets_caller"]
    assert measured.source == "packet capture"
    assert measured.value == pytest.approx(100 * (1 - float(str(received.value)) / sent), abs=2)
    assert "max_packet_loss" in [violation.condition for violation in result.violations] or not loss
    assert (result.state, result.description) == ("passed", "") or loss
    assert re.match(r"\d+\.\d % of the callee's packets lost \(packet capture\)", result.description) or not loss


def test_a_short_call_is_measured_by_the_jitter_buffer_without_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost packets never pass for lack of a report, and a healthy peer passes. Jitter is not measurable."""
    monkeypatch.setattr(RtpCapture, "open", lambda: None)
    with pjsua(loss=30) as peer:
        lossy = call(peer.port, QUALITY)
    assert [violation.condition for violation in lossy.violations] == ["max_packet_loss", "min_mos"]
    assert re.match(
        r"\d+\.\d % of the callee's packets lost \(jitter buffer\), at most 2 % allowed; ", lossy.description
    )
    assert "MOS-CQE (E-model) from callee not measurable: this process may not capture packets" in lossy.description
    assert not {"mos_cqe_caller", "jitter_caller", "duplicates_caller"} & lossy.measures.keys()
    with pjsua() as peer:
        healthy = call(peer.port, "max_packet_loss: 1")
    assert (healthy.state, healthy.description) == ("passed", "")


def test_digits_are_not_taken_for_lost_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jitter buffer does. The packets due by the length of the call show that a healthy peer lost few."""
    monkeypatch.setattr(RtpCapture, "open", lambda: None)
    with pjsua(dtmf="1234567") as peer:
        healthy = call(peer.port, "max_packet_loss: 15")
    assert (healthy.state, healthy.description) == ("passed", "")
    with pjsua(dtmf="1234567", loss=30) as peer:
        lossy = call(peer.port, "max_packet_loss: 15")
    assert re.match(r"packet loss from callee not measurable: .*; at most \d+ % by \d+ packets due", lossy.description)


@pytest.mark.slow
@pytest.mark.parametrize("loss", [0, 30])
def test_a_report_that_covers_the_call_is_a_source(loss: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without captured packets, RTCP tells the lossy peer from the healthy one."""
    monkeypatch.setattr(RtpCapture, "open", lambda: None)
    with pjsua(loss=loss) as peer:
        result = call(peer.port, QUALITY, "{action: hold, seconds: 8}")
    assert result.measures["packet_loss_caller"].source == "jitter buffer"
    assert result.measures["mos_cqe_caller"].source == "jitter buffer, RTCP"
    assert result.state == ("failed" if loss else "passed"), result.description


@pytest.mark.parametrize(
    ("sent", "sentence"), [("12345", ""), ("123", "DTMF 12345 expected from the callee within 2 s, 123 received")]
)
def test_digits_instead_of_audio_are_rtp(sent: str, sentence: str) -> None:
    """A callee that sends telephone-event packets only is not mute, and each of its digits counts."""
    with pjsua(audio="", vad=True, dtmf=sent) as peer:
        result = call(peer.port, "", "{action: expect_dtmf, digits: '12345', within: 2}")
    assert result.state == ("failed" if sentence else "passed"), result.description
    assert sentence in result.description


@pytest.mark.parametrize(("gap", "sentence"), [("", ""), ("max_rtp_gap: 1", "max_rtp_gap allows 1 s")])
def test_silence_suppression_passes_by_default(gap: str, sentence: str) -> None:
    """A callee that sends nothing while it is silent is healthy, unless the test bounds the gap."""
    with pjsua(audio="silence", vad=True) as peer:
        result = call(peer.port, gap)
    assert result.state == ("failed" if sentence else "passed"), result.description
    assert sentence in result.description


@pytest.mark.parametrize("seconds", [0.5, 2])
def test_a_mute_peer_fails(seconds: float) -> None:
    """A peer that answers and sends no packet is mute, however short the call."""
    with pjsua(loss=100) as peer:
        result = call(peer.port, "", f"{{action: hold, seconds: {seconds}}}")
    assert re.fullmatch(r"no RTP from callee for \d\.\d s", result.description)


def test_a_peer_that_vanishes_does_not_confirm_the_bye() -> None:
    """The response to BYE is a condition, and its absence is in the ladder."""
    with pjsua() as peer:
        confirmed = call(peer.port, "bye_confirmed: true", "{action: hold, seconds: 1}")
    assert (confirmed.state, confirmed.description) == ("passed", "")
    with pjsua(vanish_after=0.7) as peer:
        missing = call(peer.port, "bye_confirmed: true", "{action: hold, seconds: 1}")
    assert missing.description == "no response from the callee to BYE, 200 expected"
    assert missing.ladder[-1].line == "(no response to BYE)"


def test_a_peer_that_hangs_up_early_is_named() -> None:
    """Who ended the call is measured."""
    with pjsua(hang_up_after=0.5) as peer:
        result = call(peer.port, "ended_by: caller, duration: [1, 3]")
    assert [violation.condition for violation in result.violations] == ["duration", "ended_by"]
    assert "ended by the callee" in result.description


@pytest.mark.parametrize(("loss", "is_heard"), [(0, True), (100, False)])
def test_a_foreign_caller_reaches_a_phone_of_the_lab(loss: int, is_heard: bool) -> None:
    """A phone of the lab receives audio and digits of another stack, and hears that it sends none."""
    legs: list[CallLeg] = []
    rang = asyncio.Event()

    async def call_the_phone(executor: CallsExecutor, file: LabFile) -> None:
        stack = await executor.switchboard.open()
        agent = await stack.agent("reception")
        lines: list[asyncio.Task[None]] = []

        def ring(leg: CallLeg) -> None:
            legs.append(leg)
            rang.set()
            lines.append(asyncio.create_task(PhoneBehaviour(file.phones["hall"], leg, {}).run()))

        agent.on_call(ring)
        with pjsua(call=f"sip:reception@127.0.0.1:{stack.port}", dtmf="42", loss=loss, hang_up_after=1.5):
            await rang.wait()
            assert await legs[0].wait_for_end(20)
        await asyncio.wait_for(asyncio.gather(*lines), 5)

    with_lab("phones: {hall: {}}\ntests: {call: {}}", call_the_phone)
    assert legs[0].ended_by_peer
    assert (legs[0].digits == "42") is is_heard
    assert (level_dbfs(legs[0].receiver.audio) > SILENCE_DBFS) is is_heard


# ---- two runs through a B2BUA, which removes the lab's header and gives each leg a Call-ID of its own

BRIDGED = """
target: sip:127.0.0.1:{port}
prompts: {{sales: {{say: sales}}, closed: {{say: closed}}}}
phones:
  desk: {{number: "100", play: sales, repeat: true}}
  hall: {{number: "200", play: closed, repeat: true}}
tests:
  first:
    steps:
      - [{{action: wait, phone: desk}}, {{action: expect_dtmf, digits: "12"}}]
      - - {{action: call, dial_destination: "100"}}
        - {{action: send_dtmf, digits: "12", after: 0.3}}
        - {{action: hold, seconds: 2}}
    conditions: {{prompt_heard: sales}}
  second:
    steps:
      - [{{action: wait, phone: {phone}}}, {{action: expect_dtmf, digits: "34"}}]
      - - {{action: call, dial_destination: "{number}"}}
        - {{action: send_dtmf, digits: "34", after: 0.3}}
        - {{action: hold, seconds: 2}}
"""


def bridged(port: int, phone: str, number: str) -> Sequence[LabRunResult]:
    """Run both tests at once. The B2BUA waits for both calls and passes the second one on first."""
    return find_all(BRIDGED.format(port=port, phone=phone, number=number), [("first", {}), ("second", {})])


def test_concurrent_runs_through_a_b2bua_get_their_own_legs() -> None:
    """Legs are attributed by the phone that a run waits at, whichever rings first."""
    with pjsua(audio="", bridge=2) as peer:
        results = bridged(peer.port, "hall", "200")
    assert [(result.state, result.description) for result in results] == [("passed", "")] * 2
    assert [result.measures["dtmf_received"].value for result in results] == ["12", "34"]


def test_a_b2bua_that_loses_digits_fails_only_the_run_concerned() -> None:
    """The digits of one run are not credited to the other."""
    with pjsua(audio="", bridge=2, mute_numbers=["200"]) as peer:
        results = bridged(peer.port, "hall", "200")
    assert [result.description for result in results] == ["", "DTMF 34 expected, nothing received"]


def test_concurrent_runs_at_one_phone_are_not_attributable() -> None:
    """Two runs that wait at the same phone never pass by the digits of each other."""
    with pjsua(audio="", bridge=2) as peer:
        results = bridged(peer.port, "desk", "100")
    assert {result.state for result in results} == {"failed"}
    assert all("not attributable" in result.description for result in results)
