"""What a lab file says, as frozen values: the account, its tests and projects, and the faults to inject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.sift_section import SiftSpec

PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Span:
    """A duration in seconds, fixed or drawn between two bounds."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"given is from {self.low} to {self.high} seconds, allowed is the smaller number first")

    def draw(self, random: Random) -> float:
        """Return one duration in seconds."""
        return self.low if self.low == self.high else random.uniform(self.low, self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a scripted run ends: its final state, the reason, and after how many seconds."""

    verdict: str
    description: str
    takes: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry of `when`: where every pattern matches its override, these values replace the test's own."""

    patterns: Mapping[str, str]
    verdict: str | None = None
    description: str | None = None
    takes: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Any JSON value that was given, so that a given null differs from nothing given."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """What goes wrong with which requests. See `docs/lab.md` for every key."""

    on: str = "any"
    only: Mapping[str, str] = field(default_factory=dict)
    during: str | None = None
    after: int = 0
    times: int | None = None
    latency: float = 0.0
    status: int | None = None
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    error_key: str = "error"
    drop: str | None = None
    html: bool = False
    body: Box | None = None
    omit: tuple[str, ...] = ()
    set: Mapping[str, Any] = field(default_factory=dict)
    flip: tuple[str, ...] = ()
    effect: bool | None = None

    def __post_init__(self) -> None:
        changes = bool(self.omit or self.set or self.flip)
        answers = self.status is not None or self.error is not None or self.body is not None
        if sum((self.drop is not None, self.html, answers, changes)) > 1:
            raise ValueError(
                "a fault drops the connection, answers HTML, answers something else (status, error, body) or changes "
                "the answer (omit, set, flip): only one of them"
            )
        if not (self.drop or self.html or answers or changes or self.latency or self.headers or self.retry_after):
            raise ValueError("a fault names what goes wrong: latency, status, drop, html, body, omit, set or flip")

    @property
    def takes_effect(self) -> bool:
        """Whether the request is carried out all the same: not before a drop or instead of an error answer."""
        if self.effect is not None:
            return self.effect
        return self.drop != "before" and self.status is None and self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """The account: its credentials (none: any are accepted) and its limit of launches in flight."""

    public_key: str | None = None
    secret_key: str | None = None
    concurrent_runs: int | None = None
    retry_after: float = 1.0
    agentpool: str = "lab"

    def __post_init__(self) -> None:
        if (self.public_key is None) != (self.secret_key is None):
            raise ValueError("public_key and secret_key are given together or not at all")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSpec:
    """One test of the account. `steps` and `conditions` belong to the call engine and are opaque here."""

    __test__: ClassVar[bool] = False  # pytest would take the name for a test class

    name: str
    id: int
    project: str
    testcase: str = "Lab call"
    tags: tuple[str, ...] = ()
    takes: Span = Span(0.3, 0.3)
    verdict: str = PASSED
    description: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    when: tuple[Rule, ...] = ()
    states: tuple[str, ...] = ()
    faults: tuple[FaultSpec, ...] = ()
    steps: Any = None
    conditions: Any = None

    def outcome(self, parameters: Mapping[str, str]) -> Outcome:
        """Return the scripted end of a run with `parameters`: the first rule that matches, else the test's own."""
        for rule in self.when:
            if matches(rule.patterns, parameters):
                return Outcome(
                    verdict=self.verdict if rule.verdict is None else rule.verdict,
                    description=self.description if rule.description is None else rule.description,
                    takes=rule.takes or self.takes,
                )
        return Outcome(verdict=self.verdict, description=self.description, takes=self.takes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSpec:
    """One project: its tests in order. `takes` is the least time its run lasts, `verdict` forces how it ends."""

    name: str
    id: int
    tests: tuple[TestSpec, ...] = ()
    takes: Span | None = None
    verdict: str | None = None
    states: tuple[str, ...] = ()
    faults: tuple[FaultSpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFile:
    """A whole lab file.

    `directory` is where its relative paths start, `extras` holds the engine's own sections, `sift` is None where the
    file has no such section.
    """

    name: str
    directory: Path
    account: AccountSpec
    tests: Mapping[str, TestSpec]
    projects: Mapping[str, ProjectSpec]
    faults: tuple[FaultSpec, ...] = ()
    seed: int = 0
    extras: Mapping[str, Any] = field(default_factory=dict)
    sift: SiftSpec | None = None


def matches(patterns: Mapping[str, str], parameters: Mapping[str, str]) -> bool:
    """Whether every pattern (`*`, `?`, `[...]`) matches the parameter of its name; a missing one never matches."""
    return all(key in parameters and fnmatchcase(parameters[key], text) for key, text in patterns.items())
