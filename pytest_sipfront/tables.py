"""Tables in CSV and TSV files as spreadsheets write them, and the numbers to dial in them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_sipfront.suggestions import did_you_mean

DELIMITERS = ",;\t"
MAX_LINES = 200_000
MAX_COLUMNS = 1000
_NUMBER = re.compile(r"\+?[0-9*#]+")
_ADDRESS = re.compile(r"(?:sips?:|tel:)\S+|[^\s@]+@[^\s@]+|[A-Za-z][A-Za-z0-9_.!~*'()&=+$-]*")
_PLACEHOLDERS = frozenset({"nan", "none", "null", "tbd", "todo", "unknown", "na"})
_ROUNDED = re.compile(r"[\d.,]+E\+?\d+|\d+[.,]0*", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s()/.-]")


class TableError(ValueError):
    """A file is not a table, or cells of it are invalid. Each line of the message has a place and a problem."""


class TableRow(dict[str, str]):
    """The cells of a row by column, without surrounding blanks. The cells that a short row lacks are "".

    Attributes:
        line: The number of the row's last line in the file, counted from 1.
    """

    def __init__(self, cells: Iterable[tuple[str, str]], line: int) -> None:
        super().__init__(cells)
        self.line = line


@dataclass(frozen=True, slots=True)
class Table:
    """A file with a row of column names, and at least one further row.

    Attributes:
        path: The file.
        columns: The names of the columns.
        rows: The rows that are not blank.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]

    def require(self, column: str) -> None:
        """Check that a column exists.

        Raises:
            TableError: It does not.
        """
        if column not in self.columns:
            known = ", ".join(self.columns)
            raise TableError(
                f"{self.path}: unknown column {column!r}{did_you_mean(column, self.columns)} (columns: {known})"
            )

    def duplicates(self, column: str) -> Iterator[tuple[int, str]]:
        """Yield line and problem of each cell of a column that is empty or occurs in an earlier row."""
        first: dict[str, int] = {}
        for row in self.rows:
            value = row[column]
            if not value:
                yield row.line, f"{column} is empty"
            elif value in first:
                yield row.line, f"duplicate {column} {value!r}, first used in line {first[value]}"
            first.setdefault(value, row.line)

    def undialable(self, column: str) -> Iterator[tuple[int, str]]:
        """Yield line and problem of each cell of a column that cannot be dialled."""
        for row in self.rows:
            if problem := undialable(row[column]):
                yield row.line, f"{column} {problem}"

    def check(self, problems: Iterable[tuple[int, str]]) -> None:
        """Check that there are no problems.

        Args:
            problems: Each with its line.

        Raises:
            TableError: There are some. The message names file and line of each of them.
        """
        if lines := [f"{self.path}:{line}: {problem}" for line, problem in sorted(problems)]:
            raise TableError("\n".join(lines))


def read_table(path: Path, name: str = "") -> Table:
    """Return the table of a CSV or TSV file.

    The encoding is UTF-8, with or without a byte order mark. The column names are separated by a comma, a semicolon or
    a tab, and so are the cells.

    Args:
        path: The file.
        name: The name of the file in messages (default: its path).

    Raises:
        TableError: The file cannot be read, has no rows or too many, or a row has more cells than there are columns.
    """
    shown = Path(name) if name else path
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    except OSError as error:
        raise TableError(f"{name or path.absolute()}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TableError(f"{shown}: the encoding must be UTF-8; save the file as 'CSV UTF-8'") from None
    if len(lines) > MAX_LINES:
        raise TableError(f"{shown}: has more than {MAX_LINES} lines")
    reader = csv.reader(lines, delimiter=_delimiter(lines), skipinitialspace=True)
    try:
        records = [
            ([cell.strip() for cell in cells], reader.line_num) for cells in reader if any(map(str.strip, cells))
        ]
    except csv.Error as error:
        raise TableError(f"{shown}:{reader.line_num}: {error}") from None
    if len(records) < 2:  # noqa: PLR2004 - column names and one row
        raise TableError(f"{shown}: must have a row of column names and at least one further row")
    columns = tuple(records[0][0])
    if len(columns) > MAX_COLUMNS:
        raise TableError(f"{shown}:{records[0][1]}: has more than {MAX_COLUMNS} columns")
    return Table(shown, columns, tuple(_rows(shown, columns, records)))


def _rows(path: Path, columns: tuple[str, ...], records: list[tuple[list[str], int]]) -> list[TableRow]:
    head = f"{path}:{records[0][1]}"
    problems = [f"{head}: column {number} has no name" for number, name in enumerate(columns, 1) if not name]
    problems += [f"{head}: duplicate column {name!r}" for name in dict.fromkeys(columns) if columns.count(name) > 1]
    for cells, line in records[1:]:
        if len(cells) > len(columns):
            problems.append(
                f"{path}:{line}: {len(cells)} cells for {len(columns)} columns; quote cells that contain the delimiter"
            )
    if problems:
        raise TableError("\n".join(problems))
    return [TableRow(zip(columns, cells + [""] * len(columns), strict=False), line) for cells, line in records[1:]]


def _delimiter(lines: Iterable[str]) -> str:
    """Return the delimiter that occurs most often in the first line that is not blank, outside of quotes."""
    head = next((line for line in lines if line.strip()), "")
    unquoted = re.sub(r'"[^"]*"', "", head)
    return max(DELIMITERS, key=unquoted.count)


def undialable(value: str) -> str:
    """Return why a value cannot be dialled, or "".

    Digits with an optional leading +, `*` and `#` can be dialled, and so can a SIP address, a `tel:` URI and the name
    of a SIP user.
    """
    if not value:
        return "is empty"
    if _NUMBER.fullmatch(value) and any(map(str.isdigit, value)):
        return ""
    if _ADDRESS.fullmatch(value) and value.casefold() not in _PLACEHOLDERS:
        return ""
    if _ROUNDED.fullmatch(value):
        return f"{value!r} was converted by a spreadsheet; format the column as text"
    if _NUMBER.fullmatch(plain := _SEPARATORS.sub("", value)):
        return f"{value!r} cannot be dialled; write {plain!r}"
    return f"{value!r} cannot be dialled; write digits with an optional leading +, or a SIP address"
