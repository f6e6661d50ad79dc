"""MOS-CQE: the E-model of ITU-T G.107, reduced to loss, jitter and delay of a narrowband call.

The model does not analyse the audio: pure silence scores its maximum.
"""

from __future__ import annotations

_R_DEFAULT = 93.2  # G.107's default rating with every parameter at its default value
_LOSS_ROBUSTNESS = 25.1  # G.113 Appendix I: Bpl of G.711 with packet loss concealment, for random loss
_PACKET_MS = 20.0
_DELAY_KNEE_MS = 177.3
_SATISFIED_R = 100.0


def rating(*, loss_percent: float, jitter_ms: float, rtt_ms: float) -> float:
    """Return the transmission rating R (0 to 93.2) for loss in percent, jitter and round-trip time in milliseconds."""
    # a jitter buffer has to hold about twice the mean jitter
    delay = rtt_ms / 2 + 2 * jitter_ms + _PACKET_MS
    delayed = 0.024 * delay + 0.11 * max(0.0, delay - _DELAY_KNEE_MS)
    lost = 95 * loss_percent / (loss_percent + _LOSS_ROBUSTNESS)
    return max(0.0, _R_DEFAULT - delayed - lost)


def mos(r: float) -> float:
    """Return the mean opinion score (1.0 to 4.5) of the rating `r` by G.107 Annex B."""
    if r <= 0:
        return 1.0
    if r >= _SATISFIED_R:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def mos_cqe(*, loss_percent: float, jitter_ms: float, rtt_ms: float) -> float:
    """Return the MOS-CQE (1.0 to 4.5) of a G.711 call, rounded to two digits."""
    return round(mos(rating(loss_percent=loss_percent, jitter_ms=jitter_ms, rtt_ms=rtt_ms)), 2)
