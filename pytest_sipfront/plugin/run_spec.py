"""`@pytest.mark.sipfront(...)` and the arguments of `sipfront.run(...)`: words -> what to launch and what to expect.

Only words of the plugin are checked by name. Which overrides a test knows is the platform's to say; of the
`step.*` parameters three are published.
"""

from __future__ import annotations

import difflib
import math
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_sipfront.clients.sipfront.models import Override, RunRequest
from pytest_sipfront.engine.verdict import Expectation, Verdict
from pytest_sipfront.plugin.option_types import REPORT_MODES, one_of

WORDS = (
    "test",
    "project",
    "test_ids",
    "report_mode",
    "params",
    "timeout",
    "expect",
    "match",
    "exclusive",
    "ahead",
)
_TARGETS = frozenset({"test", "project"})
_OVERRIDE = re.compile(r"step_(\d+)_(\d+)_([A-Za-z][A-Za-z0-9_]*)")
_RESERVED = frozenset({"test.name", "project.name", "id", "test_ids"})


class MarkerError(ValueError):
    """The words make no sense; the text says which, and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What a marked test, or a call of `sipfront.run`, asks for.

    Attributes:
        request: What to launch.
        expectation: What its verdict should be.
        timeout: Seconds from launch to deadline; None for the session's setting.
        exclusive: Names; runs that share one never overlap.
        ahead: Whether the run may start before its own test's setup.
    """

    request: RunRequest
    expectation: Expectation
    timeout: float | None = None
    exclusive: tuple[str, ...] = ()
    ahead: bool = True


def merge(marks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Lay the words of several marks over one another, farthest first; the nearest wins, key by key.

    A test and a project are one choice: a nearer one replaces the farther, with the `test_ids` that went with it.

    Raises:
        MarkerError: A mark is wrong by itself.
    """
    merged: dict[str, Any] = {}
    for words in marks:
        normal = normalise(words)
        if _TARGETS & normal.keys():
            merged = {k: v for k, v in merged.items() if k not in {"test", "project", "test_ids"}}
        merged |= normal
    return merged


def normalise(words: Mapping[str, Any]) -> dict[str, Any]:
    """Check the words of one mark and translate override names to the API's dotted keys.

    Raises:
        MarkerError: An unknown word, a bad override name, a key given twice, both test and project.
    """
    normal: dict[str, Any] = {}
    for word, value in words.items():
        if word == "params":
            continue
        _put(normal, word if word in WORDS else _dotted(word), value)
    for key, value in _params(words.get("params")).items():
        _put(normal, key, value)
    if words.keys() >= _TARGETS and words["test"] is not None and words["project"] is not None:
        raise MarkerError("both test= and project= are given: a run is of one of them")
    return normal


def _put(normal: dict[str, Any], key: str, value: Any) -> None:
    if key in normal:
        raise MarkerError(f"{key!r} is given twice, once in params=")
    normal[key] = value


def _dotted(word: str) -> str:
    """Only the leading `step_<n>_<n>_` becomes dots: an underscore is part of many parameters' names."""
    if match := _OVERRIDE.fullmatch(word):
        return f"step.{match[1]}.{match[2]}.{match[3]}"
    if word.startswith("step"):
        raise MarkerError(
            f"{word!r} is not the name of an override: it is step_<step>_<action>_<name>, "
            "for example step_1_0_dial_destination for step.1.0.dial_destination"
        )
    near = difflib.get_close_matches(word, (*WORDS, "step_1_0_dial_destination"), n=1, cutoff=0.5)
    raise MarkerError(
        f"unknown word {word!r}"
        + (f"; did you mean {near[0]!r}?" if near else "")
        + f" Known are {', '.join(WORDS)}, overrides as step_<step>_<action>_<name>, and any API key in params={{...}}."
    )


def _params(params: Any) -> Mapping[str, Any]:
    if params is None:
        return {}
    if not isinstance(params, Mapping) or not all(isinstance(key, str) and key for key in params):
        raise MarkerError(f"params={params!r} is not a mapping from API keys to values")
    for key in sorted(_RESERVED & params.keys()):
        raise MarkerError(f"params={{{key!r}: ...}}: say it with test=, project= or test_ids=")
    return params


def fill(words: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Fill `{name}` in texts from the test's parametrization; `{{` is a brace. `match` is a regex and stays as it is.

    Raises:
        MarkerError: A text names a parameter that the test does not have.
    """
    return {word: value if word == "match" else _filled(word, value, parameters) for word, value in words.items()}


def _filled(word: str, value: Any, parameters: Mapping[str, Any]) -> Any:
    if word == "exclusive" and isinstance(value, list | tuple):
        return [_filled(word, name, parameters) for name in value]
    if not isinstance(value, str) or ("{" not in value and "}" not in value):
        return value
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(value) if name is not None]
        if len(fields) == 1 and value == f"{{{fields[0]}}}":
            return string.Formatter().get_field(fields[0], (), parameters)[0]
        return value.format_map(parameters)
    except (KeyError, IndexError, AttributeError, ValueError, TypeError) as error:
        raise MarkerError(_cannot_fill(word, value, parameters, error)) from None


def _cannot_fill(word: str, value: str, parameters: Mapping[str, Any], error: Exception) -> str:
    known = ", ".join(parameters) or "none, since it is not parametrized"
    named = str(error.args[0]) if isinstance(error, KeyError) and error.args else ""
    near = difflib.get_close_matches(named, parameters, n=1, cutoff=0.5)
    why = f"there is no parameter {named!r}" if named else f"it cannot be filled ({error})"
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{word}={value!r}: {why}{hint} The test's parameters: {known}. A literal brace is doubled."


def order(words: Mapping[str, Any], *, report_mode: str | None = None) -> RunSpec:
    """Make the order from merged, filled words.

    Args:
        words: The words, with overrides under their dotted keys.
        report_mode: The session's report mode, for words that have none.

    Raises:
        MarkerError: A value is missing, of a wrong type or out of range.
    """
    given = {word: value for word, value in words.items() if value is not None}
    plain = {word: given.pop(word) for word in WORDS if word in given}
    test, project = plain.get("test"), plain.get("project")
    if test is None and project is None:
        raise MarkerError("neither test= nor project= is given: name what to run")
    mode = _report_mode(plain.get("report_mode", report_mode), is_project=project is not None)
    if "report.mode" in given:
        mode = None
    if project is not None:
        _no_overrides(given, project)
    request = RunRequest(
        test=None if test is None else _name("test", test),
        project=project if _is_id(project) else None if project is None else _name("project", project),
        test_ids=_test_ids(plain.get("test_ids"), is_project=project is not None),
        overrides={key: _override(key, value) for key, value in given.items() if value != ""},
        report_mode=mode,
    )
    return RunSpec(
        request=request,
        expectation=_expectation(plain),
        timeout=_timeout(plain.get("timeout")),
        exclusive=_exclusive(plain.get("exclusive")),
        ahead=_ahead(plain.get("ahead", True)),
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _name(word: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        wanted = "a name" if word == "test" else "a name or a numeric id"
        raise MarkerError(f"{word}={value!r} is not {wanted}")
    return value


def _report_mode(value: Any, *, is_project: bool) -> str | None:
    allowed = REPORT_MODES[:2] if is_project else REPORT_MODES
    if value is None or value in allowed:
        return value if value is None else str(value)
    of = " of a project" if is_project else ""
    raise MarkerError(f"report_mode={value!r}{of} is not {one_of(str(value), allowed)}")


def _no_overrides(given: Mapping[str, Any], project: Any) -> None:
    for key in given:
        if key.startswith("step."):
            raise MarkerError(
                f"{key!r} goes with a test, not with project={project!r}: a project run takes no overrides"
            )


def _test_ids(value: Any, *, is_project: bool) -> tuple[int, ...]:
    if value is None:
        return ()
    if not is_project:
        raise MarkerError("test_ids= goes with project=, as the tests of the project to run")
    if isinstance(value, str) or not isinstance(value, Sequence) or not value or not all(map(_is_id, value)):
        raise MarkerError(f"test_ids={value!r} is not a list of numeric ids")
    return tuple(value)


def _override(key: str, value: Any) -> Override:
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        raise MarkerError(f"{key}={value!r} is not a text, a number or a bool")
    # A number to dial is a text: as an int it would lose its leading 0 or +.
    return str(value) if key.endswith(".dial_destination") else value


def _expectation(plain: Mapping[str, Any]) -> Expectation:
    wanted, match = plain.get("expect", Verdict.PASSED.value), plain.get("match")
    allowed = [verdict.value for verdict in Verdict]
    if wanted not in allowed:
        raise MarkerError(f"expect={wanted!r} is not {one_of(str(wanted), allowed)}")
    if match is not None and wanted != Verdict.FAILED.value:
        raise MarkerError("match= goes with expect='failed': a run that passes has no description")
    try:
        re.compile(match or "")
    except (re.error, TypeError) as error:
        raise MarkerError(f"match={match!r} is not a regular expression: {error}") from None
    return Expectation(verdict=Verdict(wanted), match=match or "")


def _timeout(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise MarkerError(f"timeout={value!r} is not a number of seconds, 0 (no limit) or more")
    return float(value)


def _exclusive(value: Any) -> tuple[str, ...]:
    names = [] if value is None else [value] if isinstance(value, str | int) else value
    if isinstance(names, list | tuple) and all(isinstance(n, str | int) and str(n).strip() for n in names):
        return tuple(str(name) for name in names)
    raise MarkerError(f"exclusive={value!r} is not a name or a list of names")


def _ahead(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MarkerError(f"ahead={value!r} is not True or False")
    return value
