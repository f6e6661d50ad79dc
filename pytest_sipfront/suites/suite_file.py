"""The keys of a suite file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from pytest_sipfront.suggestions import invalid_choice
from pytest_sipfront.suites.call_steps import CallSteps
from pytest_sipfront.yaml_models import Flag, InvalidValueError, Json, Name, Resolved, YamlModel, resolved

MAX_TESTS = 10_000
MOST_TESTS = 100_000
PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_OVERRIDE = re.compile(r"step\.\d+\.\d+\.\S+")
_NO_ARGUMENTS = {"steps", "overrides", "params", "markers"}  # of the marker sipfront, under these names
_STEP = re.compile(r"\d+\.\d+")
_TEST_NAME = re.compile(r"(?!pytest_|_)\w((?!::)[^\[\]])*")
_REJECTED_MARKERS = {
    "sipfront": "write its arguments as keys of the test",
    "sift": "write the call in the section calls",
    "parametrize": "use rows or matrix",
    "skipif": "use skip; conditions are Python code",
    "filterwarnings": "set the ini option filterwarnings",
}


def _choice(*choices: str) -> Any:
    """Return the type of a key with one of `choices`, or with a text that contains a placeholder."""

    def check(value: str) -> str:
        if value not in choices and not PLACEHOLDER.search(value):
            raise ValueError(invalid_choice(value, choices))
        return value

    schema = {"anyOf": [{"enum": list(choices)}, {"type": "string", "pattern": r"\{.+\}"}]}
    return Annotated[str, AfterValidator(check), WithJsonSchema(schema)]


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"must be a regular expression, got {value!r} ({error})") from None
    return value


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _test_name(name: str) -> str:
    if not _TEST_NAME.fullmatch(name) or not name.isprintable() or name != name.strip():
        raise ValueError(
            f"must start with a letter or digit, and contain neither '::' nor square brackets, got {name!r}"
        )
    return name


def _override_keys(given: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in given:
        if not _OVERRIDE.fullmatch(key):
            text = "an override key must be step.<step>.<action>.<name>, for example step.1.0.dial_destination"
            raise InvalidValueError(text, (key,))
    return given


def _actions(given: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in given:
        if not _STEP.fullmatch(key):
            raise InvalidValueError("a key must be <step>.<action>, for example 1.0", (key,))
    return given


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with their values. As a number, a number to dial would lose a leading 0 or +."""
    for key, value in given.items():
        if not isinstance(resolved(value), str | int | float):
            raise InvalidValueError("must be text, a number, true or false", (key,))
    return {key: str(value) if key.endswith("dial_destination") else resolved(value) for key, value in given.items()}


def _named_markers(value: Any) -> Any:
    names = _one_or_more(value)
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return dict.fromkeys(names, True)
    return value


Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_more, json_schema_input_type=str | tuple[str, ...])]
Seconds = Annotated[float, Field(ge=0, strict=True), Resolved]
Positive = Annotated[int, Field(ge=1, strict=True), Resolved]
Argument = Annotated[Json, WithJsonSchema({"type": ["boolean", "string", "number", "array", "object", "null"]})]
Overrides = Annotated[
    dict[str, Any],
    AfterValidator(_parameters),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}),
]


class ExpectedFailure(YamlModel):
    """A test that is expected to fail. A missing verdict is an error, expected or not."""

    reason: str = Field(default="", description="reason, shown in the report")
    strict: Flag | None = Field(
        default=None, description="whether a test that passes counts as failed (default: the ini option xfail_strict)"
    )
    run: Flag = Field(default=True, description="false: do not run the test")


def _with_reason(value: Any) -> Any:
    return {"reason": value} if isinstance(value, str) else value


Expected = Annotated[ExpectedFailure, BeforeValidator(_with_reason, json_schema_input_type=str | ExpectedFailure)]


class Markers(YamlModel):
    """pytest markers of a test. A list of names, or one name, is the short form for markers without arguments."""

    free_keys = ("others", r"^(?!(skip|xfail|usefixtures)$)")

    skip: Name | None = Field(default=None, description="do not run the test, for this reason")
    xfail: Expected | None = Field(default=None, description="the run or the call is expected to fail, for this reason")
    usefixtures: Texts = Field(default=(), description="fixtures of `conftest.py` to set up before the test")
    others: Mapping[str, Argument] = Field(
        default_factory=dict,
        validation_alias="<others>",
        description="any other marker: `true`, one argument, a list of arguments, or a mapping of named arguments",
    )

    @model_validator(mode="after")
    def _check(self) -> Markers:
        for name, value in self.others.items():
            if name in _REJECTED_MARKERS:
                raise InvalidValueError(f"the marker {name} is not supported here; {_REJECTED_MARKERS[name]}", (name,))
            if not name.isidentifier() or name.startswith("_"):
                raise InvalidValueError(f"{name!r} is not the name of a marker", (name,))
            for argument in value if isinstance(value, dict) else ():
                if argument == "condition":
                    raise InvalidValueError("conditions are Python code and not supported here", (name, argument))
                if not argument.isidentifier() or argument == "self":
                    raise InvalidValueError(f"{argument!r} is not the name of an argument", (name, argument))
        return self


MarkerKeys = Annotated[Markers, BeforeValidator(_named_markers, json_schema_input_type=str | tuple[str, ...] | Markers)]


class StepParameters(YamlModel):
    """Overrides by step and action: `1.0` is step 1, action 0."""

    free_keys = ("actions", "^[0-9]")

    actions: Annotated[Mapping[str, Overrides], AfterValidator(_actions)] = Field(
        default_factory=dict,
        validation_alias="<actions>",
        description='step and action, with the parameters to override, for example `{dial_destination: "43123101"}`',
    )


class LaunchKeys(YamlModel):
    """A run, launched while a test takes its call."""

    free_keys = ("overrides", r"^step\.")

    test: str | None = Field(default=None, description="name of the Sipfront test")
    project: Annotated[Annotated[int, Field(strict=True)] | str, Resolved] | None = Field(
        default=None, description="name or numeric id of a project, instead of `test`"
    )
    test_ids: tuple[Positive, ...] | None = Field(
        default=None, description="ids of the tests of the project to run (default: all)"
    )
    steps: StepParameters | None = Field(default=None, description="overrides as a nested mapping")
    overrides: Annotated[Overrides, AfterValidator(_override_keys)] = Field(
        default_factory=dict,
        validation_alias="<overrides>",
        description="override `step.<step>.<action>.<name>`, for example `step.1.0.dial_destination`",
    )
    params: Mapping[str, Json] = Field(
        default_factory=dict, description="any other parameters of the API, sent unchanged"
    )
    report_mode: _choice("full", "kiosk", "print") | None = Field(  # type: ignore[valid-type]
        default=None, description="`full`, `kiosk` (a public link) or `print`"
    )
    timeout: Seconds | None = Field(
        default=None, description="maximum time from launch to verdict in seconds; 0 disables it"
    )
    exclusive: Texts | None = Field(default=None, description="names; runs that share a name never overlap")

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the marker `sipfront`."""
        names = RunKeys.model_fields.keys() & type(self).model_fields.keys() - _NO_ARGUMENTS
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        nested = {
            f"step.{step}.{name}": value
            for step, parameters in (self.steps.actions if self.steps else {}).items()
            for name, value in parameters.items()
        }
        params = {**self.params, **nested, **self.overrides}
        return {**given, "params": params} if params else given


class RunKeys(LaunchKeys):
    """Keys of a test that launches a run."""

    expect: _choice("passed", "failed") | None = Field(  # type: ignore[valid-type]
        default=None, description="expected verdict (default: passed)"
    )
    match: Annotated[str, AfterValidator(_pattern)] | None = Field(
        default=None, description="regular expression for the reason of a run with `expect: failed`"
    )
    look_ahead: Flag | None = Field(
        default=None, description="`false`: launch the run in the setup of this test, never earlier (default: true)"
    )
    repeat: Positive | None = Field(default=None, description="number of runs of the test (default: 1)")
    pass_at_least: Positive | None = Field(
        default=None, description="how many of its runs must have the expected verdict (default: all)"
    )
    markers: MarkerKeys | None = Field(default=None, description="pytest markers")


class Defaults(RunKeys):
    """Keys for all tests of the file. A test that has the key itself replaces it."""

    connect_within: Seconds | None = Field(
        default=None, description="time for a call to be answered, in seconds (default: 20)"
    )


class EntryKeys(YamlModel):
    """Keys of every test: its name, and what makes several tests of one."""

    name: Annotated[Name, AfterValidator(_test_name)] = Field(description="name of the test, unique in the file")
    rows: str | tuple[Mapping[str, str], ...] | None = Field(
        default=None,
        description="one test per row of a CSV or TSV file, or of a list of mappings; `{column}` in a text is its cell",
    )
    matrix: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="one test per combination of values; `{name}` in a text is the value"
    )


class RunTest(RunKeys, EntryKeys):
    """A test that launches a run and passes if its verdict is the expected one."""


class CallTest(EntryKeys):
    """A test that places a call with Sift, speaks and listens."""

    phone_number: str | None = Field(default=None, description="number to call, such as `+15550100200`")
    client_name: str | None = Field(default=None, description="name of a VoIP client to call, instead of a number")
    incoming: str | None = Field(
        default=None, description="number of the account: take the next call to it, instead of calling"
    )
    register_number: Flag = Field(
        default=False, description="create an application at Sift that sends the calls for `incoming` to this session"
    )
    run: LaunchKeys | None = Field(
        default=None, description="run to launch, which must place the `incoming` call and pass"
    )
    connect_within: Seconds | None = Field(
        default=None, description="time for the call to be answered or to come in, in seconds (default: 20)"
    )
    expect: Literal["connected", "failed"] = Field(
        default="connected", description="`failed`: the call must not be answered; it has no steps"
    )
    steps: CallSteps = Field(default=(), description="steps of the call, in order")
    markers: MarkerKeys | None = Field(default=None, description="pytest markers")

    @model_validator(mode="after")
    def _check(self) -> CallTest:
        if self.incoming is not None and (self.phone_number, self.client_name) != (None, None):
            raise InvalidValueError("cannot be combined with phone_number and client_name", ("incoming",))
        for name in ("register_number", "run"):
            if getattr(self, name) and self.incoming is None:
                raise InvalidValueError("requires incoming", (name,))
        if self.incoming is not None and self.expect == "failed":
            raise InvalidValueError("expect: failed cannot be combined with incoming", ("expect",))
        if self.expect == "failed" and self.steps:
            raise InvalidValueError("expect: failed allows no steps, since the call must not be answered", ("steps",))
        return self


class SuiteDocument(YamlModel):
    """A suite file."""

    include: Texts = Field(
        default=(), description="files whose defaults, tests and calls precede those of this file, relative to it"
    )
    defaults: Defaults | None = Field(default=None, description="keys for all tests of the file")
    max_tests: Annotated[int, Field(ge=1, le=MOST_TESTS, strict=True), Resolved] = Field(
        default=MAX_TESTS, description="highest number of tests of the file, included ones too"
    )
    tests: tuple[RunTest, ...] = Field(default=(), description="tests that launch runs")
    calls: tuple[CallTest, ...] = Field(default=(), description="tests that place calls with Sift")
