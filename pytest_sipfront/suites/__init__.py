"""Suites in YAML: the contents of a `*.sipfront.yaml` file."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".sipfront.yaml", ".sipfront.yml")
SCHEMA_FILE = Path(__file__).with_name("suite.schema.json")


def is_suite(name: str) -> bool:
    """Return whether a file of that name is a suite."""
    return f".{name}".lower().endswith(SUFFIXES)


def schema() -> str:
    """Return the JSON Schema of suite files, as the text of a file."""
    from pytest_sipfront.suites.suite_file import SuiteDocument  # noqa: PLC0415 - it imports a validation library
    from pytest_sipfront.yaml_schema import FileSchema  # noqa: PLC0415

    return FileSchema.of(SuiteDocument).as_json()
