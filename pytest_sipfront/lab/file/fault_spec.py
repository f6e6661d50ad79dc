"""Faults: which requests go wrong, and how."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pytest_sipfront.yaml_models import Count, Flag, Json, PositiveCount, Resolved, Seconds, YamlModel


class FaultSpec(YamlModel):
    """A fault: which requests it hits, how often, and what goes wrong.

    A request meets at most one fault: the first that is still active, those of the test or project before those of
    the account. Requests that a fault hits are not counted by the faults after it.
    """

    on: str = Field(default="any", description="endpoint whose requests it hits")
    only: Mapping[str, str] = Field(
        default_factory=dict, description="hit only runs whose parameters match these patterns (`*`, `?`, `[...]`)"
    )
    during: Literal["running", "finished"] | None = Field(
        default=None, description="hit only polls of runs in this stage (default: either)"
    )
    after: Count = Field(default=0, description="number of matching requests to skip first")
    times: PositiveCount | None = Field(default=None, description="number of requests to hit (default: all)")
    latency: Seconds = Field(default=0.0, description="seconds by which the answer is delayed; combines with any other")
    status: Annotated[int, Field(ge=200, le=599, strict=True), Resolved] | None = Field(
        default=None, description="status code of the answer; the request has no effect"
    )
    retry_after: Seconds | None = Field(
        default=None, description="seconds in a Retry-After header; combines with any other"
    )
    headers: Mapping[str, str] = Field(
        default_factory=dict, description="additional headers of the answer; combines with any other"
    )
    error: str | None = Field(default=None, description="text of the error (default: the phrase of its status code)")
    error_key: Literal["error", "description", "message", "plain", "none"] = Field(
        default="error", description="key that holds the text of the error; `plain`: no JSON; `none`: no text"
    )
    drop: Literal["before", "after"] | None = Field(
        default=None, description="close the connection without an answer, before or after the request takes effect"
    )
    html: Flag = Field(default=False, description="answer 200 with an HTML page")
    body: Json = Field(default=None, description="JSON value to answer in place of the whole body")
    omit: tuple[str, ...] = Field(
        default=(), description="fields to leave out of `data` (launch) or `run` (status) of the answer"
    )
    set: Mapping[str, Json] = Field(default_factory=dict, description="fields to replace or add there")
    flip: tuple[str, ...] = Field(
        default=(), description="states to report before the real one, one for each poll of a run"
    )
    effect: Flag | None = Field(
        default=None, description="whether the request takes effect (default: as the kind of fault implies)"
    )

    @model_validator(mode="after")
    def _check(self) -> FaultSpec:
        changes = bool(self.omit or self.set or self.flip)
        answers = self.status is not None or self.error is not None or self.replaces_body
        if sum((self.drop is not None, self.html, answers, changes)) > 1:
            raise ValueError(
                "drop, html, an own answer (status, error, body) and changes to the answer (omit, set, flip) "
                "are mutually exclusive"
            )
        if not (self.drop or self.html or answers or changes or self.latency or self.headers or self.retry_after):
            raise ValueError(
                "a fault needs one of latency, status, error, retry_after, headers, drop, html, body, omit, set, flip"
            )
        return self

    @property
    def replaces_body(self) -> bool:
        """Whether `body` is given; a given null is a body, too."""
        return "body" in self.model_fields_set

    @property
    def takes_effect(self) -> bool:
        """Whether the request is carried out; by default not before a drop or instead of an error answer."""
        if self.effect is not None:
            return self.effect
        return self.drop != "before" and self.status is None and self.error is None


def matches(patterns: Mapping[str, str], parameters: Mapping[str, str]) -> bool:
    """Whether every pattern (`*`, `?`, `[...]`) matches the parameter of its name; a missing one never matches."""
    return all(key in parameters and fnmatchcase(parameters[key], text) for key, text in patterns.items())
