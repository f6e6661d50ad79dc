"""The steps of a call scenario in a suite file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pytest_sipfront.yaml_models import Flag, InvalidValueError, Resolved, YamlModel

Seconds = Annotated[float, Field(ge=1, strict=True), Resolved]
LISTENING = ("listen", "digits", "number", "date", "name", "choose", "yes_or_no")
CONVERSING = ("bridge", "conference")
_OPTIONS = {
    "wer": ("listen",),
    "event": CONVERSING,
    "within": LISTENING + CONVERSING,
    "prompt_url": LISTENING,
    "choices": ("choose",),
}


class CallStep(YamlModel):
    """A step of a call: one verb, and its options."""

    say: str | None = Field(default=None, description="speak this text")
    play: str | None = Field(default=None, description="play the .wav or .mp3 file at this URL")
    listen: str | None = Field(default=None, description="the other side must say these words")
    digits: str | None = Field(default=None, description="the other side must press these keys: 0-9, `*` and `#`")
    number: str | None = Field(default=None, description="the other side must say this number, as digits")
    date: str | None = Field(default=None, description="the other side must say this date, in ISO 8601")
    name: str | None = Field(default=None, description="the other side must say this name")
    choose: str | None = Field(default=None, description="the other side must say this one of `choices`")
    yes_or_no: Flag | None = Field(default=None, description="the other side must say yes (true) or no (false)")
    silence: Seconds | None = Field(default=None, description="the other side must say nothing for so many seconds")
    bridge: str | None = Field(default=None, description="number of a second leg to dial and to bridge to the call")
    conference: str | None = Field(default=None, description="name of the conference room to join")
    hang_up: Flag | None = Field(default=None, description="true: hang up; also written as the step `hang_up`")
    wait_finished: Seconds | None = Field(
        default=None, description="the other side must hang up within so many seconds; the step `wait_finished`: 60"
    )
    within: Seconds = Field(
        default=10.0,
        description="time for the answer to a verb that listens, or for the `event` of a conversation, in seconds",
    )
    event: str | None = Field(
        default=None,
        description="event of the bridge or conference that must arrive; the default of `bridge` is `ended`",
    )
    wer: Annotated[float, Field(ge=0, strict=True), Resolved] = Field(
        default=0.2, description="highest accepted word error rate of `listen`"
    )
    choices: tuple[str, ...] | None = Field(default=None, description="texts to tell apart for `choose`")
    prompt_url: str | None = Field(default=None, description="sound file that a verb that listens plays first")

    @property
    def verb(self) -> str:
        """The verb of the step."""
        return next(name for name in VERBS if name in self.model_fields_set)

    def arguments(self) -> dict[str, Any]:
        """Return the given keys."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @model_validator(mode="after")
    def _check(self) -> CallStep:
        given = [name for name in type(self).model_fields if name in self.model_fields_set]
        verbs = [name for name in given if name in VERBS]
        if len(verbs) != 1:
            raise ValueError(f"a step must have exactly one of {', '.join(VERBS)}")
        verb = verbs[0]
        for name in given:
            if name not in VERBS and verb not in _OPTIONS[name]:
                raise InvalidValueError(f"{name} cannot be combined with {verb}", (name,))
        if verb == "choose" and not self.choices:
            raise ValueError("choose requires choices")
        if self.hang_up is False:
            raise InvalidValueError("must be true", ("hang_up",))
        return self


VERBS = tuple(name for name in CallStep.model_fields if name not in _OPTIONS)
_BARE: dict[str, dict[str, Any]] = {"hang_up": {"hang_up": True}, "wait_finished": {"wait_finished": 60.0}}


def _steps(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [_BARE.get(step, step) if isinstance(step, str) else step for step in value]


CallSteps = Annotated[
    tuple[CallStep, ...],
    BeforeValidator(_steps, json_schema_input_type=tuple[CallStep | Literal["hang_up", "wait_finished"], ...]),
]
