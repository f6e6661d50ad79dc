"""Measuring RTP streams and reading SDP, without a network."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy", reason="numpy comes with the extra 'lab'")

from pytest_sipfront.lab.calls.rtp import RtpMeasurement, audio_media, measure, parse_packet  # noqa: E402
from tests.lab.calls.rtp_streams import Impairment, Stream, impaired_stream  # noqa: E402

FORMATS = {0: "pcmu", 101: "telephone-event"}
LOUD = b"\x10" * 160 * 200


def received(stream: Stream, duration: float = 4.0, delay: float = 0.05) -> RtpMeasurement:
    packets = [parse_packet(data, 100 + delay + at) for at, data in stream.packets]
    return measure([packet for packet in packets if packet], FORMATS, start=100.0, end=100.0 + duration)


@pytest.mark.parametrize(
    "impairment",
    [
        Impairment(),
        Impairment(loss=1),
        Impairment(loss=30),
        Impairment(duplicates=10),
        Impairment(reordered=10),
        Impairment(jitter_ms=60),
        Impairment(loss=5, duplicates=5, jitter_ms=30),
    ],
    ids=str,
)
def test_the_figures_of_a_stream_are_exact(impairment: Impairment) -> None:
    """Loss, duplicates and jitter of a stream with wrapping sequence numbers are those with which it was made."""
    stream = impaired_stream(190, impairment)
    figures = received(stream)
    loss = 100 * figures.lost / (figures.packets + figures.lost)
    assert loss == pytest.approx(stream.figures.loss_percent)
    assert figures.duplicates == stream.figures.duplicates
    assert figures.jitter_ms == pytest.approx(stream.figures.jitter_ms, abs=0.1)
    assert (figures.reordered > 0) is bool(impairment.reordered or impairment.jitter_ms)


def test_lost_packets_are_silent_in_the_timeline() -> None:
    """Audio after a lost packet keeps its position, and a duplicate adds no audio."""
    clean = received(impaired_stream(190, Impairment(), LOUD))
    bad = received(impaired_stream(190, Impairment(loss=20, duplicates=20, jitter_ms=25), LOUD), delay=0.05)
    whole, holes = (np.frombuffer(figures.audio, "<i2") for figures in (clean, bad))
    assert len(whole) == len(holes) == 4 * 8000
    assert (holes != 0).mean() / (whole != 0).mean() == pytest.approx(0.8, abs=0.05)


def test_a_late_start_is_a_gap() -> None:
    """A stream that starts 3 s after the answer leaves a gap of 3 s."""
    assert received(impaired_stream(50, Impairment()), delay=3.0).longest_gap == pytest.approx(3.0)


def test_telephone_events_are_packets_without_gap() -> None:
    """Packets of one event share a timestamp and cover the time until they arrive."""
    packets = []
    for number in range(150):
        data = impaired_stream(1, Impairment()).packets[0][1]
        header = bytes([0x80, 101]) + (number).to_bytes(2, "big") + data[4:12]
        packets.append(parse_packet(header + b"\x01\x0a\x00\xa0", 100 + number * 0.02))
    figures = measure([packet for packet in packets if packet], FORMATS, start=100.0, end=103.0)
    assert (figures.packets, figures.lost, figures.jitter_ms) == (150, 0, None)
    assert figures.longest_gap < 0.1


def test_a_restarted_stream_is_not_lost() -> None:
    """A new source with other sequence numbers starts to count anew."""
    first, second = impaired_stream(50, Impairment()), impaired_stream(50, Impairment())
    packets = [parse_packet(data, 100 + at) for at, data in first.packets]
    packets += [
        parse_packet(data[:2] + b"\x10\x00" + data[4:8] + b"\0\0\0\x07" + data[12:], 101.1 + at)
        for at, data in second.packets[:1]
    ]
    figures = measure([packet for packet in packets if packet], FORMATS, start=100.0, end=101.2)
    assert (figures.packets, figures.lost) == (51, 0)


@pytest.mark.parametrize(
    "data", [b"", b"\x80" * 11, b"\x80\xc8" + bytes(20), b"INVITE sip:100@x SIP/2.0", b"\x90\x00" + bytes(12)]
)
def test_other_datagrams_are_no_crash(data: bytes) -> None:
    """RTCP, SIP, short and truncated datagrams yield no packet, or an empty one."""
    packet = parse_packet(data, 0.0)
    assert packet is None or len(packet.payload) <= 2


def test_sdp_describes_the_audio() -> None:
    """Address, port, codecs and packet length come from the first audio section."""
    media = audio_media(
        "v=0\nc=IN IP4 192.0.2.1\nm=video 9 RTP/AVP 96\nm=audio 4000 RTP/AVP 8 101\n"
        "a=rtpmap:101 telephone-event/8000\na=ptime:30\n"
    )
    assert media is not None
    assert (media.address, media.port, media.codecs, media.accepts_dtmf, media.ptime_ms) == (
        "192.0.2.1",
        4000,
        {"pcma"},
        True,
        30,
    )
    assert audio_media("v=0\nm=video 9 RTP/AVP 96\n") is None
