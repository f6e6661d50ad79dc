"""Measure the reception of a call leg, from the best source that this machine has.

1. Captured packets: loss by sequence number, jitter by RFC 3550, duplicates, reordering, gaps, and the audio itself.
2. RTCP, if a report covers at least half of the call.

Without either, the packets due by the length of the call are an upper bound for loss. The jitter buffer of the SIP
stack counts missing sequence numbers, too, but it loses audio on a busy machine, so it stays off.
"""

from __future__ import annotations

import time
from dataclasses import replace

from pytest_sipfront.lab.calls.audio import level_dbfs
from pytest_sipfront.lab.calls.call_leg import CallLeg
from pytest_sipfront.lab.calls.call_record import Reception
from pytest_sipfront.lab.calls.rtp import DEFAULT_PTIME_MS, AudioMedia, measure
from pytest_sipfront.lab.calls.sip_stack import SipStack

CAPTURE, RELAY, RTCP = "packet capture", "media relay", "RTCP"
_ANY_ADDRESS = ("0.0.0.0", "")  # noqa: S104 - compared with an address from SDP


def measure_reception(leg: CallLeg, direction: str, stack: SipStack) -> Reception:
    """Return the reception of a leg whose call has ended; `direction` is that of the messages it sends."""
    end = leg.ended_at or time.monotonic()
    start = leg.answered_at or end
    if leg.drops_incoming:
        return Reception(longest_gap=end - start, digits=leg.digits, digit_times=tuple(leg.digit_times))
    local, _ = stack.ladders.media(leg.call_id, direction)
    reception = _from_stack(leg, start, end)
    if stack.capture is None or local is None or stack.capture.dropped != leg.capture_drops:
        return reception
    ports = stack.ladders.local_ports(leg.call_id, direction)
    # an earlier call may have used the same port
    packets = [packet for port in ports for packet in stack.capture.packets(port) if packet.time >= leg.started_at]
    for port in ports:
        stack.capture.forget(port)
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


def _from_stack(leg: CallLeg, start: float, end: float) -> Reception:
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
    if leg.rtcp_at is not None and leg.rtcp_at - start >= (end - start) / 2:
        # the first packet may arrive before the receiver is ready; it was rejected here, not lost on its way
        lost_so_far = max(stats.rx_lost - stats.rx_errors, 0)
        # the stack counts losses when a report arrives; the rest of the call is taken to lose as many
        lost = round(lost_so_far * (end - start) / min(leg.rtcp_at - start, end - start))
        return replace(reception, lost=lost, jitter_ms=stats.rx_jitter_ms, source=RTCP)
    return reception


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
