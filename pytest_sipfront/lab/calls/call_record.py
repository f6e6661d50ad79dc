"""What was measured of a call, as plain values that conditions judge and reports show."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_sipfront.lab.calls.emodel import mos_cqe
from pytest_sipfront.lab.calls.prompt_recognition import PromptMatch

SILENCE_DBFS = -50.0
"""Speech and tones lie far above; the noise floor of a G.711 line lies below."""

MOS_PACKETS = 10
"""Fewer packets, a fifth of a second of audio, are too few to estimate a quality from."""

CALLER = "caller"
CALLEE = "callee"
LAB = "lab"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What one end of a call received from the other.

    Args:
        packets: RTP packets received.
        lost: RTP packets that RTCP reported lost on their way here.
        jitter_ms: Interarrival jitter in milliseconds.
        rtt_ms: Round-trip time in milliseconds, 0 before the first RTCP exchange.
        longest_gap: The longest time without audio arriving, in seconds.
        level_dbfs: The loudest tenth of a second against full scale; -inf where nothing was heard.
        digits: DTMF digits received, in order.
        prompts: Every prompt of the catalogue by how well it was heard, the best first.
        audio: What was heard: PCM, 16 bit, mono, 8000 samples a second.
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
        """Lost packets in percent of those sent."""
        return 100 * self.lost / max(1, self.packets + self.lost)

    @property
    def mos(self) -> float | None:
        """MOS-CQE by the E-model; None where so few packets arrived that there is nothing to estimate from."""
        if self.packets < MOS_PACKETS:
            return None
        return mos_cqe(loss_percent=self.loss_percent, jitter_ms=self.jitter_ms, rtt_ms=self.rtt_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call as it went, seen from the caller.

    Args:
        destination: What was dialled.
        answered: Whether the called side answered.
        code: The final SIP code of the INVITE; None where none came.
        reason: The final code's phrase, or why there is none.
        cancelled: Whether the caller gave up before an answer came.
        ended_after: Seconds from dialling to the end of the call.
        post_dial_delay: Seconds from dialling to the first sign of ringing or the answer; None where none came.
        answer_after: Seconds from dialling to the answer; None where none came.
        duration: Seconds from the answer to the end; 0 where the call was not answered.
        ended_by: `CALLER`, `CALLEE`, or `LAB` where a limit of the lab ended it.
        heard_by_caller: What the caller received.
        heard_by_callee: What the called side received; None where it is no phone of the lab.
        sent_packets: RTP packets the caller sent.
        complaints: What went wrong within the call, already worded for the report.
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
    heard_by_caller: Reception = field(default_factory=Reception)
    heard_by_callee: Reception | None = None
    sent_packets: int = 0
    complaints: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """How the call was set up, the way a trace is read aloud: "486 Busy Here after 0.12 s"."""
        code = f"{self.code} " if self.code is not None else ""
        if self.cancelled:
            return f"{self.reason} within {self.ended_after:.2f} s, cancelled" + (f" ({code.strip()})" if code else "")
        return f"{code}{self.reason} after {self.answer_after if self.answered else self.ended_after:.2f} s"
