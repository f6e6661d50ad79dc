"""Types that keys of several sections share: numbers with bounds, durations, and lists that may be one entry."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pytest_sipfront.yaml_models import Resolved

Seconds = Annotated[float, Field(ge=0, strict=True), Resolved]
Count = Annotated[int, Field(ge=0, strict=True), Resolved]
PositiveCount = Annotated[int, Field(ge=1, strict=True), Resolved]


@dataclass(frozen=True, slots=True)
class Span:
    """A duration in seconds, fixed or drawn between two bounds."""

    low: Seconds
    high: Seconds

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"the smaller number must come first, got [{self.low:g}, {self.high:g}]")

    def draw(self, random: Random) -> float:
        """Return one duration in seconds."""
        return self.low if self.low == self.high else random.uniform(self.low, self.high)


def _bounds(value: Any) -> Any:
    if isinstance(value, Span):
        return value
    if not isinstance(value, list):
        return {"low": value, "high": value}
    if len(value) != 2:  # noqa: PLR2004 - a pair
        raise ValueError(f"must be a number or a list of 2 numbers, got a list of {len(value)}")
    return {"low": value[0], "high": value[1]}


Duration = Annotated[
    Span,
    BeforeValidator(_bounds, json_schema_input_type=Seconds | tuple[Seconds, Seconds]),
]
"""Seconds, or [least, most] to draw from."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_list, json_schema_input_type=str | tuple[str, ...])]
"""A list of texts, or one text."""
