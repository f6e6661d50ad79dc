"""Suite files are read with includes, tables and variables, and all of their mistakes are reported together."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sipfront.plugin.run_spec import ARGUMENTS
from pytest_sipfront.plugin.suite_tests import read_tests
from pytest_sipfront.suites import loading
from pytest_sipfront.suites.suite_file import RunTest
from pytest_sipfront.yaml_models import YamlFileError

NAME = "suite.sipfront.yaml"
NO_ROWS = "(the test has neither rows nor matrix; write {{ for a literal {)"
NO_NUMBER = "is not a phone number in E.164 form: + and country code, digits only, such as '+15550100200'"
NO_NAME = "must start with a letter or digit, and contain neither '::' nor square brackets"
OF_ONE_TEST = [
    ("name: a\n  test: A\n  tset: B", "3: tests[0].tset: unknown key 'tset'; did you mean 'test'?"),
    ("test: A", "1: tests[0]: missing required key 'name'"),
    ("name: yes\n  test: A", "1: tests[0].name must be text, got yes; write it in quotes"),
    *(
        (
            f"name: '{name}'\n  test: A",
            f"1: tests[0].name: {NO_NAME}, got '{name}'",
        )
        for name in ("a::b", "a[b]", "__init__", "pytest_x", " a")
    ),
    ("name: a", "1: tests[0]: test or project is required"),
    ("name: a\n  test: ''", "2: tests[0].test must be a name, got ''"),
    ("name: a\n  test: A\n  project: B", "1: tests[0]: test and project are mutually exclusive"),
    ("name: a\n  test: A\n  test_ids: [1]", "3: tests[0].test_ids: requires project"),
    ("name: a\n  project: A\n  test_ids: [x]", "3: tests[0].test_ids[0] must be an integer >= 1, got 'x'"),
    ("name: a\n  test: A\n  timeout: -1", "3: tests[0].timeout must be a number >= 0, got -1"),
    ("name: a\n  test: A\n  timeout: soon", "3: tests[0].timeout must be a number >= 0, got 'soon'"),
    (
        "name: a\n  test: A\n  expect: faild",
        "3: tests[0].expect must be one of passed, failed, got 'faild'; did you mean 'failed'?",
    ),
    (
        "name: a\n  test: A\n  report_mode: pint",
        "3: tests[0].report_mode must be one of full, kiosk, print, got 'pint'; did you mean 'print'?",
    ),
    (
        "name: a\n  project: A\n  report_mode: print",
        "3: tests[0].report_mode: of a project must be one of full, kiosk, got 'print'",
    ),
    (
        "name: a\n  test: A\n  match: x",
        "3: tests[0].match: requires expect: 'failed', since a passed run has no description",
    ),
    (
        "name: a\n  test: A\n  expect: failed\n  match: '['",
        "4: tests[0].match must be a regular expression, got '[' (unterminated character set at position 0)",
    ),
    (
        "name: a\n  test: A\n  step.1.number: 1",
        (
            "3: tests[0].step.1.number: an override key must be step.<step>.<action>.<name>, for example "
            "step.1.0.dial_destination"
        ),
    ),
    (
        "name: a\n  test: A\n  step.1.0.number: [1]",
        "3: tests[0].step.1.0.number must be text, a number, true or false",
    ),
    ("name: a\n  test: A\n  steps: {1: {x: 1}}", "3: tests[0].steps.1: a key must be <step>.<action>, for example 1.0"),
    ("name: a\n  test: A\n  steps: {first: {}}", "3: tests[0].steps.first: unknown key 'first'; valid: none"),
    (
        "name: a\n  test: A\n  steps: {1.0: {x: [1]}}",
        "3: tests[0].steps.1.0.x must be text, a number, true or false",
    ),
    (
        "name: a\n  project: A\n  step.1.0.x: 1",
        "1: tests[0]: 'step.1.0.x' requires test: a project run takes no overrides (project: 'A')",
    ),
    (
        "name: a\n  test: A\n  params: {test.name: B}",
        "3: tests[0].params: must not contain 'test.name'; use test",
    ),
    ("name: a\n  test: A\n  exclusive: ''", "3: tests[0].exclusive must be a name or a list of names, got ['']"),
    ("name: a\n  test: A\n  look_ahead: no idea", "3: tests[0].look_ahead must be true or false, got 'no idea'"),
    ("name: a\n  test: A\n  repeat: 0", "3: tests[0].repeat must be an integer >= 1, got 0"),
    ("name: a\n  test: A\n  pass_at_least: 2", "3: tests[0].pass_at_least must be at most repeat: 1, got 2"),
    # variables
    ("name: a\n  test: ${NOT_SET}", "2: tests[0].test: the environment variable 'NOT_SET' is not set"),
    ("name: a\n  test: A ${EMPTY}", "2: tests[0].test: the environment variable 'EMPTY' is empty"),
    (
        "name: a\n  test: ${1}",
        "2: tests[0].test: '${1}' must contain the name of an environment variable; write $${ for a literal ${",
    ),
    *(
        (
            f"name: a\n  test: ${{{name}}}",
            f"2: tests[0].test: '${{{name}}}' has the name of a secret, and a suite must not contain any",
        )
        for name in ("SIPFRONT_SECRET_KEY", "SF_API_SECRET", "SIFT_AUTH_TOKEN", "db_password")
    ),
    # rows and matrix
    (
        "name: a\n  test: A {x}",
        "2: tests[0].test: unknown placeholder '{x}' " + NO_ROWS,
    ),
    (
        "name: a\n  test: A {numbr}\n  rows: [{number: 1}]",
        (
            "2: tests[0].test: unknown placeholder '{numbr}'; did you mean 'number'? (known: number; "
            "write {{ for a literal {)"
        ),
    ),
    (
        "name: a\n  test: A\n  step.1.0.x: '{n:>99}'\n  rows: [{n: 1}]",
        "3: tests[0].step.1.0.x: unknown placeholder '{n:>99}' (known: n; write {{ for a literal {)",
    ),
    (
        "name: a\n  test: A\n  steps: {1.0: {x: '{y}'}}\n  rows: [{n: 1}]",
        "3: tests[0].steps.1.0.x: unknown placeholder '{y}' (known: n; write {{ for a literal {)",
    ),
    (
        "name: a\n  test: A\n  step.1.0.x: '{a.b}'\n  rows: [{a.b: 1}]",
        (
            "3: tests[0].step.1.0.x: the name of the placeholder '{a.b}' must consist of "
            "letters, digits, spaces, '-' and '_'"
        ),
    ),
    (
        "name: a\n  test: A {",
        "2: tests[0].test: unbalanced brace in 'A {'; write {{ and }} for literal braces",
    ),
    ("name: a\n  test: A\n  rows: []", "3: tests[0].rows: must have at least one row"),
    ("name: a\n  test: A\n  rows: missing.csv", "3: tests[0].rows: no file 'missing.csv'"),
    ("name: a\n  test: A\n  rows: .", "3: tests[0].rows: no file '.'"),
    ('name: a\n  test: A\n  rows: "\\0"', "3: tests[0].rows: no file '\\x00'"),
    (
        "name: a\n  test: A\n  rows: ../outside.csv",
        "3: tests[0].rows: '../outside.csv' is outside of the root directory",
    ),
    ("name: a\n  test: A\n  rows: link.csv", "3: tests[0].rows: 'link.csv' is outside of the root directory"),
    (
        "name: a\n  test: A {number}\n  rows: blank.csv",
        "2: tests[0].test: blank.csv:3: 'A {number}' is empty (name='Graz', number='')",
    ),
    (
        "name: a\n  test: A\n  expect: '{name}'\n  rows: blank.csv",
        "3: tests[0].expect: blank.csv:2: must be one of passed, failed, got 'Wien'",
    ),
    (
        "name: a\n  test: A\n  rows: twice.csv",
        "1: tests[0]: duplicate id 'Wien' in lines 2 and 4 of twice.csv; add a column 'id' with unique values",
    ),
    (
        "name: a\n  test: A\n  rows: [{n: 1}, {n: 1}]",
        "1: tests[0]: duplicate id '1'; add a column 'id' with unique values",
    ),
    (
        "name: a\n  test: A\n  rows: no_rows.csv",
        "3: tests[0].rows: no_rows.csv: must have a row of column names and at least one further row",
    ),
    (
        "name: a\n  test: A\n  rows: [{name: '', n: 1}]",
        "1: tests[0]: a row has an empty id; fill its column 'id' or 'name'",
    ),
    ("name: a\n  test: A\n  matrix: {x: []}", "3: tests[0].matrix.x: must have at least one value"),
    (
        "name: a\n  test: A\n  matrix: {x: [1]}\n  rows: [{x: 1}]",
        "3: tests[0].matrix.x: duplicate name 'x': it is also a column of rows",
    ),
    (
        "name: a\n  test: A\n  matrix: {x: [1, 2, 3], y: [1, 2]}",
        "1: tests[0]: the file has more than 5 tests; set max_tests (at most 100000)",
    ),
    # markers
    *(
        (
            f"name: a\n  test: A\n  markers: {{{name}: true}}",
            f"3: tests[0].markers.{name}: the marker {name} is not supported here; {hint}",
        )
        for name, hint in [
            ("sipfront", "write its arguments as keys of the test"),
            ("sift", "write the call in the section calls"),
            ("parametrize", "use rows or matrix"),
            ("skipif", "use skip; conditions are Python code"),
            ("filterwarnings", "set the ini option filterwarnings"),
        ]
    ),
    (
        "name: a\n  test: A\n  markers: {flaky: {condition: exit()}}",
        "3: tests[0].markers.flaky.condition: conditions are Python code and not supported here",
    ),
    (
        "name: a\n  test: A\n  markers: {flaky: {self: 1}}",
        "3: tests[0].markers.flaky.self: 'self' is not the name of an argument",
    ),
    (
        "name: a\n  test: !!python/name:os.system ${HOME}",
        "2: tests[0].test: unsupported tag '!!python/name:os.system'",
    ),
    ("name: a\n  test: A\n  markers: [not-a-name]", "3: tests[0].markers: 'not-a-name' is not the name of a marker"),
    (
        "name: a\n  test: A\n  markers: {skip: true}",
        "3: tests[0].markers.skip must be text, got true; write it in quotes",
    ),
    (
        "name: a\n  test: A\n  markers: {xfail: {raesons: x}}",
        "3: tests[0].markers.xfail.raesons: unknown key 'raesons'; did you mean 'reason'?",
    ),
]
OF_ONE_CALL = [
    ("name: a", "1: calls[0]: exactly one of phone_number and client_name is required, got neither"),
    (
        "name: a\n  phone_number: 0431",
        f"1: calls[0]: '0431' {NO_NUMBER}",
    ),
    (
        "name: a\n  phone_number: '{n}'\n  rows: phones.csv",
        f"1: calls[0]: phones.csv:2: '0431' {NO_NUMBER}",
    ),
    (
        "name: a\n  client_name: x\n  expect: busy",
        "3: calls[0].expect must be one of connected, failed, got 'busy'",
    ),
    (
        "name: a\n  client_name: x\n  expect: failed\n  steps: [hang_up]",
        "4: calls[0].steps: expect: failed allows no steps, since the call must not be answered",
    ),
    (
        "name: a\n  client_name: x\n  steps: [{say: a, play: b}]",
        (
            "3: calls[0].steps[0]: a step must have exactly one of say, play, listen, digits, number, date, name, "
            "choose, yes_or_no, silence, bridge, conference, hang_up, wait_finished"
        ),
    ),
    (
        "name: a\n  client_name: x\n  steps:\n  - say: a\n  - {say: a, wer: 0.1}",
        "5: calls[0].steps[1].wer: wer cannot be combined with say",
    ),
    ("name: a\n  client_name: x\n  steps: [{choose: a}]", "3: calls[0].steps[0]: choose requires choices"),
    ("name: a\n  client_name: x\n  steps: [{hang_up: false}]", "3: calls[0].steps[0].hang_up must be true"),
    (
        "name: a\n  client_name: x\n  steps: [hangup]",
        "3: calls[0].steps[0] must be a mapping or one of hang_up, wait_finished, got 'hangup'",
    ),
    (
        "name: a\n  client_name: x\n  steps: [{say: '{y}'}]",
        "3: calls[0].steps[0].say: unknown placeholder '{y}' " + NO_ROWS,
    ),
]
OF_ONE_CALL += [
    ("name: a\n  incoming: 0431", f"1: calls[0]: '0431' {NO_NUMBER}"),
    (
        "name: a\n  client_name: x\n  incoming: +431",
        "3: calls[0].incoming: cannot be combined with phone_number and client_name",
    ),
    ("name: a\n  client_name: x\n  run: {test: A}", "3: calls[0].run: requires incoming"),
    ("name: a\n  incoming: +43123456\n  run: {}", "3: calls[0].run: test or project is required"),
    (
        "name: a\n  incoming: +43123456\n  run: {test: A, project: B}",
        "3: calls[0].run: test and project are mutually exclusive",
    ),
    (
        "name: a\n  incoming: +43123456\n  run: {test: A, expect: failed}",
        "3: calls[0].run.expect: unknown key 'expect'; did you mean 'project'?",
    ),
    (
        "name: a\n  incoming: +43123456\n  run: {test: A, timeout: 1, step.1.0.x: '{y}'}",
        "3: calls[0].run.step.1.0.x: unknown placeholder '{y}' " + NO_ROWS,
    ),
    ("name: a\n  client_name: x\n  register_number: yes", "3: calls[0].register_number: requires incoming"),
    (
        "name: a\n  incoming: +43123456\n  expect: failed",
        "3: calls[0].expect: expect: failed cannot be combined with incoming",
    ),
]
OF_A_FILE = [
    ("", "1: the file is empty"),
    ("defaults: {timeout: 1}", "1: the file has no tests; missing required key 'tests' or 'calls'"),
    ("test: []", "1: test: unknown key 'test'; did you mean 'tests'?"),
    ("tests: {a: {test: A}}", "1: tests must be a list of mappings, got a mapping"),
    (
        "tests: [{name: a, test: A}]\ncalls: [{name: a, client_name: x}]",
        f"2: calls[0].name: duplicate name 'a'; first used at {NAME}:1",
    ),
    (
        "tests: [{name: a, test: !!python/name:os.system A}]",
        "1: tests[0].test: unsupported tag '!!python/name:os.system'",
    ),
    ("max_tests: 100001", "1: max_tests must be an integer from 1 to 100000, got 100001"),
    ("include: missing.yaml", "1: include: no file 'missing.yaml'"),
    ("include:\n- missing.yaml", "2: include[0]: no file 'missing.yaml'"),
    ("include: ../outside.yaml", "1: include: '../outside.yaml' is outside of the root directory"),
    ("include: loop.yaml", "1: include: no file 'loop.yaml'"),
    ("include: latin1.yaml", "1: include: latin1.yaml:1: the file must be UTF-8 text"),
    (
        "include: other.sipfront.yaml",
        (
            "1: include: 'other.sipfront.yaml' would be run twice; the name of an included file must not end with "
            ".sipfront.yaml"
        ),
    ),
]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root directory with tables and files to include, and files outside of it."""
    monkeypatch.setenv("EMPTY", " ")
    for name in ("NOT_SET", "SIPFRONT_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "root"
    root.mkdir()
    tables = {
        "numbers.csv": "name,number\nWien,+43123\nGraz,0043\n",
        "excel.csv": "\ufeffname;number\nWien;+43123\n\nGraz;0043\n",
        "tabs.tsv": "name\tnumber\nWien\t+43123\nGraz\t0043\n",
        "blank.csv": "name,number\nWien,1\nGraz,\n",
        "twice.csv": "name,number\nWien,1\nGraz,2\nWien,3\n",
        "phones.csv": "n\n0431\n",
        "no_rows.csv": "name,number\n",
        "other.sipfront.yaml": "tests: [{name: other, test: A}]",
    }
    for name, text in tables.items():
        (root / name).write_text(text, encoding="utf-8")
    (root / "latin1.yaml").write_bytes(b"tests: \xe4")
    (tmp_path / "outside.csv").write_text("n\n1\n")
    (tmp_path / "outside.yaml").write_text("defaults: {}")
    (root / "link.csv").symlink_to("../outside.csv")
    (root / "loop.yaml").symlink_to("loop.yaml")
    return root


def read(directory: Path, text: str) -> dict[str, list[dict[str, object]]]:
    """Return the arguments of the runs of each test of a suite file."""
    (directory / NAME).write_text(text, encoding="utf-8")
    tests = read_tests(directory / NAME, directory)
    return {
        test.name: [mark.kwargs for mark in vars(test.function)["pytestmark"] if mark.name == "sipfront"]
        for test in tests
    }


def mistakes(directory: Path, text: str) -> list[str]:
    """Return the lines of the error about a suite file."""
    with pytest.raises(YamlFileError) as caught:
        read(directory, text)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(("keys", "mistake"), OF_ONE_TEST)
def test_a_mistake_in_a_test_is_reported(directory: Path, keys: str, mistake: str) -> None:
    """With file, line, key path, what is allowed, and the nearest name."""
    assert mistakes(directory, f"tests:\n- {keys}\nmax_tests: 5")[0] == _place(mistake)


@pytest.mark.parametrize(("keys", "mistake"), OF_ONE_CALL)
def test_a_mistake_in_a_call_is_reported(directory: Path, keys: str, mistake: str) -> None:
    """In the same way."""
    assert mistakes(directory, f"calls:\n- {keys}")[0] == _place(mistake)


def _place(mistake: str) -> str:
    line, _, text = mistake.partition(":")
    return f"{NAME}:{int(line) + 1}:{text}"


@pytest.mark.parametrize(("text", "mistake"), OF_A_FILE)
def test_a_mistake_in_the_file_is_reported(directory: Path, text: str, mistake: str) -> None:
    """Also if it concerns the whole file or another file."""
    assert mistakes(directory, text)[0] == f"{NAME}:{mistake}"


def test_all_mistakes_of_all_files_are_reported_together(directory: Path) -> None:
    """In the order of the files and lines, before and after the tables are read."""
    (directory / "common.yaml").write_text("defaults: {timeout: soon}\ntests: [{name: x, test: A, rows: nix.csv}]")
    (directory / "more.yaml").write_text("tests: [{name: y}]")
    tests = "- {name: a}\n- {name: b, test: A, rows: blank.csv, step.1.0.x: '{nam}'}"
    text = f"include: [common.yaml, more.yaml]\ntests:\n{tests}"
    assert mistakes(directory, text) == [
        f"{NAME}:3: tests[0]: test or project is required",
        (
            f"{NAME}:4: tests[1].step.1.0.x: unknown placeholder '{{nam}}'; did you mean 'name'? "
            "(known: name, number; write {{ for a literal {)"
        ),
        "common.yaml:1: defaults.timeout must be a number >= 0, got 'soon'",
        "more.yaml:1: tests[0]: test or project is required",
    ]


def test_the_file_itself_may_be_missing(tmp_path: Path) -> None:
    """The reason is reported."""
    with pytest.raises(YamlFileError, match=r"^none\.yaml: cannot be read: No such file or directory$"):
        read_tests(tmp_path / "none.yaml", tmp_path)


def test_keys_become_arguments_of_the_marker(directory: Path) -> None:
    """Overrides can be nested or flat; a number to dial stays as it is written, other values follow YAML."""
    text = """
        tests:
        - name: a
          test: A
          timeout: 30
          exclusive: trunk
          look_ahead: no
          steps: {1.0: {dial_destination: 0043123, max_total_calls: 10, early: yes}}
          step.1.1.dial_destination: +43123
          params: {report.language: de}
        - {name: b, project: 7, test_ids: [1, 2], report_mode: kiosk}
        - {name: c, project: "7", expect: failed, match: 486}
    """
    assert read(directory, text) == {
        "a": [
            {
                "test": "A",
                "timeout": 30,
                "exclusive": ("trunk",),
                "look_ahead": False,
                "params": {
                    "report.language": "de",
                    "step.1.0.dial_destination": "0043123",
                    "step.1.0.max_total_calls": 10,
                    "step.1.0.early": True,
                    "step.1.1.dial_destination": "+43123",
                },
            }
        ],
        "b": [{"project": 7, "test_ids": (1, 2), "report_mode": "kiosk", "params": {}}],
        "c": [{"project": "7", "expect": "failed", "match": "486", "params": {}}],
    }


def test_every_argument_of_the_marker_is_a_key() -> None:
    """A new argument must not be forgotten."""
    assert set(ARGUMENTS) <= RunTest.model_fields.keys()


def test_a_test_overrides_the_defaults_key_by_key(directory: Path) -> None:
    """Included defaults come first. A project replaces the test of the defaults."""
    (directory / "common.yaml").write_text("defaults: {test: A, timeout: 1, report_mode: full}\ntests: [{name: x}]")
    text = "include: common.yaml\ndefaults: {timeout: 2}\ntests: [{name: a}, {name: b, project: P, timeout: 3}]"
    common = {"report_mode": "full", "params": {}}
    assert read(directory, text) == {
        "x": [{"test": "A", "timeout": 2, **common}],
        "a": [{"test": "A", "timeout": 2, **common}],
        "b": [{"project": "P", "timeout": 3, **common}],
    }


def test_a_file_is_included_once(directory: Path) -> None:
    """Also if several files include it, or it includes itself."""
    (directory / "one.yaml").write_text("include: [two.yaml, one.yaml]\ntests: [{name: one, test: A}]")
    (directory / "two.yaml").write_text("include: one.yaml\ntests: [{name: two, test: A}]")
    text = "include: [one.yaml, two.yaml]\ntests: [{name: a, test: A}]"
    assert list(read(directory, text)) == ["two", "one", "a"]


def test_the_number_of_included_files_is_bounded(directory: Path) -> None:
    """A chain of files ends with a message."""
    for number in range(loading.MAX_INCLUDED + 2):
        (directory / f"{number}.yaml").write_text(f"include: {number + 1}.yaml")
    assert mistakes(directory, "include: 0.yaml\ntests: [{name: a, test: A}]") == [
        "99.yaml:1: include: more than 100 included files"
    ]


def test_variables_come_from_the_environment(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unquoted value keeps its type, and `$${` is a literal `${`. The result is not read as YAML."""
    monkeypatch.setenv("SECONDS", "30")
    monkeypatch.setenv("NUMBER", "+43123")
    monkeypatch.setenv("LIST", "[a, b]: {c")
    text = """
        tests:
        - name: a
          test: ${NUMBER} x
          expect: failed
          match: "$${A} ${LIST}"
          timeout: ${SECONDS}
          step.1.0.dial_destination: ${NUMBER}
    """
    arguments = read(directory, text)["a"][0]
    assert arguments == {
        "test": "+43123 x",
        "expect": "failed",
        "match": "${A} [a, b]: {c",
        "timeout": 30,
        "params": {"step.1.0.dial_destination": "+43123"},
    }


@pytest.mark.parametrize(
    "table", ["numbers.csv", "excel.csv", "tabs.tsv", '[{"name": Wien, number: +43123}, {name: Graz, number: 0043}]']
)
def test_rows_come_from_a_table(directory: Path, table: str) -> None:
    """With comma, semicolon or tab, with or without byte order mark. Values stay as they are written."""
    (directory / NAME).write_text(f"tests: [{{name: a, test: A, rows: {table}, step.1.0.x: '{{number}}'}}]")
    (test,) = read_tests(directory / NAME, directory)
    assert test.variants is not None
    assert [(variant.id, variant.cells()) for variant in test.variants] == [
        ("Wien", {"name": "Wien", "number": "+43123"}),
        ("Graz", {"name": "Graz", "number": "0043"}),
    ]


@pytest.mark.parametrize(
    ("keys", "ids"),
    [
        ("rows: [{number: 1, city: Wien}, {number: 2}]", ["1-Wien", "2-"]),
        ("rows: [{id: x, name: y}]", ["x"]),
        ("rows: [{name: y, number: 1}]", ["y"]),
        ('rows: [{name: "a\\nb"}]', [r"a\nb"]),
        ("matrix: {codec: [PCMA, PCMU], number: [1, 2]}", ["PCMA-1", "PCMA-2", "PCMU-1", "PCMU-2"]),
        ("rows: [{name: y}, {name: z}]\n  matrix: {n: [1, 2]}", ["y-1", "y-2", "z-1", "z-2"]),
    ],
)
def test_ids_are_readable(directory: Path, keys: str, ids: list[str]) -> None:
    """The id of a row is its column `id` or `name`, or else all of its cells; the values of the matrix follow."""
    (directory / NAME).write_text(f"tests:\n- name: a\n  test: A\n  {keys}")
    (test,) = read_tests(directory / NAME, directory)
    assert test.variants is not None
    assert [variant.id for variant in test.variants] == ids


def test_a_table_may_not_be_larger_than_a_suite(directory: Path) -> None:
    """10 MB."""
    with (directory / "large.csv").open("wb") as file:
        file.truncate(10_000_001)
    assert mistakes(directory, "tests: [{name: a, test: A, rows: large.csv}]") == [
        f"{NAME}:1: tests[0].rows: 'large.csv' is larger than 10 MB"
    ]


def test_many_mistakes_of_one_table_are_bounded(directory: Path) -> None:
    """The first hundred are reported."""
    (directory / "bad.csv").write_text("id,number\n" + "".join(f"{n},\n" for n in range(500)))
    lines = mistakes(directory, "tests: [{name: a, test: A, rows: bad.csv, step.1.0.x: '{number}'}]")
    assert len(lines) == 100
    assert lines[0].endswith("bad.csv:2: '{number}' is empty (id='0', number='')")


@pytest.mark.parametrize(
    ("table", "mistake"),
    [
        ("n\n" * 200_001, "large.csv: has more than 200000 lines"),
        (",".join("abc" * 400) + "\n1", "large.csv:1: has more than 1000 columns"),
    ],
    ids=["lines", "columns"],
)
def test_a_table_has_bounds(directory: Path, table: str, mistake: str) -> None:
    """So that a suite from elsewhere does not fill the memory."""
    (directory / "large.csv").write_text(table)
    text = "tests: [{name: a, test: A, rows: large.csv}]"
    assert mistakes(directory, text) == [f"{NAME}:1: tests[0].rows: {mistake}"]


def test_a_file_with_too_many_tests_is_refused_once(directory: Path) -> None:
    """At the first test that is too much; a table is read once, however many tests use it."""
    entries = "".join(f"- {{name: a{n}, test: A, rows: numbers.csv}}\n" for n in range(5))
    assert mistakes(directory, f"max_tests: 5\ntests:\n{entries}") == [
        f"{NAME}:5: tests[2]: the file has more than 5 tests; set max_tests (at most 100000)"
    ]
