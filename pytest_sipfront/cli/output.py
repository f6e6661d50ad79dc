"""The output of the program: tables and errors for people, JSON for scripts."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from pytest_sipfront.clients.service_text import one_line
from pytest_sipfront.errors import DetailedError
from pytest_sipfront.masking import mask_data, mask_numbers

_GAP = 2
_NARROWEST = 12
_MASKED = "pytest_sipfront.masked"


def mask_output() -> None:
    """Mask phone numbers in everything that the present command prints from now on."""
    click.get_current_context().meta[_MASKED] = True


def _is_masked() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and _MASKED in context.meta


def echo(text: str, *, nl: bool = True, err: bool = False, **style: Any) -> None:
    """Print a text, with a style on a terminal, see `click.secho`."""
    click.secho(mask_numbers(text) if _is_masked() else text, nl=nl, err=err, **style)


def print_json(data: Any) -> None:
    """Print data as JSON."""
    plain = json.loads(json.dumps(data, default=str))
    click.echo(json.dumps(mask_data(plain) if _is_masked() else plain, indent=2))


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table. On a terminal, the last column is cut at its edge."""
    cells = [[one_line(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    if sys.stdout.isatty():
        left = shutil.get_terminal_size().columns - sum(width + _GAP for width in widths[:-1])
        widths[-1] = min(widths[-1], max(left, _NARROWEST))
    echo(_line(head, widths), bold=True)
    for row in cells:
        echo(_line(row, widths))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    fitted = [
        cell if len(cell) <= width else f"{cell[: width - 3]}..." for cell, width in zip(cells, widths, strict=True)
    ]
    return "  ".join(cell.ljust(width) for cell, width in zip(fitted, widths, strict=True)).rstrip()


def print_values(values: Mapping[str, object]) -> None:
    """Print names and values, one per line; empty values are left out."""
    given = {name: value for name, value in values.items() if value not in ("", None)}
    width = max(map(len, given), default=0)
    for name, value in given.items():
        echo(f"{name.ljust(width)}  {one_line(str(value))}")


def print_error(error: DetailedError | str) -> None:
    """Print an error with its evidence and its hint to standard error."""
    echo(f"error: {error}", err=True, fg="red")
    if isinstance(error, DetailedError):
        width = max(map(len, error.evidence), default=0)
        for name, value in error.evidence.items():
            echo(f"  {name.ljust(width)}  {one_line(str(value))}", err=True)
        if error.hint:
            echo(_with_own_options(error.hint), err=True)


def _with_own_options(text: str) -> str:
    """Return a hint with the options of this program instead of those of pytest."""
    return re.sub(r"--sipfront-(lab|resume|base-url)\b", r"--\1", text)


def error_data(error: DetailedError) -> dict[str, Any]:
    """Return an error as JSON can hold it."""
    evidence = {name: str(value) for name, value in error.evidence.items()}
    return {"type": type(error).__name__, "message": str(error), "evidence": evidence, "hint": error.hint}
