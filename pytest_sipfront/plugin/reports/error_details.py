"""How an error of ours looks in a report: one line, the place in the test's file, and a section with the evidence."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from pytest_sipfront.errors import DetailedError

SECTION = "sipfront"


def section(error: DetailedError) -> str:
    """Return the text of the details: evidence by name, aligned, then what to do."""
    width = max((len(name) for name in error.evidence), default=0)
    lines = [f"{name:<{width}}  {_shown(value)}" for name, value in error.evidence.items()]
    return "\n".join([*lines, error.hint] if error.hint else lines)


def _shown(value: object) -> str:
    return ", ".join(_pairs(value)) if isinstance(value, Mapping) else str(value)


def _pairs(mapping: Mapping[Any, Any]) -> Iterator[str]:
    return (f"{name}={value!r}" for name, value in mapping.items())


def raise_in(test: Callable[..., object], error: BaseException) -> NoReturn:
    """Raise `error` as if at the `def` line of `test`.

    The frames that found it are ours and dropped, and pytest wants one that it can show: the test that is to blame,
    to which editors and CI annotations can jump.
    """
    __tracebackhide__ = True
    function = inspect.unwrap(test)
    function = getattr(function, "__func__", function)
    code = function.__code__
    shown = compile("raise error", code.co_filename, "exec").replace(
        co_firstlineno=_def_line(function), co_name=code.co_name
    )
    exec(shown, {"error": error.with_traceback(None)}, {})  # noqa: S102 - a constant
    raise error


def _def_line(function: Callable[..., object]) -> int:
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return function.__code__.co_firstlineno
    heads = (n for n, line in enumerate(lines) if line.lstrip().startswith(("def ", "async def ")))
    return first + next(heads, 0)
