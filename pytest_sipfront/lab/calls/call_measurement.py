"""Measure the reception of a call leg, from the best source that this machine has.

1. Captured packets: loss by sequence number, jitter by RFC 3550, duplicates, reordering, gaps, and the audio itself.
2. The jitter buffer of the SIP stack: loss and reordering by sequence number. It is on if no packets can be captured.
3. RTCP, if a report covers at least half of the call: jitter, and loss without a jitter buffer.

Without any of them, the packets due by the length of the call are an upper bound for loss.
"""

from __future__ import annotations

import time
from dataclasses import replace

from pytest_sipfront.lab.calls.audio import level_dbfs
from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.calls.call_record import BUFFER, CAPTURE, RELAY, RTCP, Reception
from pytest_sipfront.lab.calls.rtp import DEFAULT_PTIME_MS, AudioMedia, measure
from pytest_sipfront.lab.calls.sip_stack import SipStack

_SPARE_PACKETS = 5
"""A sender may send as many more than its packet time implies."""
_ANY_ADDRESS = ("0.0.0.0", "")  # noqa: S104 - compared with an address from SDP


def measure_reception(leg: CallLeg, direction: str, stack: SipStack) -> Reception:
    """Return the reception of a leg whose call has ended; `direction` is that of the messages it sends."""
    end = leg.ended_at or time.monotonic()
    start = leg.answered_at or end
    if leg.drops_incoming:
        return Reception(longest_gap=end - start, digits=leg.digits, digit_times=tuple(leg.digit_times))
    local, _ = stack.ladders.media(leg.call_id, direction)
    reception = _from_stack(leg, start, end, has_jitter_buffer=stack.has_jitter_buffer)
    if stack.capture is None or local is None or stack.capture.dropped != leg.capture_drops:
        return reception
    ports = stack.ladders.local_ports(leg.call_id, direction)
    # an earlier call may have used the same port
    received = (packet for port in ports for packet in stack.capture.packets(port, leg.call_id))
    packets = [packet for packet in received if packet.time >= leg.started_at]
    for port in ports:
        stack.capture.forget(port, leg.call_id)
    measured = measure(packets, local.formats, start=start, end=end)
    return replace(
        reception,
        packets=measured.packets,
        lost=measured.lost,
        duplicates=measured.duplicates,
        reordered=measured.reordered,
        jitter_ms=measured.jitter_ms,
        source=RELAY if stack.capture is stack.relay else CAPTURE,
        longest_gap=measured.longest_gap,
        level_dbfs=level_dbfs(measured.audio),
        audio=measured.audio,
    )


def _from_stack(leg: CallLeg, start: float, end: float, *, has_jitter_buffer: bool) -> Reception:
    """Return the reception by the counters of the SIP stack."""
    stats, audio = leg.stats, leg.receiver.audio
    due = int((end - start) * 1000 / DEFAULT_PTIME_MS) + 1
    if stats is None:
        return Reception(
            longest_gap=end - start, digits=leg.digits, digit_times=tuple(leg.digit_times), packets_due=due
        )
    reception = Reception(
        packets=stats.rx_packets,
        packets_due=due,
        longest_gap=leg.receiver.longest_gap,
        level_dbfs=level_dbfs(audio),
        rtt_ms=stats.rtt_ms or None,
        digits=leg.digits,
        digit_times=tuple(leg.digit_times),
        audio=audio,
    )
    is_covered = leg.rtcp_at is not None and leg.rtcp_at - start >= (end - start) / 2
    if is_covered:
        reception = replace(
            reception,
            lost=_lost_by_rtcp(leg, start, end),
            jitter_ms=stats.rx_jitter_ms,
            source=RTCP,
            jitter_source=RTCP,
        )
    if has_jitter_buffer and _is_counted(leg, due):
        reception = replace(reception, lost=stats.jbuf_lost, reordered=stats.jbuf_out_of_sequence, source=BUFFER)
    return reception


def _is_counted(leg: CallLeg, due: int) -> bool:
    """Whether the jitter buffer counted the lost packets. To it, packets of DTMF digits are lost ones."""
    stats = leg.stats
    if stats.jbuf_lost is None or stats.jbuf_overflow or leg.digits:
        return False
    return not stats.jbuf_lost or bool(stats.rx_packets + stats.jbuf_lost <= due + _SPARE_PACKETS)


def _lost_by_rtcp(leg: CallLeg, start: float, end: float) -> int:
    """Return the packets lost in the whole call, of which the last report covers a part."""
    assert leg.rtcp_at is not None  # noqa: S101 - there is a report
    # the first packet may arrive before the receiver is ready; it was rejected here, not lost on its way
    lost_so_far: int = max(leg.stats.rx_lost - leg.stats.rx_errors, 0)
    return round(lost_so_far * (end - start) / min(leg.rtcp_at - start, end - start))


def media_problem(local: AudioMedia | None, remote: AudioMedia | None) -> str:
    """Return why the SDP of an answer allows no audio, or "" if it does."""
    if local is None:
        return ""
    if remote is None:
        return "its answer contains no SDP"
    if not remote.port:
        return "its SDP rejects the audio (port 0)"
    if remote.address in _ANY_ADDRESS:
        return f"its SDP has the address {remote.address or 'of no host'}"
    if not remote.codecs & local.codecs:
        chosen, offered = ", ".join(sorted(remote.codecs)) or "no codec", ", ".join(sorted(local.codecs))
        return f"its SDP answers with {chosen}, which was not offered (offered: {offered})"
    return ""
