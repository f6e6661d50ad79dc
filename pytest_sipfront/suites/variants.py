"""The variants of a test in a suite file: one for each row of a table, times the combinations of a matrix."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from pytest_sipfront.suggestions import did_you_mean
from pytest_sipfront.tables import TableRow

_ID_COLUMNS = ("id", "name")
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[^\W\d][\w -]*")


@dataclass(frozen=True, slots=True)
class Variant:
    """The values of the placeholders of one test.

    Attributes:
        id: The id, different for each variant of a test.
        names: The names of the placeholders.
        values: Their values.
        line: The line of the row in its file; 0 if there is none.
    """

    id: str
    names: tuple[str, ...]
    values: tuple[str, ...]
    line: int = 0

    def cells(self) -> dict[str, str]:
        """Return the values by placeholder."""
        return dict(zip(self.names, self.values, strict=True))


def count(rows: Sequence[object] | None, matrix: Mapping[str, Sequence[str]]) -> int:
    """Return the number of variants of a test, 1 without rows and matrix."""
    return (1 if rows is None else len(rows)) * math.prod(map(len, matrix.values()))


def combine(rows: Sequence[Mapping[str, str]] | None, matrix: Mapping[str, Sequence[str]]) -> Iterator[Variant]:
    """Yield the variants of a test, row by row."""
    columns = tuple(dict.fromkeys(column for row in rows or () for column in row))
    column = next((name for name in _ID_COLUMNS if name in columns), None)
    names = (*columns, *matrix)
    for row in rows if rows is not None else [{}]:
        cells = tuple(row.get(name, "") for name in columns)
        parts = cells if column is None else (row.get(column, ""),)
        line = row.line if isinstance(row, TableRow) else 0
        for values in product(*matrix.values()):
            yield Variant(_printable("-".join((*parts, *values))), names, (*cells, *values), line)


def duplicates(variants: Iterable[Variant]) -> Iterator[tuple[Variant, Variant]]:
    """Yield each variant with an id that an earlier one has, after that one."""
    first: dict[str, Variant] = {}
    for variant in variants:
        earlier = first.setdefault(variant.id, variant)
        if earlier is not variant:
            yield earlier, variant


def placeholder_problem(text: str, names: Sequence[str]) -> str:
    """Return why a placeholder in `text` cannot be filled from values with `names`, or ""."""
    for match in _PLACEHOLDER.finditer(text):
        name = match[1]
        if match[0] in {"{{", "}}"} or (name in names and _NAME.fullmatch(name)):
            continue
        if name is None:
            return f"unbalanced brace in {text!r}; write {{{{ and }}}} for literal braces"
        if name in names:
            return f"the name of the placeholder {match[0]!r} must consist of letters, digits, spaces, '-' and '_'"
        known = f"known: {', '.join(names)}" if names else "the test has neither rows nor matrix"
        return f"unknown placeholder {match[0]!r}{did_you_mean(name, names)} ({known}; write {{{{ for a literal {{)"
    return ""


def texts(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield each text in a value of lists and mappings, with its key path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from texts(entry, (*path, key))
    elif isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            yield from texts(entry, (*path, index))


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
