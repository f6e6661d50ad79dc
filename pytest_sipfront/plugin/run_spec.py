"""Arguments of `@pytest.mark.sipfront(...)` and `sipfront.run(...)`, and the run that they describe.

The plugin checks the names of its own arguments. Names of overrides are not checked, since only the platform knows
the parameters of a test and three of them are documented.
"""

from __future__ import annotations

import math
import re
import string
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_sipfront.clients.sipfront.models import Override, RunRequest
from pytest_sipfront.engine.verdict import Expectation, Verdict
from pytest_sipfront.plugin.option_types import REPORT_MODES
from pytest_sipfront.suggestions import did_you_mean, invalid_choice, nearest

ARGUMENTS = (
    "test",
    "project",
    "test_ids",
    "report_mode",
    "params",
    "timeout",
    "expect",
    "match",
    "exclusive",
    "look_ahead",
    "repeat",
    "pass_at_least",
)
_TARGETS = frozenset({"test", "project"})
_OVERRIDE = re.compile(r"step_(\d+)_(\d+)_([A-Za-z][A-Za-z0-9_]*)")
_BYTE_ORDER_MARK = "\ufeff"
_EXAMPLE_OVERRIDE = "step_1_0_dial_destination"
_OVERRIDE_KEY = re.compile(r"step\.\d+\.\d+\.\S+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_RESERVED_KEYS = {"test.name": "test=", "project.name": "project=", "id": "project=", "test_ids": "test_ids="}


class MarkerError(ValueError):
    """An argument is unknown or invalid. The message says what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """A run as a marker or a call of `sipfront.run` describes it.

    Attributes:
        request: The launch request.
        expectation: The expected verdict.
        timeout: Seconds from launch to deadline, or None for the session's setting.
        exclusive: Names. Runs with a common name never overlap.
        look_ahead: Whether the run may start before the setup of its own test.
        repeat: How often to launch it.
        pass_at_least: How many of these runs must have the expected verdict.
    """

    request: RunRequest
    expectation: Expectation
    timeout: float | None = None
    exclusive: tuple[str, ...] = ()
    look_ahead: bool = True
    repeat: int = 1
    pass_at_least: int = 1


def merge(markers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge the arguments of several markers, farthest first. The nearest marker wins for each argument.

    A nearer `test=` or `project=` replaces both of the farther marker, together with its `test_ids=`.

    Raises:
        MarkerError: A marker is invalid by itself.
    """
    merged: dict[str, Any] = {}
    for arguments in markers:
        nearer = normalise(arguments)
        if _TARGETS & nearer.keys():
            merged = {name: v for name, v in merged.items() if name not in {"test", "project", "test_ids"}}
        merged |= nearer
    return merged


def normalise(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Check the names of arguments, and translate overrides and `params` to the API's dotted keys.

    Raises:
        MarkerError: An unknown or duplicate argument, an invalid override name, or both test= and project=.
    """
    normal: dict[str, Any] = {}
    for name, value in arguments.items():
        if name != "params":
            normal[name if name in ARGUMENTS else _api_key(name)] = value
    for key, value in _params(arguments.get("params")).items():
        if key in normal:
            raise MarkerError(f"duplicate argument {key!r}: it is also a key of params=")
        normal[key] = value
    if all(arguments.get(target) is not None for target in _TARGETS):
        raise MarkerError("test= and project= are mutually exclusive")
    return normal


def with_params(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return merged arguments as a marker takes them, with overrides and other API keys in `params`."""
    plain = {name: value for name, value in arguments.items() if name in ARGUMENTS}
    return {**plain, "params": {key: value for key, value in arguments.items() if key not in ARGUMENTS}}


def _api_key(name: str) -> str:
    """Return the API key of an override. Underscores after `step_<n>_<n>_` belong to the parameter's name."""
    if match := _OVERRIDE.fullmatch(name):
        return f"step.{match[1]}.{match[2]}.{match[3]}"
    if name.startswith("step"):
        raise MarkerError(
            f"invalid override name {name!r}: must be step_<step>_<action>_<name>, for example {_EXAMPLE_OVERRIDE} for "
            "step.1.0.dial_destination"
        )
    raise MarkerError(
        f"unknown argument {name!r}{did_you_mean(name, (*ARGUMENTS, _EXAMPLE_OVERRIDE))} "
        f"(valid arguments: {', '.join(ARGUMENTS)}, step_<step>_<action>_<name> for overrides, and "
        "params={...} for other API keys)"
    )


def _params(params: Any) -> Mapping[str, Any]:
    if params is None:
        return {}
    if not isinstance(params, Mapping) or not all(isinstance(key, str) and key for key in params):
        raise MarkerError(f"params= must be a mapping from API keys to values, got {params!r}")
    for key in params:
        if key in _RESERVED_KEYS:
            raise MarkerError(f"params= must not contain {key!r}; use {_RESERVED_KEYS[key]}")
        if not _OVERRIDE_KEY.fullmatch(key) and _resembles_override(key):
            raise MarkerError(
                f"invalid key {key!r} in params=: override keys must be step.<step>.<action>.<name>, for example "
                "step.1.0.dial_destination"
            )
    return params


def _resembles_override(key: str) -> bool:
    """Return whether a key was probably meant as `step.<n>.<n>.<name>`."""
    first, *_ = re.split(r"[\W_]", key.strip())
    return bool(nearest(first, ["step"], cutoff=0.7) or re.search(r"\b\d+[\W_]\d+[\W_]|dial.?destination", key))


def fill(arguments: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Fill `{name}` templates from the parametrization of a test. `match` is a regular expression and not filled.

    Raises:
        MarkerError: A template is invalid or names an unknown parameter.
    """
    return {name: v if name == "match" else _filled(name, v, parameters) for name, v in arguments.items()}


def _filled(argument: str, value: Any, parameters: Mapping[str, Any]) -> Any:
    if argument == "exclusive" and isinstance(value, list | tuple):
        return [_filled(argument, name, parameters) for name in value]
    if not isinstance(value, str) or ("{" not in value and "}" not in value):
        return value
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(value) if name is not None]
        contents = [string.Formatter().get_field(name, (), parameters)[0] for name in fields]
        is_one_field = len(fields) == 1 and value == f"{{{fields[0]}}}"
        filled = contents[0] if is_one_field else value.format_map(parameters)
    except (KeyError, IndexError, AttributeError, ValueError, TypeError) as error:
        raise MarkerError(_template_error(argument, value, parameters, error)) from None
    if is_one_field and filled is None and argument in ARGUMENTS:
        return None
    if contents and (all(map(_is_blank, contents)) or any(map(_is_missing, contents))):
        values = ", ".join(f"{name}={content!r}" for name, content in parameters.items())
        raise MarkerError(f"{argument}={value!r} is empty ({textwrap.shorten(values, 200, placeholder=' ...')})")
    return filled


def _is_blank(content: Any) -> bool:
    return isinstance(content, str) and not content.strip()


def _is_missing(content: Any) -> bool:
    """Return whether a value stands for a missing cell of a table: None, or the NaN of pandas."""
    return content is None or (isinstance(content, float) and math.isnan(content))


def _template_error(argument: str, template: str, parameters: Mapping[str, Any], error: Exception) -> str:
    missing = error.args[0] if isinstance(error, KeyError) and error.args else ""
    table = next((v for v in parameters.values() if isinstance(v, Mapping) and f"[{missing}]" in template), None)
    if table is not None and missing not in table:
        return f"{argument}={template!r}: {_missing_column(str(missing), [str(column) for column in table])}"
    problem = f"unknown parameter {missing!r}{did_you_mean(missing, parameters)}" if missing else f"invalid ({error})"
    known = f"parameters of the test: {', '.join(parameters)}" if parameters else "the test has no parameters"
    return f"{argument}={template!r}: {problem} ({known}; write {{{{ and }}}} for literal braces)"


def _missing_column(name: str, columns: Sequence[str]) -> str:
    """Return an error message about a column of a CSV file that was probably read with wrong arguments."""
    for column in columns:
        if column.startswith(_BYTE_ORDER_MARK) and column.strip(f'{_BYTE_ORDER_MARK}"') == name:
            return f"the column is {column!r}, since its file has a byte order mark; read it with encoding='utf-8-sig'"
        if name in column.split(";"):
            return f"the column is {column!r}; read its file with delimiter=';'"
    return f"unknown column {name!r}{did_you_mean(name, columns)} (columns: {', '.join(columns)})"


def make_run_spec(
    arguments: Mapping[str, Any],
    *,
    report_mode: str | None = None,
    repeat: int = 1,
    pass_at_least: int | None = None,
) -> RunSpec:
    """Return the run that merged and filled arguments describe.

    Args:
        arguments: The arguments, with overrides under their API keys.
        report_mode: The session's report mode, which applies if the arguments have none.
        repeat: The session's number of runs, which applies if the arguments have none.
        pass_at_least: The number of them that must have the expected verdict; None for all.

    Raises:
        MarkerError: A required argument is missing, or a value is invalid.
    """
    keys = {name: value for name, value in arguments.items() if value is not None}
    plain = {name: keys.pop(name) for name in ARGUMENTS if name in keys}
    test, project = plain.get("test"), plain.get("project")
    if test is None and project is None:
        raise MarkerError("test= or project= is required")
    mode = _report_mode(plain.get("report_mode", report_mode), is_project=project is not None)
    if "report.mode" in keys:
        mode = None
    if project is not None:
        _reject_overrides(keys, project)
    request = RunRequest(
        test=None if test is None else _name("test", test),
        project=project if _is_id(project) else None if project is None else _name("project", project),
        test_ids=_test_ids(plain.get("test_ids"), is_project=project is not None),
        overrides={key: _override(key, value) for key, value in keys.items() if value != ""},
        report_mode=mode,
    )
    _check_text(request)
    if "repeat" in plain:
        repeat, pass_at_least = _count("repeat", plain["repeat"]), None
    pass_at_least = _count("pass_at_least", plain.get("pass_at_least", pass_at_least or repeat))
    if pass_at_least > repeat:
        raise MarkerError(f"pass_at_least= must be at most repeat={repeat}, got {pass_at_least}")
    return RunSpec(
        request=request,
        expectation=_expectation(plain),
        timeout=_timeout(plain.get("timeout")),
        exclusive=_exclusive(plain.get("exclusive")),
        look_ahead=_look_ahead(plain.get("look_ahead", True)),
        repeat=repeat,
        pass_at_least=pass_at_least,
    )


def _check_text(request: RunRequest) -> None:
    for key, value in request.payload().items():
        for text in (key, value):
            if isinstance(text, str) and _SURROGATE.search(text):
                raise MarkerError(f"{key!r} must not contain surrogates, which cannot be encoded, got {value!r}")


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _name(argument: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        allowed = "a name" if argument == "test" else "a name or a numeric id"
        raise MarkerError(f"{argument}= must be {allowed}, got {value!r}")
    return value


def _report_mode(value: Any, *, is_project: bool) -> str | None:
    allowed = REPORT_MODES[:2] if is_project else REPORT_MODES
    if value is None or value in allowed:
        return value if value is None else str(value)
    of_project = " of a project" if is_project else ""
    raise MarkerError(f"report_mode={of_project} {invalid_choice(str(value), allowed)}")


def _reject_overrides(keys: Mapping[str, Any], project: Any) -> None:
    for key in keys:
        if key.startswith("step."):
            raise MarkerError(f"{key!r} requires test=: a project run takes no overrides (project={project!r})")


def _test_ids(value: Any, *, is_project: bool) -> tuple[int, ...]:
    if value is None:
        return ()
    if not is_project:
        raise MarkerError("test_ids= requires project=")
    if isinstance(value, str) or not isinstance(value, Sequence) or not value or not all(map(_is_id, value)):
        raise MarkerError(f"test_ids= must be a non-empty list of integers, got {value!r}")
    return tuple(value)


def _override(key: str, value: Any) -> Override:
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        raise MarkerError(f"{key} must be a string, number or bool, got {value!r}")
    # As an int, a number to dial would lose a leading 0 or +.
    return str(value).strip() if key.endswith(".dial_destination") else value


def _expectation(plain: Mapping[str, Any]) -> Expectation:
    expect, match = plain.get("expect", Verdict.PASSED.value), plain.get("match")
    verdicts = [verdict.value for verdict in Verdict]
    if expect not in verdicts:
        raise MarkerError(f"expect= {invalid_choice(str(expect), verdicts)}")
    if match is not None and expect != Verdict.FAILED.value:
        raise MarkerError("match= requires expect='failed', since a passed run has no description")
    try:
        re.compile(match or "")
    except (re.error, TypeError) as error:
        raise MarkerError(f"match= must be a regular expression, got {match!r} ({error})") from None
    return Expectation(verdict=Verdict(expect), match=match or "")


def _timeout(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise MarkerError(f"timeout= must be a number of seconds >= 0 (0: no limit), got {value!r}")
    return float(value)


def _count(argument: str, value: Any) -> int:
    if not _is_id(value) or value < 1:
        raise MarkerError(f"{argument}= must be an integer >= 1, got {value!r}")
    return int(value)


def _exclusive(value: Any) -> tuple[str, ...]:
    names = [] if value is None else [value] if isinstance(value, str | int) else value
    if isinstance(names, list | tuple) and all(isinstance(n, str | int) and str(n).strip() for n in names):
        return tuple(str(name) for name in names)
    raise MarkerError(f"exclusive= must be a name or a list of names, got {value!r}")


def _look_ahead(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MarkerError(f"look_ahead= must be True or False, got {value!r}")
    return value
