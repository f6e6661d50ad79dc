"""The measurements of a call, which conditions judge and reports show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pytest_sipfront.lab.calls.ladder import Rung
from pytest_sipfront.lab.calls.prompt_recognition import PromptMatch

SILENCE_DBFS = -50.0
"""Speech and tones are far above this level; the noise of a G.711 call is below."""

MIN_PACKETS = 10
"""Minimum number of packets, a fifth of a second of audio, to judge a direction of a call."""

CALLER = "caller"
CALLEE = "callee"
LAB = "lab"
UNMEASURED = "this process may not capture packets, and no RTCP report covers the call"
CAPTURE, RELAY, BUFFER, RTCP = "packet capture", "media relay", "jitter buffer", "RTCP"
STACK = "SIP stack"
_R_DEFAULT = 93.2  # G.107's default rating with every parameter at its default value
_LOSS_ROBUSTNESS = 25.1  # G.113 Appendix I: Bpl of G.711 with packet loss concealment, for random loss
_PACKET_MS = 20.0
_DELAY_KNEE_MS = 177.3
_SATISFIED_R = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """The audio and digits that one end of a call received. A value that was not measured is None.

    Args:
        packets: RTP packets received, including telephone-event and comfort noise.
        packets_due: Packets that arrive if the sender pauses at no time and no packet is lost.
        lost: RTP packets lost.
        duplicates: RTP packets received again.
        reordered: RTP packets that arrived after a later one.
        jitter_ms: Interarrival jitter in milliseconds.
        rtt_ms: Round-trip time by RTCP, in milliseconds.
        source: Where loss and reordering come from, for example "packet capture"; "" if they were not measured.
        jitter_source: Where jitter comes from, if it has another source.
        longest_gap: The longest time without a packet, in seconds.
        level_dbfs: Level of the loudest tenth of a second; -inf without audio.
        digits: DTMF digits received, in order.
        digit_times: When each of them arrived, in seconds since the answer.
        prompts: The match of every prompt of the catalogue, the best first.
        audio: PCM, 16 bit, mono, 8000 samples per second.
    """

    packets: int = 0
    packets_due: int = 0
    lost: int | None = None
    duplicates: int | None = None
    reordered: int | None = None
    jitter_ms: float | None = None
    rtt_ms: float | None = None
    source: str = ""
    jitter_source: str = ""
    longest_gap: float = 0.0
    level_dbfs: float = float("-inf")
    digits: str = ""
    digit_times: tuple[float, ...] = ()
    prompts: tuple[PromptMatch, ...] = ()
    audio: bytes = field(default=b"", repr=False)

    @property
    def is_enough(self) -> bool:
        """Whether enough packets arrived to judge this direction."""
        return self.packets >= MIN_PACKETS

    @property
    def loss_percent(self) -> float | None:
        """Lost packets in percent of the packets sent; None if not measured or too few packets arrived."""
        if self.lost is None or not self.is_enough:
            return None
        return 100 * self.lost / (self.packets + self.lost)

    @property
    def max_loss_percent(self) -> float | None:
        """Upper bound of the loss in percent, by packets due; None if too few packets arrived."""
        if not self.is_enough or not self.packets_due:
            return None
        return max(0.0, 100 * (1 - self.packets / self.packets_due))

    @property
    def mos(self) -> float | None:
        """MOS-CQE by the E-model; None if loss or jitter was not measured. An unmeasured delay counts as 0."""
        if self.loss_percent is None or self.jitter_ms is None:
            return None
        return mos_cqe(loss_percent=self.loss_percent, jitter_ms=self.jitter_ms, rtt_ms=self.rtt_ms or 0.0)

    @property
    def sources(self) -> Mapping[str, str]:
        """The source of each measure, by the name of its attribute."""
        jitter = self.jitter_source or self.source
        media = self.source if self.source in (CAPTURE, RELAY) else STACK
        return {
            **dict.fromkeys(("loss_percent", "duplicates", "reordered"), self.source),
            "jitter_ms": jitter,
            "mos": ", ".join(dict.fromkeys((self.source, jitter))),
            "rtt_ms": RTCP,
            **dict.fromkeys(("packets", "longest_gap", "level_dbfs"), media),
        }

    @property
    def unmeasured_reason(self) -> str:
        """Why loss, jitter or MOS has no value."""
        if self.is_enough:
            return UNMEASURED
        return f"{counted(self.packets, 'RTP packet')} received, {MIN_PACKETS} needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A call from the caller's point of view.

    Args:
        destination: The dialled number.
        answered: Whether the called side answered.
        code: The final SIP code of the INVITE; None without a final response.
        reason: The phrase of the final response, or why there is no response.
        cancelled: Whether the caller cancelled the call before an answer.
        ended_after: Seconds from dialling to the end of the call.
        post_dial_delay: Seconds from dialling to the first sign of ringing or the answer; None without either.
        answer_after: Seconds from dialling to the answer; None without an answer.
        duration: Seconds from the answer to the end; 0 without an answer.
        ended_by: `CALLER`, `CALLEE`, or `LAB` if a limit of the lab ended it.
        bye_confirmed_after: Seconds from the caller's BYE to its response; None without a response or without a BYE.
        received_by_caller: The reception of the caller.
        received_by_callee: The reception of the called side; None if it is not a phone of the lab.
        callee_unknown_reason: Why there is no reception of the called side.
        is_ambiguous: Whether its called leg may be another one that rang.
        sent_packets: RTP packets the caller sent.
        media_problem: Why the SDP of the callee allows no audio, or "".
        hint: An explanation of the result of the setup, or "".
        complaints: Sentences for the report about actions that failed within the call.
        ladder: Its SIP messages.
    """

    destination: str
    answered: bool
    code: int | None
    reason: str
    ended_after: float
    cancelled: bool = False
    post_dial_delay: float | None = None
    answer_after: float | None = None
    duration: float = 0.0
    ended_by: str = CALLER
    bye_confirmed_after: float | None = None
    received_by_caller: Reception = field(default_factory=Reception)
    received_by_callee: Reception | None = None
    callee_unknown_reason: str = "the called side is not a phone of the lab"
    is_ambiguous: bool = False
    sent_packets: int = 0
    media_problem: str = ""
    hint: str = ""
    complaints: tuple[str, ...] = ()
    ladder: tuple[Rung, ...] = ()

    def without_audio(self) -> CallRecord:
        """Return the record without its recordings."""
        by_callee = self.received_by_callee
        return replace(
            self,
            received_by_caller=replace(self.received_by_caller, audio=b""),
            received_by_callee=replace(by_callee, audio=b"") if by_callee is not None else None,
        )

    @property
    def outcome(self) -> str:
        """Result of the call setup, for example "486 Busy Here after 0.12 s"."""
        code = f"{self.code} " if self.code is not None else ""
        if self.cancelled:
            return f"{self.reason} within {self.ended_after:.2f} s, cancelled" + (f" ({code.strip()})" if code else "")
        hint = f" ({self.hint})" if self.hint else ""
        return f"{code}{self.reason} after {self.answer_after if self.answered else self.ended_after:.2f} s{hint}"


def counted(number: int, noun: str) -> str:
    """Return number and noun, for example "1 packet" or "2 packets"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# ---- MOS-CQE: the E-model of ITU-T G.107, reduced to loss, jitter and delay of a narrowband call


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
