"""Any suite file yields tests or an error message, never a traceback."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.plugin.suite_tests import read_tests
from pytest_sipfront.suites.call_steps import CallStep
from pytest_sipfront.suites.suite_file import CallTest, Defaults, RunTest
from pytest_sipfront.yaml_models import YamlFileError

KEYS = [name for model in (RunTest, CallTest, Defaults) for name in model.model_fields if name != "overrides"]
NAMES = st.sampled_from([*KEYS, *CallStep.model_fields, "step.1.0.x", "skip", "xfail", "1.0", "n", "id"])
TEXTS = st.sampled_from(
    ["A", "{n}", "{n", "${HOME}", "${X", "+15550100200", "failed", "..", "rows.csv", "hang_up", "["]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | TEXTS | st.text(max_size=5)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
VALID_KEYS: dict[str, st.SearchStrategy[Any]] = {
    "test": st.sampled_from(["A", "A {n}", "{{A}}"]),
    "timeout": st.integers(0, 100),
    "expect": st.sampled_from(["passed", "failed", "{n}"]),
    "steps": st.just({"1.0": {"dial_destination": "{n}"}}),
    "rows": st.lists(st.fixed_dictionaries({"n": st.text(max_size=3)}), min_size=1, max_size=3),
    "matrix": st.dictionaries(st.sampled_from(["m", "n"]), st.lists(st.text(max_size=3), max_size=3), max_size=2),
    "markers": st.sampled_from([["slow"], {"skip": "x"}, {"xfail": {"strict": True}}]),
}
TESTS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abc") | st.text(max_size=3)}, optional=VALID_KEYS) | VALUES,
    max_size=3,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root directory with a table."""
    root = tmp_path_factory.mktemp("root")
    (root / "rows.csv").write_text("id,n\n1,a\n2,\n")
    return root


def load_or_refuse(directory: Path, content: bytes) -> None:
    path = directory / "any.sipfront.yaml"
    path.write_bytes(content)
    with suppress(YamlFileError):
        assert read_tests(path, directory)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnknownMarkWarning")
@given(tests=TESTS, calls=VALUES, defaults=VALUES | st.fixed_dictionaries({}, optional=VALID_KEYS))
def test_any_value_is_a_test_or_refused(directory: Path, tests: Any, calls: Any, defaults: Any) -> None:
    """No value at any place makes the reader fail in any other way."""
    document = {"tests": tests, "calls": [calls], "defaults": defaults}
    load_or_refuse(directory, yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass"))


DAMAGED = b"""include: rows.csv
defaults: &d {timeout: 3, markers: [slow]}
tests:
- <<: *d
  name: a
  test: "{n} ${HOME}"
  rows: rows.csv
  matrix: {m: [1, 2]}
calls:
- {name: b, phone_number: "+15550100200", steps: [{say: x}, hang_up]}
"""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnknownMarkWarning")
@given(st.data())
def test_any_damaged_file_is_a_suite_or_refused(directory: Path, data: st.DataObject) -> None:
    """Bytes are cut out, repeated, and replaced by others."""
    start = data.draw(st.integers(0, len(DAMAGED)))
    end = data.draw(st.integers(start, min(len(DAMAGED), start + 20)))
    load_or_refuse(directory, DAMAGED[:start] + data.draw(st.binary(max_size=5)) + DAMAGED[end:])
