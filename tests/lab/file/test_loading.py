"""Lab files as they are read: values, ids, links, and every mistake with file, line and key path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.calls import engine
from pytest_sipfront.lab.file.fault_spec import FaultSpec
from pytest_sipfront.lab.file.lab_file import AccountFault, LabFile, RunFault, Span
from pytest_sipfront.lab.file.loading import load, load_default, load_path
from pytest_sipfront.yaml_models import YamlFileError

SCRIPTED = ScriptedBackend("the wheel is missing")
EXAMPLE = Path(__file__).parents[3] / "example_suite" / "lab.yaml"


def loaded(text: str) -> LabFile:
    return load(text, SCRIPTED)


def mistakes(text: str) -> list[str]:
    """Return the mistakes of a file, without its name."""
    with pytest.raises(YamlFileError) as caught:
        load(text, engine(), directory=EXAMPLE.parent)
    return [line.removeprefix("lab.yaml:") for line in str(caught.value).splitlines()]


def test_a_file_with_every_kind_of_key() -> None:
    """Every key of the format arrives with its value."""
    file = loaded(
        """
        account: {public_key: pk, secret_key: sk, concurrent_runs: 3, retry_after: 0.5, agentpool: eu}
        faults: [{on: runs, status: 500}]
        seed: 7
        tests:
          "Basic: Call A":
            id: 7
            project: Nightly
            testcase: Scenario
            tags: [media, 1]
            takes: [0.1, 0.2]
            verdict: failed
            description: 486 Busy Here
            parameters: {step.1.0.dial_destination: 0043, step.0.0.regexpire: yes}
            strict: true
            states: [queued, running]
            when: [{step.1.0.dial_destination: 1*, verdict: passed, takes: 3}]
            faults: [{on: launch, times: 2, after: 1, status: 503, retry_after: 1, only: {step.1.0.x: "9"}}]
        projects:
          Nightly: {id: 4, tests: ["Basic: Call A"], takes: 0.4, verdict: stopped}
        """
    )
    test = file.tests["Basic: Call A"]
    assert (file.account.public_key, file.account.concurrent_runs, file.account.agentpool) == ("pk", 3, "eu")
    assert (file.faults, file.seed) == ((AccountFault(on="runs", status=500),), 7)
    assert (test.id, test.project, test.tags, test.takes) == (7, "Nightly", ("media", "1"), Span(0.1, 0.2))
    assert test.parameters == {"step.1.0.dial_destination": "0043", "step.0.0.regexpire": "yes"}
    assert test.when[0].patterns == {"step.1.0.dial_destination": "1*"}
    assert test.faults == (
        RunFault(on="launch", times=2, after=1, status=503, retry_after=1.0, only={"step.1.0.x": "9"}),
    )
    assert file.projects["Nightly"].tests == (test,)
    assert (file.projects["Nightly"].id, file.projects["Nightly"].verdict) == (4, "stopped")


@pytest.mark.parametrize("scalar", ["0043", "+43", "2024-02-30", "2024-02-29", "yes", "off", "null", "1.50", "1:30"])
def test_text_stays_as_it_is_written(scalar: str) -> None:
    """Numbers to dial, dates and words such as yes are text if the key holds text."""
    test = loaded(f"tests: {{A: {{description: {scalar}, tags: [{scalar}], parameters: {{x: {scalar}}}}}}}").tests["A"]
    assert (test.description, test.tags, test.parameters) == (scalar, (scalar,), {"x": scalar})


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("5", 5), ("-1", -1), ("1_000", 1000), ("0x1F", 31), ("1.5", 1.5), ("0", 0),
        ("yes", True), ("No", False), ("on", True), ("OFF", False), ("true", True), ("~", None), ("null", None),
        ("0043", "0043"), ("+43", "+43"), ("2024-02-30", "2024-02-30"), (".inf", ".inf"), ("1:30", "1:30"),
        ('"5"', "5"), ("[1, {a: 0043}]", [1, {"a": "0043"}]), ("9" * 400, "9" * 400), ("1e5", "1e5"),
    ],
)  # fmt: skip
def test_values_without_a_declared_type(scalar: str, value: Any) -> None:
    """They are what YAML says, except that numbers with a plus sign or a leading zero, and dates, are text."""
    fault = loaded(f"faults: [{{body: {scalar}}}, {{set: {{x: {scalar}}}}}]\ntests: {{}}").faults
    assert (fault[0].body, fault[0].replaces_body, fault[1].set) == (value, True, {"x": value})
    json.dumps(fault[0].body, allow_nan=False)


@pytest.mark.parametrize(("scalar", "value"), [("yes", True), ("on", True), ("False", False), ("off", False)])
def test_booleans_have_all_spellings_of_yaml(scalar: str, value: bool) -> None:
    """A flag may be true, yes or on, and false, no or off."""
    assert loaded(f"tests: {{A: {{strict: {scalar}}}}}").tests["A"].strict is value


def test_the_first_matching_rule_decides_and_the_test_supplies_the_rest() -> None:
    """`when`: the parameters of a run choose the outcome."""
    test = loaded(
        """
        tests:
          Call:
            takes: 2
            description: as ever
            when:
              - {step.1.0.to: "486*", verdict: failed}
              - {step.1.0.to: "4*", verdict: errored, description: none, takes: 1}
        """
    ).tests["Call"]
    assert test.outcome({"step.1.0.to": "4861"}).verdict == "failed"
    assert test.outcome({"step.1.0.to": "4861"}).description == "as ever"
    assert test.outcome({"step.1.0.to": "480"}).takes == Span(1, 1)
    assert test.outcome({"step.1.0.to": "1486"}).verdict == "passed"
    assert test.outcome({}).verdict == "passed"


def test_ids_are_assigned_around_those_given() -> None:
    """A test without an id gets the next free one."""
    file = loaded("tests: {A: {}, B: {id: 101}, C: {}}")
    assert {name: test.id for name, test in file.tests.items()} == {"A": 102, "B": 101, "C": 103}


def test_projects_list_tests_and_tests_name_projects() -> None:
    """A project holds the tests it lists, or else those that name it; the rest belong to a default project."""
    file = loaded(
        """
        tests: {A: {project: P}, B: {}, C: {project: P}, D: {}}
        projects: {P: {}, Q: {tests: [B, A]}}
        """
    )
    members = {name: [test.name for test in project.tests] for name, project in file.projects.items()}
    assert members == {"P": ["A", "C"], "Q": ["B", "A"], "Default": ["D"]}
    assert file.tests["B"].project == "Q"


def test_without_a_projects_section_tests_create_their_projects() -> None:
    """A short file needs no second section."""
    assert [test.name for test in loaded("tests: {A: {project: P}}").projects["P"].tests] == ["A"]


def test_anchors_and_merge_keys() -> None:
    """Tests share values by anchors; own values replace merged ones, and every test has faults of its own."""
    file = loaded(
        """
        tests:
          A: &a {takes: 1, verdict: failed, faults: [{status: 500}]}
          B: &b {<<: *a, verdict: passed}
          C: *b
          D: {<<: [*b, *a], takes: 2}
        """
    )
    outcomes = [(test.verdict, test.takes.low) for test in file.tests.values()]
    assert outcomes == [("failed", 1), ("passed", 1), ("passed", 1), ("passed", 2)]
    assert file.tests["B"].faults[0] is not file.tests["C"].faults[0]


def test_the_built_in_file_is_valid() -> None:
    """It has tests with real calls, and a suite written for it keeps its names."""
    file = load_default(engine())
    assert {"Basic call", "Busy destination", "No answer"} <= file.tests.keys()
    assert sum(test.steps is not None for test in file.tests.values()) >= 4


def test_the_lab_file_of_the_example_suite_is_valid() -> None:
    """Its prompts are found beside the file."""
    file = load_path(EXAMPLE, engine())
    assert file.prompts["welcome"].wav == EXAMPLE.parent / "prompts" / "welcome.wav"


ROOT_KEYS = (
    "calls, prompts, phones, phone_table, target, limits, account, faults, session_status, seed, sift, tests, projects"
)
MISTAKES = [
    ("tests:\n  A:\n    verdct: passed", "3: tests.A.verdct: unknown key 'verdct'; did you mean 'verdict'?"),
    ("test: {}", "1: test: unknown key 'test'; did you mean 'tests'?"),
    ("zzz: 1\ntests: {}", f"1: zzz: unknown key 'zzz'; valid: {ROOT_KEYS}"),
    (
        "account:\n  public_kee: x\ntests: {}",
        "2: account.public_kee: unknown key 'public_kee'; did you mean 'public_key'?",
    ),
    ("account:\n  public_key: x\ntests: {}", "1: account: public_key and secret_key must be given together"),
    ("seed: 1", "1: missing required key 'tests'"),
    ("tests:\n  A:\n    takes: soon", "3: tests.A.takes must be a number >= 0 or a list of 2 numbers >= 0, got 'soon'"),
    ("tests:\n  A:\n    takes: -1", "3: tests.A.takes must be a number >= 0 or a list of 2 numbers >= 0, got -1"),
    ("tests:\n  A:\n    takes: .inf", "3: tests.A.takes must be a number >= 0 or a list of 2 numbers >= 0, got .inf"),
    ("tests:\n  A:\n    takes: '3'", "3: tests.A.takes must be a number >= 0 or a list of 2 numbers >= 0, got '3'"),
    ("tests:\n  A:\n    takes: +3", "3: tests.A.takes must be a number >= 0 or a list of 2 numbers >= 0, got +3"),
    ("tests:\n  A:\n    takes:", "3: tests.A.takes must be a number >= 0 or a list of 2 numbers >= 0, got nothing"),
    ("tests:\n  A:\n    takes: [1]", "3: tests.A.takes must be a number or a list of 2 numbers, got a list of 1"),
    ("tests:\n  A:\n    takes: [2, 1]", "3: tests.A.takes: the smaller number must come first, got [2, 1]"),
    (
        "tests:\n  A:\n    takes: [1, x]",
        "3: tests.A.takes must be a number >= 0 or a list of 2 numbers >= 0, got [1, 'x']",
    ),
    ("tests:\n  A:\n    strict: 1", "3: tests.A.strict must be true or false, got 1"),
    ("tests:\n  A:\n    strict: maybe", "3: tests.A.strict must be true or false, got 'maybe'"),
    ("tests:\n  A:\n    verdict: yes", "3: tests.A.verdict must be text, got yes; write it in quotes"),
    ("tests:\n  A:\n    project: 2024-02-30", "3: tests.A.project must be text, got 2024-02-30; write it in quotes"),
    ("tests:\n  A:\n    project: 7\nprojects: {}", "3: tests.A.project must be text, got 7; write it in quotes"),
    ("tests:\n  A:\n    testcase:", "3: tests.A.testcase must be text, got nothing"),
    ("tests:\n  A:\n    description: [x]", "3: tests.A.description must be text, got ['x']"),
    ("tests:\n  A:\n    tags: media", "3: tests.A.tags must be a list of text, got 'media'"),
    ("tests:\n  A:\n    tags:\n    - a\n    - {b: c}", "5: tests.A.tags[1] must be text, got a mapping"),
    ("tests:\n  A:\n    id: zero", "3: tests.A.id must be an integer >= 1, got 'zero'"),
    ("tests:\n  A:\n    id: 0", "3: tests.A.id must be an integer >= 1, got 0"),
    ("tests:\n  A:\n    id: 1.5", "3: tests.A.id must be an integer >= 1, got 1.5"),
    ("tests:\n  A:\n    id: 0101", "3: tests.A.id must be an integer >= 1, got 0101"),
    (
        "tests:\n  A:\n    id: " + "7" * 400,
        f"3: tests.A.id must be an integer >= 1, got {'7' * 60}... (400 characters)",
    ),
    ("tests:\n  A: {id: 101}\n  B:\n    id: 101", "4: tests.B.id: duplicate id 101"),
    ("tests: {}\nprojects:\n  P: {id: 2}\n  Q: {id: 2}", "4: projects.Q.id: duplicate id 2"),
    ("tests:\n  A: {}\n  A: {}", "3: tests.A: duplicate key 'A'; first given on line 2"),
    ("tests:\n  [1]: {}", "2: tests: a key must be text, not a list or a mapping"),
    ("tests:\n  A:", "2: tests.A must be a mapping, got nothing"),
    ("tests: [A]", "1: tests must be a mapping, got ['A']"),
    ("- tests", "1: the file must be a mapping, got ['tests']"),
    ("tests", "1: the file must be a mapping, got 'tests'"),
    (
        "tests:\n  A:\n    when:\n    - dial: 1",
        "4: tests.A.when[0].dial: unknown key 'dial'; valid: verdict, description, takes",
    ),
    (
        "tests:\n  A:\n    when:\n    - {patterns: {a.b: c}}",
        ("4: tests.A.when[0].patterns: unknown key 'patterns'; valid: verdict, description, takes"),
    ),
    ("tests:\n  A:\n    when:\n    - step.1.0.x: [1]", "4: tests.A.when[0].step.1.0.x must be text, got [1]"),
    (
        "tests:\n  A:\n    faults:\n    - {on: lunch, html: true}",
        (
            "4: tests.A.faults[0].on must be one of launch, status, "
            "last, stats, any, got 'lunch'; did you mean 'launch'?"
        ),
    ),
    (
        "tests:\n  A:\n    faults:\n    - {on: runs, html: true}",
        ("4: tests.A.faults[0].on must be one of launch, status, last, stats, any, got 'runs'"),
    ),
    (
        "tests:\n  A:\n    faults:\n    - on: any",
        (
            "4: tests.A.faults[0]: a fault needs one of latency, status, error, "
            "retry_after, headers, drop, html, body, omit, set, flip"
        ),
    ),
    (
        "faults:\n- {drop: after, status: 500}\ntests: {}",
        (
            "2: faults[0]: drop, html, an own answer (status, error, body) and "
            "changes to the answer (omit, set, flip) are mutually exclusive"
        ),
    ),
    ("faults:\n- status: 99\ntests: {}", "2: faults[0].status must be an integer from 200 to 599, got 99"),
    (
        "tests:\n  A: {project: Nightyl}\nprojects: {Nightly: {}}",
        ("2: tests.A.project: unknown project 'Nightyl'; did you mean 'Nightly'?"),
    ),
    (
        "tests: {Basic: {}}\nprojects:\n  P:\n    tests:\n    - basic",
        ("5: projects.P.tests[0]: unknown test 'basic'; did you mean 'Basic'?"),
    ),
    ("tests:\n  A: {<<: 1}", "2: tests.A.<< must be a mapping or a list of mappings"),
    ("tests:\n  A: !!python/object:os.system {}", "2: tests.A: unsupported tag '!!python/object:os.system'"),
    ("tests:\n  A:\n    description: !secret x", "3: tests.A.description: unsupported tag '!secret'"),
    ("tests:\n  !!python/name:os.system : {}", "2: tests: unsupported tag '!!python/name:os.system'"),
    ("seed: many\ntests: {}", "1: seed must be an integer, got 'many'"),
]


@pytest.mark.parametrize(("text", "mistake"), MISTAKES)
def test_a_mistake_has_line_key_path_and_what_is_allowed(text: str, mistake: str) -> None:
    """A wrong key or value is reported where it is, with the nearest valid name if there is one."""
    assert mistake in mistakes(text)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("tests:\n  A: {", 2, "not valid YAML: "),
        ("tests:\n\tA: {}", 2, "not valid YAML: "),
        ("tests: {}\n---\ntests: {}", 2, "not valid YAML: "),
        ("tests: {}\nfaults: [*a]", 2, "not valid YAML: found undefined alias"),
        ("tests: {}\nfaults:\n- body: &a [*a]", 3, "nested more than 100 levels deep"),
        ("tests: {}\nfaults:\n- &a {<<: *a}", 3, "nested more than 100 levels deep"),
        ("tests: {}\nfaults:\n- body: " + "[" * 200 + "]" * 200, 3, "nested more than 100 levels deep"),
        ("", 1, "the file is empty"),
        ("# a comment", 1, "the file is empty"),
        ("tests: {}\n\0", 2, r"not valid YAML: the character '\x00' is not allowed"),
        ("tests: {}\n# " + "x" * 10_000_000, 1, "the file is larger than 10 MB"),
    ],
)  # fmt: skip
def test_an_unreadable_file_is_one_mistake_with_its_line(text: str, line: int, reason: str) -> None:
    """If the text is no YAML document, nothing else is checked."""
    (mistake,) = mistakes(text)
    assert mistake.startswith(f"{line}: ")
    assert reason in mistake


def test_an_alias_bomb_is_refused() -> None:
    """Aliases of aliases may not multiply the values of a file; the same holds for merges."""
    lists = "".join(f"  - &a{i} [{', '.join([f'*a{i - 1}'] * 10) if i else 'x'}]\n" for i in range(10))
    merges = "".join(
        f"- &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10) if i else '{status: 500}'}]}}\n" for i in range(10)
    )
    for text in (f"tests: {{}}\nfaults:\n- body:\n{lists}", f"tests: {{}}\nfaults:\n{merges}"):
        (mistake,) = mistakes(text)
        assert "the file has more than 100000 values, aliases included" in mistake


def test_all_mistakes_of_a_file_are_listed_by_line() -> None:
    """Wrong keys and values, names that refer to nothing, and duplicates are found together."""
    text = """
        tests:
          A: {verdct: passed, id: 7}
          B: {strict: maybe, takes: [3, 1], id: 7, project: Nope}
          A: {}
        projects: {P: {tests: [C]}}
        phones: {one: {play: helo, number: 1}, two: {number: 1, reject: 603}}
        prompts: {hello: {tone: 7}}
    """
    assert mistakes(text) == [
        "3: tests.A.verdct: unknown key 'verdct'; did you mean 'verdict'?",
        "4: tests.B.takes: the smaller number must come first, got [3, 1]",
        "4: tests.B.strict must be true or false, got 'maybe'",
        "4: tests.B.project: unknown project 'Nope'; valid: P",
        "4: tests.B.id: duplicate id 7",
        "5: tests.A: duplicate key 'A'; first given on line 3",
        "6: projects.P.tests[0]: unknown test 'C'; valid: A, B",
        "7: phones.two.reject must be one of 404, 486, 488, got 603",
        "7: phones.one.play: unknown prompt 'helo'; did you mean 'hello'?",
        "7: phones.two.number: duplicate number 1",
        "8: prompts.hello.tone must be a number from 50 to 3500, got 7",
    ]


def test_a_file_full_of_mistakes_gives_a_bounded_message() -> None:
    """The first hundred mistakes are enough to see what is wrong."""
    lines = mistakes("tests: {}\n" + "".join(f"key{number}: 1\n" for number in range(150)))
    assert len(lines) == 101
    assert lines[-1] == " 50 more mistakes"


def test_a_mistake_below_an_anchor_has_the_line_where_it_is_written() -> None:
    """Every use of the anchor has the mistake, and all of them are corrected at one place."""
    lines = mistakes("tests:\n  A: &a\n    takes: soon\n  B: *a")
    assert [mistake[:16] for mistake in lines] == ["3: tests.A.takes", "3: tests.B.takes"]


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        (b"", ":1", "the file is empty"),
        (b"tests: {}\n\xff\xfe\xff", ":2", "the file must be UTF-8 text"),
        (b"[" * 5000, ":1", "nest"),
        (b"#" * 10_000_001, ":1", "the file is larger than 10 MB"),
        (None, "", "cannot be read: Is a directory"),
    ],
)
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes | None, place: str, reason: str) -> None:
    """Messages about the file as a whole have its name."""
    file = tmp_path / "own.yaml"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(YamlFileError, match=reason) as caught:
        load_path(file, SCRIPTED)
    assert str(caught.value).startswith(f"{file}{place}: ")


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """Editors on Windows write it."""
    file = tmp_path / "own.yaml"
    file.write_text("tests: {A: {}}", encoding="utf-8-sig")
    assert load_path(file, SCRIPTED).tests.keys() == {"A"}


def test_relative_paths_start_beside_the_file(tmp_path: Path) -> None:
    """The directory of the file, or the one that the caller of `load` names."""
    file = tmp_path / "own.yaml"
    file.write_text("tests: {}")
    assert load_path(file, SCRIPTED).directory == tmp_path
    assert load("tests: {}", SCRIPTED, directory=tmp_path).directory == tmp_path


def test_faults_with_a_given_null_body() -> None:
    """`body: null` answers null; without the key the body is unchanged."""
    assert FaultSpec(body=None).replaces_body
    assert not FaultSpec(status=500).replaces_body


# ---- no traceback, whatever is in the file -----------------------------------------------------------------------


def load_or_refuse(text: str) -> None:
    """Load a file; the only error it may raise names the file in every line."""
    refusal = ""
    try:
        load(text, engine(), directory=EXAMPLE.parent)
    except YamlFileError as error:
        refusal = str(error)
    assert all(line.startswith("lab.yaml:") for line in refusal.splitlines()), refusal


LINES = EXAMPLE.read_text(encoding="utf-8").splitlines()
DAMAGE = st.sampled_from(
    ["\t", "\0", "&a ", "*a", "<<: ", "!!x ", "[", "}", '"', ":", "- ", "\ufeff", "~", "9" * 400, "é", "|"]
)


@given(st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 60), DAMAGE), min_size=1, max_size=4))
def test_a_damaged_file_is_read_or_refused(damages: list[tuple[int, int, str]]) -> None:
    """Characters inserted anywhere in a real lab file never end in another exception."""
    lines = list(LINES)
    for number, column, text in damages:
        lines[number] = lines[number][:column] + text + lines[number][column:]
    load_or_refuse("\n".join(lines))


@given(st.lists(st.integers(0, len(LINES) - 1), min_size=1, max_size=8))
def test_a_file_with_lost_lines_is_read_or_refused(lost: list[int]) -> None:
    """Lines may be missing anywhere."""
    load_or_refuse("\n".join(line for number, line in enumerate(LINES) if number not in lost))


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in _places(child, (*path, key)))]


CONTENT = yaml.safe_load("\n".join(LINES))
PLACES = _places(CONTENT)[1:]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=4,
)


@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=3))
def test_any_value_at_any_place_is_read_or_refused(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    """Values of every type replace those of a real lab file."""
    content = yaml.safe_load("\n".join(LINES))
    for place, value in changes:
        parent = content
        for part in place[:-1]:
            parent = parent[part] if isinstance(parent, list | dict) and part in _keys(parent) else None
        if isinstance(parent, list | dict) and place[-1] in _keys(parent):
            parent[place[-1]] = value
    load_or_refuse(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))


def _keys(value: list[Any] | dict[Any, Any]) -> Any:
    return value.keys() if isinstance(value, dict) else range(len(value))
