from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.calls import engine
from pytest_sipfront.lab.file.lab_file import FaultSpec, LabFile, Span
from pytest_sipfront.lab.file.loading import load, load_default, load_path
from pytest_sipfront.lab.file.schema import LabFileError

ENGINE = ScriptedBackend("the wheel is missing")


def loaded(text: str) -> LabFile:
    return load(text, ENGINE)


def test_a_whole_file_becomes_typed_values() -> None:
    """Every key of the format arrives as the value it stands for."""
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
    assert (file.faults, file.seed) == ((FaultSpec(on="runs", status=500),), 7)
    assert (test.id, test.project, test.tags, test.takes) == (7, "Nightly", ("media", "1"), Span(0.1, 0.2))
    assert test.parameters == {"step.1.0.dial_destination": "0043", "step.0.0.regexpire": "yes"}
    assert test.faults == (
        FaultSpec(on="launch", times=2, after=1, status=503, retry_after=1.0, only={"step.1.0.x": "9"}),
    )
    assert file.projects["Nightly"].tests == (test,)
    assert (file.projects["Nightly"].id, file.projects["Nightly"].verdict) == (4, "stopped")


def test_the_first_rule_that_matches_decides_and_leaves_the_rest_to_the_test() -> None:
    """`when`: overrides decide the verdict, the first match wins, what it does not name is the test's own."""
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
    """A test without an id gets the next free one, so that ids are unique."""
    file = loaded("tests: {A: {}, B: {id: 101}, C: {}}")
    assert {name: test.id for name, test in file.tests.items()} == {"A": 102, "B": 101, "C": 103}


def test_projects_and_tests_find_each_other_from_either_side() -> None:
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


def test_without_a_projects_section_naming_a_project_makes_it() -> None:
    """A short file needs no second section."""
    assert [test.name for test in loaded("tests: {A: {project: P}}").projects["P"].tests] == ["A"]


def test_anchors_and_merge_keys_work_with_overrides() -> None:
    """YAML's own way to share values stays usable, also when an anchor is read more than once."""
    file = loaded(
        """
        tests:
          A: &a {takes: 1, verdict: failed}
          B: &b {<<: *a, verdict: passed}
          C: *b
        """
    )
    assert [(t.verdict, t.takes.low) for t in file.tests.values()] == [("failed", 1), ("passed", 1), ("passed", 1)]


def test_the_built_in_file_is_valid() -> None:
    """A lab without a file has something to call, and a suite written for it keeps its names."""
    file = load_default(engine())
    assert {"Basic call", "Busy destination", "No answer"} <= file.tests.keys()
    assert [name for name, test in file.tests.items() if test.steps is None] == ["Call the bot"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            "tests:\n  A:\n    verdct: passed",
            3,
            "unknown key 'verdct' in a test. Did you mean 'verdict'? Allowed: id, ",
        ),
        ("test: {}", 1, "unknown key 'test' in a lab file. Did you mean 'tests'?"),
        ("account:\n  public_kee: x\ntests: {}", 2, "Did you mean 'public_key'?"),
        ("account:\n  public_key: x\ntests: {}", 2, "public_key and secret_key are given together"),
        ("seed: 1", 1, "a lab file lacks its key 'tests'"),
        ("tests:\n  A:\n    takes: soon", 3, "given is the text 'soon', allowed is a number of at least 0, or a list"),
        ("tests:\n  A:\n    takes: -1", 3, "given is -1 (int), allowed is a number of at least 0"),
        ("tests:\n  A:\n    takes: .inf", 3, "given is .inf (float)"),
        ("tests:\n  A:\n    takes: [1]", 3, "given is a list of 1, allowed is a list of two"),
        ("tests:\n  A:\n    takes: [2, 1]", 3, "the smaller number first"),
        ("tests:\n  A:\n    takes: [1, x]", 3, "given is the text 'x', allowed is a number"),
        ("tests:\n  A:\n    strict: 1", 3, "given is 1 (int), allowed is true or false"),
        ("tests:\n  A:\n    verdict: yes", 3, "given is yes (bool), allowed is text"),
        ("tests:\n  A:\n    tags: media", 3, "given is the text 'media', allowed is a list"),
        ("tests:\n  A:\n    id: 0", 3, "given is 0 (int), allowed is a whole number of at least 1"),
        ("tests:\n  A:\n    id: 1.5", 3, "given is 1.5 (float), allowed is a whole number"),
        ("tests:\n  A: {id: 5}\n  B:\n    id: 5", 4, "id 5 is given twice"),
        ("tests:\n  A: {}\n  A: {}", 3, "key 'A' is given twice"),
        ("tests:\n  [1]: {}", 2, "a key must be plain text"),
        ("tests:\n  A:", 2, "given is nothing, allowed is a mapping with keys of a test (id, "),
        ("tests: [A]", 1, "given is a list, allowed is a mapping"),
        ("- tests", 1, "given is a list, allowed is a mapping with keys of a lab file"),
        ("tests:\n  A:\n    when:\n    - dial: 1", 4, "unknown key 'dial' in an entry of 'when'"),
        ("tests:\n  A:\n    faults:\n    - on: lunch", 4, "allowed is one of launch, status, last, stats, any."),
        ("tests:\n  A:\n    faults:\n    - on: lunch", 4, "Did you mean 'launch'?"),
        ("tests:\n  A:\n    faults:\n    - on: projects", 4, "allowed is one of launch, status, last, stats, any"),
        ("tests:\n  A:\n    faults:\n    - on: any", 4, "a fault names what goes wrong"),
        ("faults:\n- {drop: after, status: 500}\ntests: {}", 2, "only one of them"),
        ("faults:\n- status: 99\ntests: {}", 2, "allowed is a whole number from 200 to 599"),
        ("faults:\n- body: 2020-01-01\ntests: {}", 2, "allowed is anything that JSON can say"),
        ("tests: {A: {project: Nightyl}}\nprojects: {Nightly: {}}", 1, "'Nightyl'. Did you mean 'Nightly'?"),
        ("tests: {Basic: {}}\nprojects:\n  P:\n    tests:\n    - basic", 5, "test 'basic'. Did you mean 'Basic'?"),
        ("tests:\n  A: {", 2, "not valid YAML: "),
        ("tests: {}\n---\ntests: {}", 2, "not valid YAML: "),
        ("tests:\n  A: {<<: 1}", 2, "not valid YAML: "),
        ("faults:\n- body: &a [*a]\ntests: {}", 2, "not valid YAML: found unconstructable recursive node"),
        (
            "phones:\n  a: {}\ntests: {}",
            1,
            "'phones' needs real calls, which this lab cannot place: the wheel is missing",
        ),
        (
            "tests:\n  A:\n    steps: []",
            3,
            "'steps' needs real calls, which this lab cannot place: the wheel is missing",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_is_allowed(text: str, line: int, said: str) -> None:
    """Every wrong key or type names file, line, what was given, what is allowed and the nearest valid word."""
    with pytest.raises(LabFileError) as caught:
        loaded(text)
    assert str(caught.value).startswith(f"lab.yaml:{line}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "the file is empty"), (b"\xff\xfe\xff", "not UTF-8 text"), (b"[" * 5000, "nested too deeply")],
)
def test_a_file_that_is_no_text_is_told_by_its_name(tmp_path: Path, content: bytes, said: str) -> None:
    """Where there is no line to name, the file's name stands alone."""
    file = tmp_path / "own.yaml"
    file.write_bytes(content)
    with pytest.raises(LabFileError, match=said) as caught:
        load_path(file, ENGINE)
    assert str(caught.value).startswith(f"{file}: ")


def test_a_file_knows_where_its_relative_paths_start(tmp_path: Path) -> None:
    """An engine resolves paths in the file against the file's own directory."""
    file = tmp_path / "own.yaml"
    file.write_text("tests: {}")
    assert load_path(file, ENGINE).directory == tmp_path
