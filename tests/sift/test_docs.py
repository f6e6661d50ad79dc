"""The page "Sift calls" documents every verb, setting and key, and its lab files are valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.calls.calls_backend import CallsBackend
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.file.sift_section import CallbackFault, Callee, Caller, SiftFault, SiftSpec, Turn
from pytest_sipfront.plugin import sift_options
from pytest_sipfront.plugin.sift_options import ENVIRONMENT
from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.calls import Incoming, Sift

PAGE = (Path(__file__).parents[2] / "docs" / "sift.md").read_text(encoding="utf-8")
LAB_FILES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", LAB_FILES)
def test_every_lab_file_of_the_page_is_valid(text: str) -> None:
    """A reader can copy each of them."""
    assert load(text, CallsBackend() if "phones:" in text else ScriptedBackend()).sift is not None


@pytest.mark.parametrize("kind", [Call, Sift, Incoming])
def test_the_page_documents_every_public_name(kind: type) -> None:
    """The verbs of a call, and the methods of the account and of incoming calls."""
    hidden = {"close", "ask"}
    for name in dir(kind):
        if not name.startswith("_") and name not in hidden:
            assert re.search(rf"\b{name}\b", PAGE), name


def test_the_page_documents_every_setting() -> None:
    """The option, its environment variable and its ini key."""
    for option in sift_options.OPTIONS:
        for name in (option.flag, option.environment, option.ini):
            assert f"`{name}`" in PAGE
    for name in ENVIRONMENT:
        assert f"`{name}`" in PAGE


def test_the_page_documents_every_key_of_the_section() -> None:
    """The keys of the section `sift` of a lab file."""
    models = (SiftSpec, Turn, Callee, Caller, CallbackFault)
    kinds = get_args(SiftFault.model_fields["on"].annotation)
    keys = {field.validation_alias or name for model in models for name, field in model.model_fields.items()}
    for key in (*keys, *kinds):
        assert re.search(rf"\b{key}\b", PAGE), key
