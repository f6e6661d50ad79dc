"""The JSON Schema and the reference page that the models of a lab file yield."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_sipfront.lab.__main__ import main
from pytest_sipfront.lab.file.lab_file import LabDocument
from pytest_sipfront.yaml_schema import FileSchema, markdown_reference
from tests.lab.file import test_calls_section, test_loading

ROOT = Path(__file__).parents[3]
SHIPPED = resources.files("pytest_sipfront.lab").joinpath("lab.schema.json").read_text(encoding="utf-8")
PAGES = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md") if path.stem != "suites")
EXAMPLES = [
    text
    for text in re.findall(r"```yaml\n(.*?)```", PAGES, re.DOTALL)
    if re.search("^(tests|sift):", text, re.MULTILINE)
]
FILES = [ROOT / "example_suite" / "lab.yaml", ROOT / "pytest_sipfront" / "lab" / "default.yaml"]


class Yaml12Loader(yaml.SafeLoader):
    """YAML as editors read it: `on` and `yes` are text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the base class declares it
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


Yaml12Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


def objections(text: str) -> list[str]:
    """Return what a validator of JSON Schema says about a lab file, as an editor does."""
    jsonschema: Any = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra 'test'")
    content = json.loads(json.dumps(yaml.load(text, Loader=Yaml12Loader)))  # keys become text
    return [error.message for error in jsonschema.Draft202012Validator(json.loads(SHIPPED)).iter_errors(content)]


def test_the_shipped_schema_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    """To renew it: python -m pytest_sipfront.lab --schema > pytest_sipfront/lab/lab.schema.json."""
    assert main(["--schema"]) == 0
    assert capsys.readouterr().out == SHIPPED


def test_the_schema_is_valid() -> None:
    """It is a JSON Schema of the dialect that it names."""
    jsonschema: Any = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra 'test'")
    schema = json.loads(SHIPPED)
    assert schema["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("text", [*(path.read_text(encoding="utf-8") for path in FILES), *EXAMPLES])
def test_the_schema_accepts_lab_files(text: str) -> None:
    """The example suite's lab file, the built-in one, and those of the docs."""
    assert objections(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "tests: {A: {description: 0043, tags: [1, yes, ~], parameters: {a: 2024-02-29}}}",
        "tests: {A: {takes: [0.1, 2], when: [{step.1.0.x: 9*, takes: 1}], faults: [{body: null}]}}",
        "tests: {}\nphones: {a: {number: 1, menu: {main: {1: main, '#': hang_up}}}}",
        "tests: {}\ntarget: sip:localhost",
        "tests: {A: {steps: [[], [{action: call, dial_destination: 1}, {action: hold, seconds: 1}]]}}",
        "tests: {A: {steps: [], conditions: {prompt_heard: a}}, B: {conditions: {prompt_heard: [a, b]}}}",
        "sift: {callers: [{from: 1, to: 2}]}",
    ],
)
def test_the_schema_knows_short_forms_and_unquoted_text(text: str) -> None:
    """Text may be any scalar, as it is for the lab."""
    assert objections(text) == []


KINDS = ("unknown key", "must be an integer", "must be a number", "must be true", "must be one of", "must be a mapping")
MISTAKES = [*test_loading.MISTAKES, *test_calls_section.MISTAKES]
SCHEMATIC = [text for text, mistake in MISTAKES if any(kind in mistake for kind in KINDS) and "!!" not in text]


BEYOND_SCHEMA = r"inf$|0101$|takes: \+3|7{400}|<<: 1|main: \{1: sales"  # some of these are numbers for other readers


@pytest.mark.parametrize("text", [text for text in SCHEMATIC if not re.search(BEYOND_SCHEMA, text)])
def test_the_schema_refuses_wrong_keys_types_and_bounds(text: str) -> None:
    """An editor marks them, apart from rules between several keys."""
    assert objections(text)


def test_a_file_without_tests_and_sift_is_refused() -> None:
    """One of the two sections is required."""
    assert objections("seed: 1")


def test_the_reference_has_every_key_with_type_default_and_meaning() -> None:
    """The page of the docs is generated from the models."""
    page = markdown_reference(LabDocument)
    assert "| `max_rtp_gap` | a number >= 0.5 | `10` | longest time without RTP, in seconds |" in page
    assert "| `uri` | text | required | SIP URI," in page
    assert "| `phones` | a mapping: [keys](#Phone) |" in page
    assert "## `phones.<name>` { #Phone }" in page
    assert "## `tests.<name>.steps[][]` with `action: call` { #CallAction }" in page
    assert "| *digits* | text | | DTMF digit" in page.replace("|  |", "| |")
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= set(re.findall(r"\{ #(\w+) \}", page))


def test_every_key_is_described() -> None:
    """A key without a description would be an empty cell in the reference and an empty tooltip in editors."""
    schema = FileSchema.of(LabDocument).root
    mappings = [schema, *(mapping for mapping in schema["$defs"].values() if "properties" in mapping)]
    assert len(mappings) > 20
    for mapping in mappings:
        assert mapping["description"]
        for key, value in mapping["properties"].items():
            assert value.get("description") or "const" in value, key
