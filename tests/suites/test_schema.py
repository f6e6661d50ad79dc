"""The JSON Schema and the reference page that the models of a suite file yield."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_sipfront.suites import SCHEMA_FILE, schema
from pytest_sipfront.suites.suite_file import SuiteDocument
from pytest_sipfront.yaml_schema import FileSchema, markdown_reference
from tests.lab.file.test_schema import Yaml12Loader
from tests.suites.test_loading import OF_ONE_CALL, OF_ONE_TEST

ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/suites.md").read_text(encoding="utf-8"), re.DOTALL)
FILES = [path.read_text(encoding="utf-8") for path in (ROOT / "example_suite").glob("*.sipfront.yaml")]
KINDS = ("unknown key", "must be an integer", "must be a number", "must be true or false", "must be one of", "missing")
BEYOND_SCHEMA = r"\.csv|report_mode: print"  # rules between several keys, and values of tables
WRONG = [
    f"{section}:\n- {keys}"
    for section, table in (("tests", OF_ONE_TEST), ("calls", OF_ONE_CALL))
    for keys, mistake in table
    if any(kind in mistake for kind in KINDS) and not re.search(BEYOND_SCHEMA, keys)
]


def objections(text: str) -> list[str]:
    """Return what a validator of JSON Schema says about a suite file, as an editor does."""
    jsonschema: Any = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra 'test'")
    content = json.loads(json.dumps(yaml.load(text, Loader=Yaml12Loader)))
    return [error.message for error in jsonschema.Draft202012Validator(json.loads(schema())).iter_errors(content)]


def test_the_shipped_schema_is_current() -> None:
    """To renew it: python -c "from pytest_sipfront.suites import *; SCHEMA_FILE.write_text(schema())"."""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema()


def test_the_schema_is_valid() -> None:
    """It is a JSON Schema of the dialect that it names."""
    jsonschema: Any = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra 'test'")
    assert json.loads(schema())["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]
    jsonschema.Draft202012Validator.check_schema(json.loads(schema()))


@pytest.mark.parametrize("text", EXAMPLES + FILES)
def test_the_schema_accepts_the_examples(text: str) -> None:
    """Those of the docs and of the example suite."""
    assert objections(text) == []


@pytest.mark.parametrize("text", WRONG)
def test_the_schema_refuses_wrong_keys_types_and_bounds(text: str) -> None:
    """An editor marks them, apart from rules between several keys."""
    assert objections(text)


def test_every_key_is_described() -> None:
    """A key without a description would be an empty cell in the reference and an empty tooltip in editors."""
    root = FileSchema.of(SuiteDocument).root
    for mapping in [root, *(mapping for mapping in root["$defs"].values() if "properties" in mapping)]:
        assert mapping["description"]
        for key, value in mapping["properties"].items():
            assert value.get("description"), key


def test_the_reference_has_every_key() -> None:
    """The page of the docs is generated from the models, and its links lead to its own sections."""
    page = markdown_reference(SuiteDocument)
    assert "| `timeout` | a number >= 0 | | maximum time from launch" in page.replace("|  |", "| |")
    assert "## `calls[].steps[]` { #CallStep }" in page
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= set(re.findall(r"\{ #(\w+) \}", page))
