"""The keys of a lab file, and the file with its tests and projects numbered and linked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.file.calls_section import CallPlan, LineProfile
from pytest_sipfront.lab.file.fault_spec import FaultSpec, matches
from pytest_sipfront.lab.file.sift_section import SiftSpec
from pytest_sipfront.lab.file.steps import Steps
from pytest_sipfront.yaml_models import Flag, Name, PositiveCount, Resolved, Seconds, YamlModel

PASSED = "passed"
DEFAULT_PROJECT = "Default"
FIRST_TEST_ID = 101
FIRST_PROJECT_ID = 1
FaultName: TypeAlias = Literal[
    "mute",
    "silence",
    "deaf",
    "wrong-prompt",
    "lost-digit",
    "bad-line",
    "late-answer",
    "dropped",
    "busy",
    "no-answer",
    "healthy",
]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a scripted run ends: its final state, the reason, and after how many seconds."""

    verdict: str
    description: str
    takes: Span


class RunFault(FaultSpec):
    """A fault of requests about the runs of one test or project."""

    on: Literal["launch", "status", "last", "stats", "any"] = Field(
        default="any", description="endpoint whose requests it hits"
    )


class AccountFault(FaultSpec):
    """A fault of requests about the whole account."""

    on: Literal["launch", "status", "last", "stats", "explore", "tests", "projects", "runs", "appimages", "any"] = (
        Field(default="any", description="endpoint whose requests it hits")
    )


class AccountSpec(YamlModel):
    """The account: its credentials and its limit of concurrent runs."""

    public_key: str | None = Field(
        default=None, description="public key; without both keys any non-empty pair is accepted"
    )
    secret_key: str | None = Field(default=None, description="secret key")
    concurrent_runs: PositiveCount | None = Field(
        default=None, description="maximum number of concurrent runs; further launches get 429 (default: no limit)"
    )
    retry_after: Seconds = Field(default=1.0, description="seconds in the Retry-After header of that 429")
    agentpool: Name = Field(default="lab", description="`agentpool_name` of every run")

    @model_validator(mode="after")
    def _check(self) -> AccountSpec:
        if (self.public_key is None) != (self.secret_key is None):
            raise ValueError("public_key and secret_key must be given together")
        return self


class Rule(YamlModel):
    """An entry of `when`: if all patterns match the parameters of a run, its values replace those of the test."""

    free_keys = ("patterns", r"\.")

    patterns: Mapping[str, str] = Field(
        default_factory=dict,
        validation_alias="<patterns>",
        description="parameter, for example `step.1.0.dial_destination`, with the pattern it must match",
    )
    verdict: Name | None = Field(default=None, description="verdict (default: that of the test)")
    description: str | None = Field(default=None, description="result description (default: that of the test)")
    takes: Duration | None = Field(default=None, description="duration in seconds (default: that of the test)")


class TestSection(YamlModel):
    """A test. With `steps` its runs are real calls; the scripted verdict applies if the lab cannot place calls."""

    __test__: ClassVar[bool] = False  # pytest would take the name for a test class

    id: PositiveCount | None = Field(
        default=None, description=f"id of the test (default: the next free number from {FIRST_TEST_ID})"
    )
    project: Name | None = Field(
        default=None, description=f"project (default: the first that lists the test, or `{DEFAULT_PROJECT}`)"
    )
    testcase: Name = Field(default="Lab call", description="name of the test case")
    tags: tuple[str, ...] = Field(default=(), description="tags")
    takes: Duration = Field(
        default=Span(0.3, 0.3),
        json_schema_extra={"default": 0.3},
        description="duration of a run in seconds, or [least, most]",
    )
    verdict: Name = Field(default=PASSED, description="final state: passed, failed, stopped, errored or any other text")
    description: str = Field(default="", description="`result_description` of a run")
    parameters: Mapping[str, str] = Field(
        default_factory=dict, description="parameters by name; the overrides of a launch replace them"
    )
    strict: Flag = Field(default=False, description="refuse launches that override any other parameter")
    when: tuple[Rule, ...] = Field(default=(), description="other outcomes by parameter; the first match wins")
    states: tuple[str, ...] = Field(
        default=(), description="states that a run reports in turn before its verdict (default: running)"
    )
    faults: tuple[RunFault, ...] = Field(default=(), description="faults of requests about this test")
    steps: Steps | None = Field(
        default=None, description="steps of the call: step 0 prepares the called side, each further step calls"
    )
    conditions: Conditions | None = Field(default=None, description="conditions that each call of the test must meet")
    line: LineProfile | None = Field(
        default=None, description="impairments of the RTP of its calls (default: those of the phone)"
    )
    tolerates: tuple[FaultName, ...] = Field(
        default=(), description="faults of phones that the test need not detect, see `--sipfront-prove`"
    )


class TestSpec(TestSection):
    """A test with its name, and with id and project assigned."""

    __test__: ClassVar[bool] = False

    name: str
    id: int
    project: str

    def outcome(self, parameters: Mapping[str, str]) -> Outcome:
        """Return the scripted end of a run with `parameters`: the first rule that matches, else the test's own."""
        rule = next((rule for rule in self.when if matches(rule.patterns, parameters)), Rule())
        return Outcome(
            verdict=self.verdict if rule.verdict is None else rule.verdict,
            description=self.description if rule.description is None else rule.description,
            takes=rule.takes or self.takes,
        )


class _ProjectKeys(YamlModel):
    """A project."""

    takes: Duration | None = Field(
        default=None, description="shortest duration of a run in seconds (default: that of its longest test)"
    )
    verdict: Name | None = Field(
        default=None,
        description="final state of every run (default: failed, or else the first one that is not passed)",
    )
    states: tuple[str, ...] = Field(
        default=(), description="states that a run reports in turn before its verdict (default: running)"
    )
    faults: tuple[RunFault, ...] = Field(default=(), description="faults of requests about this project")


class ProjectSection(_ProjectKeys):
    """A project. A run of it starts all of its tests at once."""

    id: PositiveCount | None = Field(
        default=None, description=f"id of the project (default: the next free number from {FIRST_PROJECT_ID})"
    )
    tests: tuple[str, ...] | None = Field(
        default=None, description="names of its tests in order (default: the tests that name the project)"
    )


class ProjectSpec(_ProjectKeys):
    """A project with its name and tests, and with its id assigned."""

    name: str
    id: int
    tests: tuple[TestSpec, ...] = ()


class _FileKeys(CallPlan):
    """The keys of a lab file that need no links."""

    account: AccountSpec = Field(default_factory=AccountSpec, description="the account and its credentials")
    faults: tuple[AccountFault, ...] = Field(default=(), description="faults of requests about the whole account")
    session_status: Flag = Field(
        default=True, description="report a run's status as `session_status`, too, which the documentation omits"
    )
    seed: Annotated[int, Field(strict=True), Resolved] = Field(
        default=0, description="seed of durations that are drawn from a range"
    )
    sift: SiftSpec | None = Field(default=None, description="calls at Sift: who answers, who calls, and faults")


class LabDocument(_FileKeys):
    """A lab file as it is written. It needs `tests` or `sift`."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["tests"]}, {"required": ["sift"]}]})

    tests: Mapping[str, TestSection] = Field(default_factory=dict, description="tests by name")
    projects: Mapping[str, ProjectSection] = Field(
        default_factory=dict, description="projects by name; without this section tests create the projects they name"
    )


class LabFile(_FileKeys):
    """A lab file with ids assigned, and with tests and projects linked. Relative paths start in `directory`."""

    directory: Path
    tests: Mapping[str, TestSpec]
    projects: Mapping[str, ProjectSpec]
