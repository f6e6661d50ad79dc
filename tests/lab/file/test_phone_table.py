"""Phones in the rows of a CSV or TSV file, which the lab file names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sipfront.lab.calls import engine
from pytest_sipfront.lab.file.lab_file import LabFile
from pytest_sipfront.lab.file.loading import load, load_path
from pytest_sipfront.yaml_models import YamlFileError
from tests.lab.calls.placing import find_all, needs_stack

LAB = """
phone_table: phones.csv
prompts: {beep: {tone: 440}}
phones: {engaged: {number: "486", reject: 486}}
tests:
  call:
    steps:
      - [{action: wait, phone: Vienna}]
      - [{action: call, dial_destination: "43101"}, {action: hold, seconds: 0.5}]
    conditions: {not_silent: from_callee}
"""
TABLE = """\
name,number,play,repeat,answer_after,line.loss
Vienna,43101,beep,yes,0.1,
Graz,0043102,beep,true,,3
,43103,,,,
"""


def loaded(directory: Path, table: str, lab: str = LAB, name: str = "phones.csv") -> LabFile:
    (directory / name).write_text(table, encoding="utf-8")
    return load(lab, engine(), directory=directory)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_each_row_is_a_phone(tmp_path: Path, delimiter: str) -> None:
    """Cells are read like values of YAML, empty ones are defaults, and the number is the default name."""
    phones = loaded(tmp_path, "\ufeff" + TABLE.replace(",", delimiter)).phones
    assert list(phones) == ["engaged", "Vienna", "Graz", "43103"]
    assert (phones["Vienna"].number, phones["Vienna"].play, phones["Vienna"].answer_after) == ("43101", "beep", 0.1)
    assert (phones["Graz"].number, phones["Graz"].repeat) == ("0043102", True)
    assert phones["Graz"].line is not None
    assert phones["Graz"].line.loss == 3
    assert (phones["43103"].number, phones["43103"].play) == ("43103", None)


def test_forty_destinations_are_forty_phones_in_one_file(tmp_path: Path) -> None:
    """The section `phones` may be missing, and a table may consist of numbers only."""
    lab = "phone_table: phones.csv\ntests: {A: {}}"
    numbers = [f"43{number}" for number in range(100, 140)]
    assert [phone.number for phone in loaded(tmp_path, "\n".join(["number", *numbers]), lab).phones.values()] == numbers


@needs_stack
def test_a_phone_of_a_table_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be named in steps, too."""
    (tmp_path / "phones.csv").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    (result,) = find_all(LAB, [("call", {})])
    assert (result.state, result.description) == ("passed", "")


def test_a_mistake_has_file_and_line_of_the_table(tmp_path: Path) -> None:
    """All mistakes of both files are reported together."""
    table = "name,number,play,answer_aftr,answer_after\nVienna,486,bep,,soon\nGraz,43102,,1,\nGraz,43104,,,\n,,beep,,\n"
    with pytest.raises(YamlFileError) as caught:
        loaded(tmp_path, table, LAB.replace("hold, seconds: 0.5", "hold"))
    assert str(caught.value).splitlines() == [
        "lab.yaml:9: tests.call.steps[1][1]: missing required key 'seconds'",
        "phones.csv:2: phones.Vienna.answer_after must be a number >= 0, got 'soon'",
        "phones.csv:2: phones.Vienna.play: unknown prompt 'bep'; did you mean 'beep'?",
        "phones.csv:2: phones.Vienna.number: duplicate number 486",
        "phones.csv:3: phones.Graz.answer_aftr: unknown key 'answer_aftr'; did you mean 'answer_after'?",
        "phones.csv:4: duplicate key 'Graz' in 'phones'",
        "phones.csv:5: the row has neither name nor number",
    ]


@pytest.mark.parametrize(
    ("reference", "mistake"),
    [
        ("missing.csv", "lab.yaml:2: phone_table: missing.csv: No such file or directory"),
        ("empty.csv", "lab.yaml:2: phone_table: empty.csv: must have a row of column names *"),
        ("../phones.csv", "lab.yaml:2: phone_table: is outside of * that needs 'allow_outside: true'"),
        ("{allow_outside: true}", "lab.yaml:2: phone_table: missing required key 'file'"),
        ("[phones.csv]", "lab.yaml:2: phone_table must be text or a mapping, got ['phones.csv']"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_mistake(tmp_path: Path, reference: str, mistake: str) -> None:
    """The path is relative to the lab file and stays in its directory."""
    directory = tmp_path / "suite"
    directory.mkdir()
    (directory / "empty.csv").write_text("")
    (tmp_path / "phones.csv").write_text(TABLE)
    with pytest.raises(YamlFileError) as caught:
        load(LAB.replace("phone_table: phones.csv", f"phone_table: {reference}"), engine(), directory=directory)
    head, _, tail = mistake.partition("*")
    first = str(caught.value).splitlines()[0]
    assert first.startswith(head)
    assert first.endswith(tail)


def test_a_table_elsewhere_can_be_allowed(tmp_path: Path) -> None:
    """Several suites may share a table. Messages name it relative to the lab file's own name."""
    lab = tmp_path / "suite" / "lab.yaml"
    lab.parent.mkdir()
    lab.write_text(LAB.replace("phones.csv", "{file: ../phones.tsv, allow_outside: true}"))
    (tmp_path / "phones.tsv").write_text(TABLE.replace(",", "\t"))
    assert "Vienna" in load_path(lab, engine()).phones
    (tmp_path / "phones.tsv").write_text("name\tnumber\tplay\nVienna\t1\tbep\n")
    with pytest.raises(YamlFileError, match=r"/suite/\.\./phones\.tsv:2: phones\.Vienna\.play: unknown prompt"):
        load_path(lab, engine())
