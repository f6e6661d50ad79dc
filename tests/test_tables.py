from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sipfront.tables import TableError, read_table, undialable


def write(directory: Path, content: bytes | str) -> Path:
    path = directory / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "name,number\nVienna A,1\nGraz,2\n",
        '\ufeffname;number\r\n\r\n"Vienna A" ; 1\r\n;;\r\nGraz;2',
        "\n name \tnumber\nVienna A\t1\nGraz\t 2\n",
        'name, number\n"Vienna A", "1"\nGraz, 2\n',
    ],
    ids=["commas", "spreadsheet", "tabs", "blanks"],
)
def test_a_table_is_read_in_each_usual_form(tmp_path: Path, content: str) -> None:
    """A byte order mark, the delimiter, blanks and blank lines make no difference."""
    table = read_table(write(tmp_path, content))
    assert table.columns == ("name", "number")
    assert list(table.rows) == [{"name": "Vienna A", "number": "1"}, {"name": "Graz", "number": "2"}]


def test_rows_know_their_lines_and_short_rows_have_empty_cells(tmp_path: Path) -> None:
    """A quoted cell may contain line ends and the delimiter."""
    table = read_table(write(tmp_path, 'a;b;c\n1\n\n"x\ny";"2;3"\n'))
    assert [(row.line, dict(row)) for row in table.rows] == [
        (2, {"a": "1", "b": "", "c": ""}),
        (5, {"a": "x\ny", "b": "2;3", "c": ""}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv: must have a row of column names and at least one further row"),
        ("name,number\n", "t.csv: must have a row of column names and at least one further row"),
        ("name,,name\n1,2,3\n", "t.csv:1: column 2 has no name\n{path}:1: duplicate column 'name'"),
        ("name,number\nA,1\nB,2,3\n", "t.csv:3: 3 cells for 2 columns; quote cells that contain the delimiter"),
        (b"name\n\xe4\n", "t.csv: the encoding must be UTF-8; save the file as 'CSV UTF-8'"),
    ],
)
def test_a_file_that_is_no_table_is_an_error_with_its_place(tmp_path: Path, content: bytes | str, message: str) -> None:
    """Otherwise cells would move to other columns, and a test without parameters would be skipped."""
    path = write(tmp_path, content)
    with pytest.raises(TableError) as caught:
        read_table(path)
    assert str(caught.value) == f"{tmp_path}/{message.format(path=path)}"


def test_a_missing_file_is_an_error_with_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current directory is often not the expected one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TableError, match=f"{tmp_path}/t.csv: No such file or directory"):
        read_table(Path("t.csv"))


def test_a_missing_column_is_an_error_with_the_nearest_one(tmp_path: Path) -> None:
    """The message lists all columns."""
    with pytest.raises(TableError, match=r"unknown column 'number'; did you mean 'Numbers'\? \(columns: a, Numbers\)"):
        read_table(write(tmp_path, "a,Numbers\nx,1\n")).require("number")


@pytest.mark.parametrize("value", ["43123", "+43123", "*100#", "sip:a@b.c", "tel:+43", "alice@example.com", "echo-1"])
def test_numbers_addresses_and_user_names_can_be_dialled(value: str) -> None:
    """The platform dials digits and users."""
    assert undialable(value) == ""


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is empty"),
        ("+43 (1) 23-4", "'+43 (1) 23-4' cannot be dialled; write '+431234'"),
        ("4,31E+11", "'4,31E+11' was converted by a spreadsheet; format the column as text"),
        ("43123.0", "'43123.0' was converted by a spreadsheet; format the column as text"),
        ("#N/A", "'#N/A' cannot be dialled; write digits with an optional leading +, or a SIP address"),
        ("NaN", "'NaN' cannot be dialled; write digits with an optional leading +, or a SIP address"),
        ("+", "'+' cannot be dialled; write digits with an optional leading +, or a SIP address"),
        ("\u0661\u0662", "'\u0661\u0662' cannot be dialled; write digits with an optional leading +, or a SIP address"),
    ],
)
def test_other_values_cannot_be_dialled(value: str, problem: str) -> None:
    """Spreadsheets and people leave such values in a column of numbers."""
    assert undialable(value) == problem
