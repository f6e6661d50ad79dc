"""The pages about the lab are valid lab files, pass as real calls, and document every key and measure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.calls import engine
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.file.calls_section import (
    PASSWORD_VARIABLE,
    USER_VARIABLE,
    CallLimits,
    MenuState,
    Phone,
    PromptSpec,
)
from pytest_sipfront.lab.file.lab_file import AccountFault, TestSection
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.file.steps import (
    CallAction,
    ExpectDtmfAction,
    HangUpAction,
    HoldAction,
    PlayAction,
    RegisterAction,
    SendDtmfAction,
    WaitAction,
)
from pytest_sipfront.lab.platform.endpoints import ENDPOINTS
from pytest_sipfront.lab.platform.executor import LabRunResult
from tests.lab.calls.placing import find_all, needs_stack

ACCOUNT_FAULTS = get_args(AccountFault.model_fields["on"].annotation)
DOCS = Path(__file__).parents[2] / "docs"
PAGE, CALLS, TUTORIAL = ((DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("lab", "calls", "tutorial"))
EXAMPLES, CALL_EXAMPLES = (re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) for page in (PAGE, CALLS + TUTORIAL))


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_lab_file_of_the_docs_is_valid(example: str) -> None:
    """A reader can copy each of them."""
    text = example if "\ntests:" in f"\n{example}" else f"{example}\ntests: {{}}"
    assert load(text, ScriptedBackend()).account is not None


def test_every_key_is_documented() -> None:
    """The keys of tests and faults, with all endpoints."""
    assert EXAMPLES
    for key in (*TestSection.model_fields, *AccountFault.model_fields, *ACCOUNT_FAULTS):
        assert re.search(rf"\b{key}\b", PAGE), key


def test_a_fault_can_select_every_endpoint() -> None:
    """Only requests to an unknown path cannot be selected."""
    assert {endpoint.kind for endpoint in ENDPOINTS} - {"unknown"} == set(ACCOUNT_FAULTS) - {"any"}


@pytest.mark.parametrize("example", CALL_EXAMPLES)
def test_every_lab_file_about_calls_is_valid(example: str) -> None:
    """The prompts and phones of each of them exist."""
    assert load(example, engine()).limits.concurrent_calls > 0


@pytest.fixture(scope="module")
def placed() -> dict[str, LabRunResult]:
    """The result of every test of the pages that calls a phone of the lab, by its name."""
    results: dict[str, LabRunResult] = {}
    for example in CALL_EXAMPLES:
        if "steps:" in example and "target:" not in example:
            names = list(load(example, engine()).tests)
            results |= zip(names, find_all(example, [(name, {}) for name in names]), strict=True)
    return results


@pytest.mark.slow
@needs_stack
def test_every_call_of_the_docs_passes(placed: Mapping[str, LabRunResult]) -> None:
    """Each test is executed as a real call."""
    assert {name: result.description for name, result in placed.items()} == dict.fromkeys(placed, "")
    assert {result.state for result in placed.values()} == {"passed"}


@pytest.mark.slow
@needs_stack
def test_every_measure_is_documented_with_its_unit(placed: Mapping[str, LabRunResult]) -> None:
    """The table of the page has the name and the unit of each."""
    rows = [line for line in CALLS.splitlines() if line.startswith("| `")]
    for name, measure in placed["IVR to sales"].measures.items():
        spelled = re.sub("(?<=_)(caller|callee)$", "...", name)
        assert any(f"`{spelled}`" in row and (measure.unit or "none") in row for row in rows), name


ACTIONS = (
    RegisterAction,
    WaitAction,
    CallAction,
    SendDtmfAction,
    ExpectDtmfAction,
    PlayAction,
    HoldAction,
    HangUpAction,
)


@pytest.mark.parametrize("part", [Phone, MenuState, PromptSpec, Conditions, CallLimits, *ACTIONS])
def test_every_key_about_calls_is_documented(part: Any) -> None:
    """The keys of phones, prompts, steps, conditions and limits."""
    action = part.model_fields.get("action")
    keys = set(part.model_fields) - {"digits", "action"} | {action.default if action else "call"}
    assert not [key for key in keys if not re.search(rf"`{key}[`:]|\b{key}: ", CALLS)]


@pytest.mark.parametrize("name", [USER_VARIABLE, PASSWORD_VARIABLE, "user_variable", "password_variable"])
def test_the_source_of_credentials_is_documented(name: str) -> None:
    """The variables, and the keys that name other variables."""
    assert name in CALLS
