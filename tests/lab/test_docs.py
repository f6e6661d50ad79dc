from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_sipfront.lab.endpoints import ENDPOINTS
from pytest_sipfront.lab.engine import ScriptedEngine
from pytest_sipfront.lab.loading import ACCOUNT_FAULTS, FAULT_FIELDS, TEST_FIELDS, load

PAGE = (Path(__file__).parents[2] / "docs" / "lab.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_lab_file_of_the_docs_is_valid(example: str) -> None:
    """What a reader copies works as it stands."""
    text = example if "\ntests:" in f"\n{example}" else f"{example}\ntests: {{}}"
    assert load(text, ScriptedEngine()).account is not None


def test_every_key_is_documented() -> None:
    """The page is the format's reference."""
    assert EXAMPLES
    for key in (*TEST_FIELDS, *FAULT_FIELDS, *ACCOUNT_FAULTS):
        assert re.search(rf"\b{key}\b", PAGE), key


def test_faults_know_a_word_for_every_endpoint() -> None:
    """An endpoint that no fault could name would be out of reach for tests; a wrong path needs no fault."""
    assert {endpoint.kind for endpoint in ENDPOINTS} - {"unknown"} == set(ACCOUNT_FAULTS) - {"any"}
