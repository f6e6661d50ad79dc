"""Any lab file and any request yields a result or an error message, never a traceback."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.file.lab_file import LabFile, RunFault, TestSection
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.yaml_models import YamlFileError
from tests.lab.platform_client import Platform

KEYS = ["tests", "projects", "account", "faults", "on", "A", *TestSection.model_fields, *RunFault.model_fields]
WORDS = st.sampled_from(KEYS) | st.text()
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
TEST = st.dictionaries(st.sampled_from(list(TestSection.model_fields)), VALUES, max_size=3)


def load_or_refuse(text: str) -> None:
    with suppress(YamlFileError):
        assert isinstance(load(text, ScriptedBackend()), LabFile)


@given(st.text() | st.text(alphabet="&*!<>:-[]{}?|%@a1\"'\n ", max_size=40))
def test_any_text_is_a_lab_file_or_refused(text: str) -> None:
    """No text makes the reader fail in any other way."""
    load_or_refuse(text)


@given(st.dictionaries(WORDS, TEST | VALUES, max_size=3), VALUES)
def test_any_value_is_a_setting_or_refused(tests: dict[str, Any], projects: Any) -> None:
    """No value at any place makes the reader fail in any other way."""
    load_or_refuse(yaml.safe_dump({"tests": tests, "projects": projects}, allow_unicode=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["test.name", "report.mode"]) | st.text(), VALUES, max_size=3) | VALUES)
def test_any_json_starts_a_run_or_is_refused(lab: Platform, fields: Any) -> None:
    """No body makes a launch fail in any other way."""
    body = json.dumps(fields, default=str)
    reply = lab.send("POST", "/api/v2/tests/run", body, "application/json")
    assert reply.status in (200, 400, 404, 422), reply.text
    assert lab.get("/lab/requests").status == 200
