"""The tests of a suite file as functions with markers.

The code of a function claims to be in the suite file, at the line of the test, so that reports point there.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from pytest_sipfront.errors import CallFailed, ConfigurationError, RunFailed
from pytest_sipfront.plugin.item_markers import MARK, VARIANT, VARIANT_ID
from pytest_sipfront.plugin.run_spec import ARGUMENTS, MarkerError, fill, make_run_spec, merge, with_params
from pytest_sipfront.plugin.sift_marker import CONNECT_WITHIN, make_call_spec
from pytest_sipfront.suites.loading import Entry, load_path
from pytest_sipfront.suites.suite_file import CallTest, Defaults, ExpectedFailure, LaunchKeys, Markers, RunTest
from pytest_sipfront.suites.variants import Variant, placeholder_problem, texts
from pytest_sipfront.yaml_models import MAX_REPORTED, KeyPath

_KEY = re.compile(r"([\w.]+)=(?!\S* (?:or|and) )")
_NAMES = "|".join(ARGUMENTS)
MakeRunSpec: TypeAlias = Callable[[Mapping[str, Any]], object]
_NO_VARIANT = Variant("", (), ())

if TYPE_CHECKING:
    from pytest_sipfront.plugin.sipfront_fixture import Sipfront
    from pytest_sipfront.plugin.suite_calls import CallScenario
    from pytest_sipfront.sift.calls import Calls, Incoming


@dataclass(frozen=True, slots=True)
class SuiteTest:
    """A test of a suite file.

    Attributes:
        name: Its name.
        function: A function with its markers.
        variants: Its variants; None for a single test.
    """

    name: str
    function: FunctionType
    variants: Sequence[Variant] | None


def read_tests(path: Path, root: Path, **session: Any) -> list[SuiteTest]:
    """Return the tests of the suite file at `path`.

    Args:
        path: The file.
        root: The directory that contains all files that it may refer to.
        **session: The settings of the session that `make_run_spec` takes.

    Raises:
        YamlFileError: The file has mistakes. The text lists all of them.
    """
    suite, make = load_path(path, root), partial(make_run_spec, **session)
    tests = [_test(entry, suite.defaults, make) for entry in suite.entries]
    suite.raise_mistakes()
    return tests


def _test(entry: Entry, defaults: Sequence[Defaults], make: MakeRunSpec) -> SuiteTest:
    keys = entry.keys
    if isinstance(keys, RunTest):
        function, marks = _function(entry, _run), _run_marks(entry, keys, defaults, make)
    else:
        from pytest_sipfront.plugin.suite_calls import CallScenario  # noqa: PLC0415 - few suites place calls with Sift

        run = _merged(entry, [keys.run], ("run",)) if keys.run is not None else None
        scenario = CallScenario.of(entry, keys, _connect_within(keys, defaults), run)
        _check(entry, scenario.endpoint, _check_number if keys.incoming is not None else make_call_spec)
        for index, step in enumerate(scenario.steps):
            _check(entry, step.arguments(), lambda _: None, ("steps", index))
        if run is not None:
            _check(entry, run, make, ("run",))
        function, marks = _function(entry, _call(scenario)), []
    marks += _marks(entry, [*(each.markers for each in defaults), keys.markers])
    if entry.variants is not None:
        marks.append(pytest.mark.parametrize((), [()], ids=[VARIANT_ID]).mark)
    vars(function).update(pytestmark=marks, __test__=True)
    return SuiteTest(keys.name, function, entry.variants)


def _run_marks(entry: Entry, keys: RunTest, defaults: Sequence[Defaults], make: MakeRunSpec) -> list[pytest.Mark]:
    """Return the marker that launches the run of an entry; none after a report."""
    arguments = _merged(entry, [*defaults, keys])
    if arguments is None:
        return []
    _check(entry, arguments, make)
    return [getattr(pytest.mark, MARK)(**with_params(arguments)).mark]


def _merged(entry: Entry, given: Sequence[LaunchKeys], at: KeyPath = ()) -> dict[str, Any] | None:
    """Return the arguments of a run, the last `given` taking precedence; None after a report."""
    try:
        return merge(keys.arguments() for keys in given)
    except MarkerError as error:
        _report(entry, _NO_VARIANT, str(error), at)
        return None


# ---- functions


def _run() -> None:
    """Do nothing: the run is the test."""


def _call(scenario: CallScenario) -> Callable[..., None]:
    def call(sift_call: Calls, request: pytest.FixtureRequest) -> None:
        __tracebackhide__ = True
        variant = request.node.stash.get(VARIANT, None)
        scenario.place(sift_call, variant.cells() if variant else {})

    def take(sift_incoming: Incoming, request: pytest.FixtureRequest) -> None:
        __tracebackhide__ = True
        variant = request.node.stash.get(VARIANT, None)
        scenario.take(sift_incoming, None, variant.cells() if variant else {})

    def take_from_run(sift_incoming: Incoming, sipfront: Sipfront, request: pytest.FixtureRequest) -> None:
        __tracebackhide__ = True
        variant = request.node.stash.get(VARIANT, None)
        scenario.take(sift_incoming, sipfront, variant.cells() if variant else {})

    if "incoming" not in scenario.endpoint:
        return call
    return take if scenario.run is None else take_from_run


def _check_number(endpoint: Mapping[str, Any]) -> None:
    from pytest_sipfront.clients.sift.routine import check_phone_number  # noqa: PLC0415

    check_phone_number(endpoint["incoming"])


def _function(entry: Entry, template: Callable[..., None]) -> FunctionType:
    """Return a copy of `template` whose code claims to be at the entry's place."""
    assert isinstance(template, FunctionType)  # noqa: S101 - for the type checker
    code = template.__code__.replace(
        co_filename=str(entry.path), co_firstlineno=entry.line, co_name=entry.keys.name, co_qualname=entry.keys.name
    )
    return FunctionType(code, template.__globals__, entry.keys.name, None, template.__closure__)


def _connect_within(keys: CallTest, defaults: Sequence[Defaults]) -> float:
    given = [*(each.connect_within for each in defaults), keys.connect_within]
    return next((seconds for seconds in reversed(given) if seconds is not None), CONNECT_WITHIN)


# ---- mistakes


def _check(
    entry: Entry,
    arguments: Mapping[str, Any],
    make: MakeRunSpec,
    at: KeyPath = (),
) -> None:
    """Report the mistakes in the arguments of an entry, filled for each of its variants."""
    variants = entry.variants if entry.variants is not None else [_NO_VARIANT]
    names = variants[0].names if variants else ()
    templates = [(name, text) for name, value in arguments.items() if name != "match" for _, text in texts(value)]
    problems = [(name, problem) for name, text in templates if (problem := placeholder_problem(text, names))]
    for name, problem in problems:
        entry.report((*at, *_path(entry, name)), problem)
    if not problems:
        is_template = any("{" in text or "}" in text for _, text in templates)
        mistakes = _mistakes(arguments, make, variants if is_template else variants[:1])
        for variant, text in islice(mistakes, MAX_REPORTED):
            _report(entry, variant, text, at)


def _mistakes(
    arguments: Mapping[str, Any], make: MakeRunSpec, variants: Iterable[Variant]
) -> Iterator[tuple[Variant, str]]:
    for variant in variants:
        try:
            make(fill(arguments, variant.cells()))
        except (MarkerError, ConfigurationError) as error:
            yield variant, str(error)


def _report(entry: Entry, variant: Variant, text: str, at: KeyPath) -> None:
    """Report an error message about the arguments of a marker in the words of a suite file."""
    key: KeyPath = ()
    if match := _KEY.match(text):
        key, text = _path(entry, match[1]), text[match.end() :].strip()
    text = re.sub(rf"\b({_NAMES})=(?=[\w'])", r"\1: ", text)
    text = re.sub(rf"\b({_NAMES})=", r"\1", text)
    row = f"{entry.keys.rows}:{variant.line}: " if variant.line else ""
    entry.report((*at, *key), row + text)


def _path(entry: Entry, name: str) -> KeyPath:
    """Return the key path of an argument: an override may be nested in `steps`."""
    keys = entry.keys
    parts = name.split(".", 3)
    if len(parts) == 4 and isinstance(keys, RunTest) and name not in keys.overrides:  # noqa: PLR2004 - step.1.0.name
        return ("steps", f"{parts[1]}.{parts[2]}", parts[3])
    return (name,)


# ---- markers


def _marks(entry: Entry, given: Iterable[Markers | None]) -> list[pytest.Mark]:
    """Return the pytest markers of an entry; those of later `given` replace earlier ones of the same name."""
    marks: dict[str, pytest.Mark | None] = {}
    for markers in filter(None, given):
        if markers.skip is not None:
            marks["skip"] = pytest.mark.skip(reason=markers.skip).mark
        if markers.xfail is not None:
            marks["xfail"] = _xfail(markers.xfail)
        if markers.usefixtures:
            marks["usefixtures"] = pytest.mark.usefixtures(*markers.usefixtures).mark
        for name, value in markers.others.items():
            marks[name] = None if value is False else _mark(entry, name, value)
    return [mark for mark in marks.values() if mark is not None]


def _xfail(expected: ExpectedFailure) -> pytest.Mark:
    """Return a marker that accepts a failed run or call, and no missing verdict."""
    strict = {} if expected.strict is None else {"strict": expected.strict}
    return pytest.mark.xfail(reason=expected.reason, run=expected.run, raises=(RunFailed, CallFailed), **strict).mark


def _mark(entry: Entry, name: str, value: Any) -> pytest.Mark | None:
    """Return a marker of a user or of another plugin; None after a report that it is not registered."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            decorator = getattr(pytest.mark, name)
        for warning in caught:
            warnings.warn_explicit(warning.message, warning.category, str(entry.path), entry.line)
    except (pytest.fail.Exception, Warning) as error:
        entry.report(("markers", name), str(error))
        return None
    if isinstance(value, dict):
        return decorator.with_args(**value).mark  # type: ignore[no-any-return]
    arguments = [] if value is True or value is None else value if isinstance(value, list) else [value]
    return decorator.with_args(*arguments).mark  # type: ignore[no-any-return]
