"""The measurements of a call, which conditions judge and reports show."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_sipfront.lab.calls.emodel import mos_cqe
from pytest_sipfront.lab.calls.ladder import Rung
from pytest_sipfront.lab.calls.prompt_recognition import PromptMatch

SILENCE_DBFS = -50.0
"""Speech and tones are far above this level; the noise of a G.711 call is below."""

MOS_PACKETS = 10
"""Minimum number of packets, a fifth of a second of audio, for an estimate of the quality."""

CALLER = "caller"
CALLEE = "callee"
LAB = "lab"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """The audio and digits that one end of a call received.

    Args:
        packets: RTP packets received.
        lost: RTP packets lost, as RTCP reported.
        jitter_ms: Interarrival jitter in milliseconds.
        rtt_ms: Round-trip time in milliseconds, 0 before the first RTCP exchange.
        longest_gap: The longest time without audio arriving, in seconds.
        level_dbfs: Level of the loudest tenth of a second; -inf without audio.
        digits: DTMF digits received, in order.
        prompts: The match of every prompt of the catalogue, the best first.
        audio: PCM, 16 bit, mono, 8000 samples per second.
    """

    packets: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    rtt_ms: float = 0.0
    longest_gap: float = 0.0
    level_dbfs: float = float("-inf")
    digits: str = ""
    prompts: tuple[PromptMatch, ...] = ()
    audio: bytes = field(default=b"", repr=False)

    @property
    def loss_percent(self) -> float:
        """Lost packets in percent of the packets sent."""
        return 100 * self.lost / max(1, self.packets + self.lost)

    @property
    def mos(self) -> float | None:
        """MOS-CQE by the E-model; None if too few packets arrived for an estimate."""
        if self.packets < MOS_PACKETS:
            return None
        return mos_cqe(loss_percent=self.loss_percent, jitter_ms=self.jitter_ms, rtt_ms=self.rtt_ms)


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
        received_by_caller: What the caller received.
        received_by_callee: What the called side received; None if it is not a phone of the lab.
        sent_packets: RTP packets the caller sent.
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
    received_by_caller: Reception = field(default_factory=Reception)
    received_by_callee: Reception | None = None
    sent_packets: int = 0
    complaints: tuple[str, ...] = ()
    ladder: tuple[Rung, ...] = ()

    @property
    def outcome(self) -> str:
        """Result of the call setup, for example "486 Busy Here after 0.12 s"."""
        code = f"{self.code} " if self.code is not None else ""
        if self.cancelled:
            return f"{self.reason} within {self.ended_after:.2f} s, cancelled" + (f" ({code.strip()})" if code else "")
        return f"{code}{self.reason} after {self.answer_after if self.answered else self.ended_after:.2f} s"
