"""The hooks that this plugin offers to others: implement them in a `conftest.py` or a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_sipfront.clients.sipfront.models import RunRequest
    from pytest_sipfront.engine.run import RunResult


@pytest.hookspec(firstresult=True)
def pytest_sipfront_before_launch(nodeid: str, request: RunRequest) -> RunRequest | None:
    """Look at a run before it is queued for its launch.

    Return another request to launch that instead (`dataclasses.replace(request, overrides={...})`), or None to leave
    it; the first that is not None counts. Raise `pytest_sipfront.LaunchVetoed("why")` to forbid it: the test is then
    reported as ERROR. Called in pytest's own thread; a run may be queued ahead of its test's setup.
    """


@pytest.hookspec
def pytest_sipfront_after_verdict(nodeid: str, result: RunResult) -> None:
    """Look at a run's verdict, whichever it is, in its test's setup (or body, for `sipfront.run`)."""
