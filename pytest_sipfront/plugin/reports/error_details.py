"""Errors of this package in pytest's reports: a one-line message, the place in the test file, and a details section."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, NoReturn

import pytest

from pytest_sipfront.engine.run import Run
from pytest_sipfront.errors import DetailedError, SipfrontError, SipfrontWarning
from pytest_sipfront.plugin.reports.properties import KIND, PREFIX

SECTION = "sipfront"
FIELDS_LIMIT = 10_000
"""The longest list of fields in the details section, in characters."""
MESSAGE_LIMIT = 300
"""The longest message in the summary and in JUnit, in characters. The text of the report is complete."""


def shape(report: pytest.TestReport, error: BaseException, item: pytest.Item) -> None:
    """Add details to the report of a phase that ended in `error`. Reports of other errors stay unchanged."""
    if not isinstance(error, DetailedError):
        return
    longrepr: Any = report.longrepr
    details = section(error)
    if details and hasattr(longrepr, "addsection"):
        longrepr.addsection(SECTION, details)
    if getattr(longrepr, "reprcrash", None) is not None:
        # JUnit and the summary show it, so it omits the path of the class.
        longrepr.reprcrash.message = shortened(str(error))
    if isinstance(error, SipfrontError):
        _report_as_error(report, error, item)


def complete(report: pytest.TestReport, urls: Sequence[str], earlier: Sequence[str], files: str = "") -> None:
    """Add the report URLs that the text of a failed report lacks, its files, and the earlier attempts at its test.

    GitLab and GitHub show this text only, and any assertion can fail in a test with a run.
    """
    longrepr: Any = report.longrepr
    known = report.longreprtext
    lines = [f"report  {url}" for url in urls if url not in known]
    lines += [f"files   {files}"] if files else []
    lines += [f"attempt {number}: {text}" for number, text in enumerate(earlier, 1)]
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:
        crash.message = shortened(crash.message)
    if not lines:
        return
    if hasattr(longrepr, "addsection"):
        _add_section(longrepr, lines)
    elif isinstance(longrepr, str):
        report.longrepr = "\n".join([longrepr, *lines])


def _add_section(longrepr: Any, lines: Sequence[str]) -> None:
    """Add lines to the details section, or in a new section if there is none."""
    if longrepr.sections and longrepr.sections[-1][0] == SECTION:
        title, text, mark = longrepr.sections[-1]
        longrepr.sections[-1] = (title, "\n".join([text, *lines]), mark)
    else:
        longrepr.addsection(SECTION, "\n".join(lines))


def first_line(report: pytest.TestReport) -> str:
    """Return the first line of the message of a failed report."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(report.longrepr) if crash is None else str(crash.message)
    return message.split("\n", 1)[0]


def shortened(message: str) -> str:
    """Return a message of limited length."""
    return message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…"


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


def interrupted(
    nodeid: str,
    location: tuple[str, int | None, str],
    run: Run,
    properties: Iterable[tuple[str, object]],
    keywords: Iterable[str] = (),
) -> tuple[pytest.TestReport, pytest.TestReport]:
    """Return the reports of a test that was waiting for `run` when the session was interrupted.

    pytest leaves them out, but JUnit must show a run that may still be going on.

    Args:
        nodeid: The node id of the test.
        location: Its location, as pytest reports it.
        run: The run.
        properties: The properties of the test.
        keywords: The names of its markers and the like.
    """
    state = run.status.state if run.status is not None else "unknown"
    text = f"interrupted while waiting for {run.request.target} (last status: {state}) {run.report_url}".rstrip()
    error = pytest.TestReport(
        nodeid=nodeid,
        location=location,
        keywords=dict.fromkeys(keywords, 1),
        outcome="failed",
        longrepr=text,
        when="setup",
        user_properties=[*properties, (PREFIX + KIND, "no-verdict")],
    )
    end = copy.copy(error)
    end.when, end.outcome, end.longrepr = "teardown", "passed", None
    return error, end


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
    raise_at(function.__code__.co_filename, _def_line(function), function.__code__.co_name, error)


def raise_at(path: str, line: int, name: str, error: BaseException) -> NoReturn:
    """Raise `error` as if at a line of a function in the file `path`."""
    __tracebackhide__ = True
    frame = compile("raise error", path, "exec").replace(co_firstlineno=line, co_name=name)
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


def _def_line(function: FunctionType) -> int:
    first = function.__code__.co_firstlineno
    if not function.__code__.co_filename.endswith(".py"):  # a test of a suite file
        return first
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return first
    heads = (n for n, line in enumerate(lines) if line.lstrip().startswith(("def ", "async def ")))
    return first + next(heads, 0)
