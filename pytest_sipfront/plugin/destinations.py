"""Parameters of tests from a table of destinations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.tables import TableError, read_table


def read_destinations(
    path: str | os.PathLike[str], *, id_column: str = "name", number_column: str = "number"
) -> list[Any]:
    """Read destinations from a CSV or TSV file, as parameters of a test.

    The file has a row of column names. Its encoding is UTF-8, with or without a byte order mark, and its delimiter is a
    comma, a semicolon or a tab. With `@pytest.mark.parametrize("row", read_destinations(path))`, a marker refers to a
    cell as `{row[number]}`.

    Args:
        path: The file. A relative path is relative to the current directory; `Path(__file__).with_name("x.csv")` is
            beside the test.
        id_column: The column with the ids of the parameters.
        number_column: The column with the numbers or SIP addresses to dial.

    Returns:
        One `pytest.param` per row. Its value maps the column names to the cells.

    Raises:
        ConfigurationError: The file is no table, an id is empty or duplicate, or a number cannot be dialled. The
            message names file and line of each problem.
    """
    __tracebackhide__ = True
    try:
        table = read_table(Path(path))
        for column in (id_column, number_column):
            table.require(column)
        table.check([*table.duplicates(id_column), *table.undialable(number_column)])
    except TableError as error:
        raise ConfigurationError(str(error)) from None
    return [pytest.param(row, id=row[id_column]) for row in table.rows]
