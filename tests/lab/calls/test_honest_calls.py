"""The lab passes no call that it did not measure, and fails no healthy peer: SIPp in both directions."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping, Sequence

import pytest

from pytest_sipfront.lab.calls.ladder import Ladders
from pytest_sipfront.lab.calls.rtp import AudioMedia
from pytest_sipfront.lab.calls.rtp_capture import RtpCapture
from pytest_sipfront.lab.platform.executor import LabRunResult
from tests.lab.calls.placing import find, find_all, needs_stack
from tests.lab.calls.rtp_streams import Impairment, impaired_stream, pcap
from tests.lab.calls.sipp_peer import HUM, free_port, needs_sipp, sipp

pytestmark = needs_stack
needs_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="SIPp plays pcap files as root only")
FILE = """
target: sip:{host}:{port}
tests:
  call:
    steps:
      - []
      - - {{action: call, dial_destination: "100", answer_timeout: 2}}
{actions}
    conditions: {{{conditions}}}
"""
HOLD = "{action: hold, seconds: 2.5}"
SDP = "m=audio [media_port] RTP/AVP 0 101"
BODY = f"""\
Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
{SDP}
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
"""
NO_SDP = {BODY: "Content-Length: 0\n\n"}
NO_DTMF = {SDP: "m=audio [media_port] RTP/AVP 0", "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\n": ""}


def call(port: int, conditions: str, *actions: str, host: str = "127.0.0.1") -> LabRunResult:
    lines = "\n".join(f"        - {action}" for action in actions)
    return find(FILE.format(host=host, port=port, actions=lines, conditions=conditions))


def call_stream(impairment: Impairment, conditions: str) -> LabRunResult:
    """Call SIPp, which sends 2.4 s of audio with an impairment."""
    stream = impaired_stream(120, impairment, HUM[:8000] * 3)
    with sipp("plays", files={"stream.pcap": pcap(stream.packets)}) as peer:
        return call(peer.port, conditions, HOLD)


@pytest.mark.slow
@needs_sipp
@needs_root
def test_an_impaired_stream_without_rtcp_fails_and_a_clean_one_passes() -> None:
    """SIPp sends no RTCP, so the figures come from the packets."""
    conditions = "rtp: from_callee, max_packet_loss: 1, max_jitter: 15, min_mos: 4"
    clean = call_stream(Impairment(), conditions)
    assert (clean.state, clean.description) == ("passed", "")
    assert clean.measures["packet_loss_caller"].source == "packet capture"
    lossy = call_stream(Impairment(loss=30), conditions)
    assert [violation.condition for violation in lossy.violations] == ["max_packet_loss", "min_mos"]
    assert re.fullmatch(
        r"\d+\.\d % of the callee's packets lost \(packet capture\), .*"
        r"MOS-CQE \(E-model\) \d\.\d\d of the callee's audio \(packet capture\), .*",
        lossy.description,
    )
    jittery = call_stream(Impairment(jitter_ms=60), conditions)
    assert "max_jitter" in [violation.condition for violation in jittery.violations]
    assert re.search(r"jitter \d\d\.\d ms from callee \(packet capture\), at most ", jittery.description)


@pytest.mark.slow
@needs_sipp
def test_without_a_measurement_quality_is_not_measurable(monkeypatch: pytest.MonkeyPatch) -> None:
    """If packets cannot be captured and no RTCP arrives, only the loss is known."""
    monkeypatch.setattr(RtpCapture, "open", lambda: None)
    with sipp("answers", "-rtp_echo") as peer:
        result = call(peer.port, "max_jitter: 20, min_mos: 4, max_packet_loss: 0", HOLD)
    assert result.state == "failed"
    assert "jitter from callee not measurable: this process may not capture packets" in result.description
    assert "MOS-CQE (E-model) from callee not measurable" in result.description
    assert not {"jitter_caller", "mos_cqe_caller"} & result.measures.keys()
    assert result.measures["packet_loss_caller"].source == "jitter buffer"


@pytest.mark.slow
@needs_sipp
def test_packets_due_are_an_upper_bound_for_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all packets due prove that the loss is small, even without another source."""
    monkeypatch.setattr(RtpCapture, "open", lambda: None)
    with sipp("answers", "-rtp_echo") as peer:
        result = call(peer.port, "max_packet_loss: 15", HOLD)
    assert (result.state, result.description) == ("passed", "")


@pytest.mark.parametrize("seconds", [0.3, 0.45, 1.5])
def test_a_mute_phone_never_passes(seconds: float) -> None:
    """Its single packet is no proof of audio, however short the call."""
    file = """
phones: {{mute: {{number: "113", one_way: receives}}, healthy: {{number: "114"}}}}
tests:
  call:
    steps: [[{{action: wait}}], [{{action: call, dial_destination: "{number}"}}, {{action: hold, seconds: {seconds}}}]]
    conditions: {{rtp: both}}
"""
    mute = find(file.format(number="113", seconds=seconds))
    assert mute.state == "failed"
    assert re.match(r"(no RTP from callee|call of \d\.\d\d s is too short to judge RTP from callee)", mute.description)
    if seconds >= 1:
        healthy = find(file.format(number="114", seconds=seconds))
        assert (healthy.state, healthy.description) == ("passed", "")


def test_a_call_without_duration_says_what_to_add() -> None:
    """A test without hold or play hangs up before RTP can arrive."""
    result = find(
        """
phones: {desk: {number: "100"}}
tests: {call: {steps: [[{action: wait}], [{action: call, dial_destination: "100"}]]}}
"""
    )
    assert result.state == "failed"
    assert re.search(r"call of 0\.\d\d s is too short to judge RTP .*; add 'hold' or 'play'", result.description)


@pytest.mark.slow
@needs_sipp
@needs_root
def test_a_gap_is_judged_by_the_bound_as_written() -> None:
    """A silence of 1.6 s passes `max_rtp_gap: 2.4` and the default, and fails `max_rtp_gap: 1`. It is no loss."""
    stream = impaired_stream(120, Impairment(), HUM[:8000] * 3)
    kept = [*stream.packets[:20], *stream.packets[100:]]
    packets = [(at, data[:2] + number.to_bytes(2, "big") + data[4:]) for number, (at, data) in enumerate(kept, start=1)]
    for conditions, sentence in (
        ("max_packet_loss: 0", ""),
        ("max_rtp_gap: 2.4", ""),
        ("max_rtp_gap: 1", r"no RTP from callee for 1\.\d s, max_rtp_gap allows 1 s"),
    ):
        with sipp("plays", files={"stream.pcap": pcap(packets)}) as peer:
            result = call(peer.port, f"rtp: from_callee, {conditions}", HOLD)
        assert re.fullmatch(sentence, result.description)
        assert result.state == ("failed" if sentence else "passed")


@pytest.mark.slow
@needs_sipp
@needs_root
def test_telephone_event_packets_are_rtp() -> None:
    """A callee that sends DTMF instead of audio is not mute."""
    stream = impaired_stream(100, Impairment())
    events = [(at, data[:1] + b"\x65" + data[2:12] + b"\x01\x0a\x00\xa0") for at, data in stream.packets]
    with sipp("plays", files={"stream.pcap": pcap(events)}) as peer:
        result = call(peer.port, "rtp: from_callee", HOLD)
    assert (result.state, result.description) == ("passed", "")
    assert result.measures["rtp_packets_caller"].value == 100


@needs_sipp
def test_dtmf_needs_a_callee_that_accepts_it() -> None:
    """Without telephone-event in the SDP of the callee no digit is sent, and the test fails."""
    actions = ("{action: send_dtmf, digits: '123'}", "{action: hold, seconds: 0.5}")
    with sipp("answers", "-rtp_echo") as peer:
        assert call(peer.port, "", *actions).state == "passed"
    with sipp("answers", "-rtp_echo", edits=NO_DTMF) as peer:
        result = call(peer.port, "", *actions)
    assert result.state == "failed"
    assert result.description == "DTMF 123 could not be sent: the callee does not accept telephone-event"


@needs_sipp
def test_dtmf_waits_until_the_answer_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that traces messages may be later than the call itself, which knows nothing of telephone-event."""
    media, looks = Ladders.media, itertools.count()

    def late(self: Ladders, call_id: str, sender: str) -> tuple[AudioMedia | None, AudioMedia | None]:
        return media(self, call_id, sender) if next(looks) > 2 else (None, None)

    monkeypatch.setattr(Ladders, "media", late)
    with sipp("answers", "-rtp_echo", edits=NO_DTMF) as peer:
        result = call(peer.port, "", "{action: send_dtmf, digits: '123'}", "{action: hold, seconds: 0.5}")
    assert result.description == "DTMF 123 could not be sent: the callee does not accept telephone-event"


@pytest.mark.slow
@needs_sipp
@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ({SDP: "m=audio 0 RTP/AVP 0 101"}, "its SDP rejects the audio (port 0)"),
        ({"c=IN IP4 [media_ip]": "c=IN IP4 0.0.0.0"}, "its SDP has the address 0.0.0.0"),
        (NO_SDP, "its answer contains no SDP"),
        (
            {SDP: "m=audio [media_port] RTP/AVP 18 101", "a=rtpmap:0 PCMU/8000": "a=rtpmap:18 G729/8000"},
            "its SDP answers with g729, which was not offered (offered: pcma, pcmu)",
        ),
    ],
)
def test_an_unusable_sdp_is_the_reason(edits: Mapping[str, str], reason: str) -> None:
    """The report names the fault of the SDP instead of missing RTP."""
    with sipp("answers", "-rtp_echo", edits=edits) as peer:
        result = call(peer.port, "", HOLD)
    assert result.state == "failed"
    assert reason in result.description


@pytest.mark.slow
@needs_sipp
def test_a_missing_response_to_bye_is_shown_and_a_condition() -> None:
    """The ladder differs, and `bye_confirmed` requires the response."""
    with sipp("answers", "-rtp_echo") as peer:
        confirmed = call(peer.port, "bye_confirmed: true", HOLD)
    assert (confirmed.state, confirmed.description) == ("passed", "")
    assert "bye_response_time" in confirmed.measures
    edits = {'<label id="over"/>\n  <send>': '<label id="over"/>\n  <send lost="100">'}
    with sipp("answers", "-rtp_echo", edits=edits) as peer:
        missing = call(peer.port, "bye_confirmed: true", HOLD)
    assert missing.description == "no response from the callee to BYE, 200 expected"
    assert missing.ladder[-1].line == "(no response to BYE)"


@needs_sipp
@pytest.mark.parametrize("code", ["401 Unauthorized", "403 Forbidden", "500 Server Error", "486 Busy Here"])
def test_no_answer_needs_a_phone_that_was_reached(code: str) -> None:
    """A refusal by the server is not "no answer", a busy phone is."""
    with sipp("rejects_486", edits={"486 Busy Here": code}) as peer:
        result = call(peer.port, "answered: false, media: none")
    assert result.state == ("passed" if code.startswith("486") else "failed")
    assert result.ladder


@pytest.mark.slow
def test_a_dead_target_is_not_no_answer() -> None:
    """A target without any response fails `answered: false`; a phone that rings passes."""
    dead = call(free_port(), "answered: false, media: none")
    assert dead.state == "failed"
    assert dead.description.startswith("no response within 2")
    rings = find(
        """
phones: {desk: {number: "100", never_answers: true}}
tests:
  call:
    steps: [[{action: wait}], [{action: call, dial_destination: "100", answer_timeout: 1}]]
    conditions: {answered: false, media: none}
"""
    )
    assert (rings.state, rings.description) == ("passed", "")


def test_a_refused_tcp_connection_is_not_no_answer() -> None:
    """The description contains the reason of the SIP stack."""
    target = f"{free_port()};transport=tcp"
    result = find(FILE.format(host="127.0.0.1", port=target, actions="", conditions="answered: false, media: none"))
    assert result.state == "failed"
    assert "needs ringing" in result.description


@needs_sipp
@pytest.mark.parametrize("attempt", range(4))
def test_a_fast_refusal_has_a_ladder(attempt: int) -> None:
    """Even a rejection that arrives before the stack knows the call is in the report."""
    with sipp("rejects_486") as peer:
        result = call(peer.port, "sip_code: 486, media: none")
    assert (attempt, result.state, result.description) == (attempt, "passed", "")
    assert [message.line.split()[0] for message in result.ladder][:2] == ["INVITE", "SIP/2.0"]


@pytest.mark.slow
@needs_sipp
def test_a_target_on_localhost_is_called() -> None:
    """The SIP stack resolves no names from the hosts file."""
    with sipp("answers", "-rtp_echo") as peer:
        result = call(peer.port, "", HOLD, host="localhost")
    assert (result.state, result.description) == ("passed", "")


def line_calls(lines: Sequence[str], conditions: Sequence[str]) -> list[tuple[LabRunResult, LabRunResult]]:
    """Call a phone without and one with each line profile, all at once, and return both results for each profile."""
    phones = {f"10{n}": "" for n in range(len(lines))} | {
        f"20{n}": f", line: {{{line}}}" for n, line in enumerate(lines)
    }
    file = "limits: {concurrent_calls: 16}\nphones:\n"
    file += "".join(f"  p{number}: {{number: '{number}', send_dtmf: '17'{line}}}\n" for number, line in phones.items())
    file += "tests:\n"
    for number in phones:
        file += (
            f"  to {number}:\n    steps:\n      - [{{action: wait}}]\n"
            f"      - - {{action: call, dial_destination: '{number}'}}\n"
            "        - {action: expect_dtmf, digits: '17'}\n        - {action: hold, seconds: 4}\n"
            f"    conditions: {{{conditions[int(number[2:])]}}}\n"
        )
    results = find_all(file, [(f"to {number}", {}) for number in phones])
    return list(zip(results[: len(lines)], results[len(lines) :], strict=True))


GATES = (
    ("loss: 10", "max_packet_loss: 3", r"\d+\.\d % of the callee's packets lost .*"),
    ("jitter: 90", "max_jitter: 20", r"jitter [2-9]\d\.\d ms from callee .*"),
    ("loss: 10, seed: 7", "min_mos: 4.2", r"MOS-CQE \(E-model\) \d\.\d\d of the callee's audio .*"),
)


@pytest.mark.slow
@pytest.mark.parametrize("may_capture", [True, False])
def test_a_line_profile_violates_its_quality_gate(may_capture: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad line fails the condition that a good line passes, with and without the right to capture packets."""
    if not may_capture:
        monkeypatch.setattr(RtpCapture, "open", lambda: None)
    lines, conditions, sentences = zip(*GATES, strict=True)
    for (good, bad), sentence in zip(line_calls(lines, conditions), sentences, strict=True):
        assert (good.state, good.description) == ("passed", "")
        assert bad.state == "failed"
        assert re.match(sentence, bad.description)
        assert bad.measures["jitter_caller"].source in (("packet capture",) if may_capture else ("media relay",))


@pytest.mark.slow
def test_a_line_profile_is_measured_as_configured() -> None:
    """Loss within 3 points over 5 s, duplicates and reordering only if configured, jitter a third of its range.

    A packet that is delayed beyond the end of the call counts as lost.
    """
    lines = ("loss: 5", "duplicate: 5", "reorder: 5", "jitter: 60", "loss: 5, jitter: 60")
    results = line_calls(lines, ["media: none, answered: true"] * len(lines))
    for line, (_, result) in zip(lines, results, strict=True):
        values = {key: float(str(figure.value)) for key, figure in result.measures.items() if key.endswith("_caller")}
        lost = 5 if "loss" in line else 0
        assert values["packet_loss_caller"] == pytest.approx(lost, abs=3 if lost else 1), line
        assert (values["duplicates_caller"] > 0) is ("duplicate" in line), line
        assert (values["reordered_caller"] > 0) is ("reorder" in line or "jitter" in line), line
        assert values["jitter_caller"] > 12 or "jitter" not in line, line  # a busy machine delays packets, too
