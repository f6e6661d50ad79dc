"""Errors of this package in pytest's reports: a one-line message, the place in the test file, and a details section."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any, NoReturn

import pytest

from pytest_sipfront.engine.run import Run
from pytest_sipfront.errors import DetailedError, SipfrontError, SipfrontWarning

SECTION = "sipfront"
FIELDS_LIMIT = 10_000
"""The longest list of fields in the details section, in characters."""


def shape(report: pytest.TestReport, error: BaseException, item: pytest.Item) -> None:
    """Add details to the report of a phase that ended in `error`. Reports of other errors stay unchanged."""
    if not isinstance(error, DetailedError):
        return
    longrepr: Any = report.longrepr
    details = section(error)
    if details and hasattr(longrepr, "addsection"):
        longrepr.addsection(SECTION, details)
    if getattr(longrepr, "reprcrash", None) is not None:
        longrepr.reprcrash.message = str(error)  # JUnit and the summary show it, so it omits the path of the class
    if isinstance(error, SipfrontError):
        _report_as_error(report, error, item)


def _report_as_error(report: pytest.TestReport, error: SipfrontError, item: pytest.Item) -> None:
    """Turn a failed test into an ERROR, even if the exception was raised in the test body."""
    if getattr(report, "wasxfail", None) is not None:
        _warn_about_xfail(report, error, item)
    elif report.when == "call" and report.failed:
        report.when = "setup"  # all reporters and JUnit distinguish ERROR from FAILED by the phase


def _warn_about_xfail(report: pytest.TestReport, error: SipfrontError, item: pytest.Item) -> None:
    try:
        item.warn(
            SipfrontWarning(
                f"xfail hides a missing verdict ({error}). "
                "Use xfail(raises=pytest_sipfront.RunFailed) to expect failed runs only."
            )
        )
    except SipfrontWarning:
        # The session turns warnings into errors.
        report.outcome = "failed"
        del report.wasxfail
        report.when = "setup"


def interrupted(run: Run) -> str:
    """Return the text of the report of a test that was waiting for `run` when the session was interrupted."""
    state = run.status.state if run.status is not None else "unknown"
    return f"interrupted while waiting for {run.request.target} (last status: {state}) {run.report_url}".rstrip()


def section(error: DetailedError) -> str:
    """Return the text of the details section: aligned evidence, then the hint."""
    width = max((len(name) for name in error.evidence), default=0)
    lines = [f"{name:<{width}}  {_text(value)}" for name, value in error.evidence.items()]
    return "\n".join([*lines, error.hint] if error.hint else lines)


def _text(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    fields = ", ".join(_pairs(value))
    return fields if len(fields) <= FIELDS_LIMIT else fields[: FIELDS_LIMIT - 1] + "…"


def _pairs(mapping: Mapping[Any, Any]) -> Iterator[str]:
    return (f"{name}={value!r}" for name, value in mapping.items())


def raise_in(test: Callable[..., object], error: BaseException) -> NoReturn:
    """Raise `error` as if at the `def` line of `test`.

    Frames of the plugin do not help the reader. pytest requires one visible frame, and editors and CI annotations
    jump to it.
    """
    __tracebackhide__ = True
    function = _python_function(test)
    if function is None:
        raise error
    code = function.__code__
    frame = compile("raise error", code.co_filename, "exec").replace(
        co_firstlineno=_def_line(function), co_name=code.co_name
    )
    exec(frame, {"error": error.with_traceback(None)}, {})  # noqa: S102 - a constant
    raise error


def _python_function(test: Any) -> FunctionType | None:
    """Return the function behind decorators, methods and `functools.partial`."""
    while not isinstance(test, FunctionType) or hasattr(test, "__wrapped__"):
        inner = next((getattr(test, name) for name in ("__wrapped__", "__func__", "func") if hasattr(test, name)), None)
        if inner is None:
            return None
        test = inner
    return test


def _def_line(function: Callable[..., object]) -> int:
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return function.__code__.co_firstlineno
    heads = (n for n, line in enumerate(lines) if line.lstrip().startswith(("def ", "async def ")))
    return first + next(heads, 0)
