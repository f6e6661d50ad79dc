"""The conditions that each call of a test must meet."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from pytest_sipfront.yaml_models import Flag, Resolved, Seconds, Texts, YamlModel

BOTH: Final = "both"
NO_MEDIA: Final = "none"
Direction: TypeAlias = Literal["both", "from_callee", "from_caller"]
_ABOUT_MEDIA = ("rtp", "not_silent", "max_packet_loss", "max_jitter", "min_mos", "prompt_heard")
_ABOUT_ANSWERED_CALLS = (*_ABOUT_MEDIA, "answer_within", "duration", "ended_by", "bye_confirmed", "dtmf_received")
_ABOUT_SIGNALLING = (
    "answered",
    "sip_code",
    "answer_within",
    "duration",
    "ended_by",
    "bye_confirmed",
    "max_post_dial_delay",
    "dtmf_received",
)


def _in_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"must be [least, most], got [{bounds[0]:g}, {bounds[1]:g}]")
    return bounds


class Conditions(YamlModel):
    """Conditions that each call of a test must meet. All violations are reported together."""

    media: Literal["none"] | None = Field(
        default=None, description="`none`: the test needs no media; without it RTP must arrive in both directions"
    )
    answered: Flag | None = Field(default=None, description="the call is answered; false: it is not answered")
    answer_within: Seconds | None = Field(default=None, description="the call is answered within these seconds")
    sip_code: Annotated[int, Field(ge=200, le=699, strict=True), Resolved] | None = Field(
        default=None, description="final SIP code of the INVITE"
    )
    bye_confirmed: Flag | None = Field(default=None, description="the callee responds to the BYE of the caller")
    duration: Annotated[tuple[Seconds, Seconds], AfterValidator(_in_order)] | None = Field(
        default=None, description="the call lasts [least, most] seconds"
    )
    ended_by: Literal["caller", "callee"] | None = Field(default=None, description="who hangs up")
    rtp: Direction | None = Field(default=None, description="directions in which RTP must arrive (default: both)")
    max_rtp_gap: Annotated[float, Field(ge=0.5, strict=True), Resolved] = Field(
        default=10.0, description="longest time without RTP, in seconds"
    )
    not_silent: Direction | None = Field(
        default=None, description="directions in which audio must be louder than silence"
    )
    max_packet_loss: Annotated[float, Field(ge=0, le=100, strict=True), Resolved] | None = Field(
        default=None, description="highest packet loss, in percent"
    )
    max_jitter: Seconds | None = Field(default=None, description="highest interarrival jitter, in milliseconds")
    min_mos: Annotated[float, Field(ge=1, le=4.5, strict=True), Resolved] | None = Field(
        default=None, description="lowest MOS-CQE by the E-model"
    )
    max_post_dial_delay: Seconds | None = Field(
        default=None, description="longest time to ringing or answer, in seconds"
    )
    dtmf_received: str | None = Field(default=None, description="digits that the called side must receive, exactly")
    prompt_heard: Texts = Field(default=(), description="prompts that the caller must hear, in this order")

    @model_validator(mode="after")
    def _check(self) -> Conditions:
        if self.media != NO_MEDIA and self._wants_no_answer:
            raise ValueError("a call that must not be answered has no media to prove it; add 'media: none'")
        if self.media == NO_MEDIA and (contradicting := self._given(_ABOUT_MEDIA)):
            raise ValueError(f"'media: none' and {contradicting[0]} are mutually exclusive")
        if self.media == NO_MEDIA and not self._given(_ABOUT_SIGNALLING):
            raise ValueError(f"'media: none' alone accepts every call; add one of {', '.join(_ABOUT_SIGNALLING)}")
        if self._wants_no_answer and (contradicting := self._given(_ABOUT_ANSWERED_CALLS)):
            raise ValueError(f"a call that must not be answered contradicts {contradicting[0]}")
        return self

    def _given(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(self, name) not in (None, ())]

    @property
    def wants_answer(self) -> bool:
        """Whether a condition can only hold for an answered call."""
        return self.proof is not None or bool(self.answered) or bool(self._given(_ABOUT_ANSWERED_CALLS))

    @property
    def _wants_no_answer(self) -> bool:
        return self.answered is False or (self.sip_code is not None and not 200 <= self.sip_code < 300)  # noqa: PLR2004

    @property
    def proof(self) -> Direction | None:
        """The directions in which RTP must arrive for the call to count; None if the test needs no media."""
        return None if self.media == NO_MEDIA else self.rtp or BOTH
