"""Hooks of this plugin for `conftest.py` files and other plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_sipfront.clients.sipfront.models import RunRequest
    from pytest_sipfront.engine.run import RunResult


@pytest.hookspec(firstresult=True)
def pytest_sipfront_before_launch(nodeid: str, request: RunRequest) -> RunRequest | None:
    """Inspect, replace or reject a launch before it is queued.

    Called in the main thread. With look-ahead, the call may come before the setup of the test.

    Args:
        nodeid: The node id of the test.
        request: The launch request.

    Returns:
        Another request to send instead, e.g. `dataclasses.replace(request, overrides={...})`, or None to keep it.
        The first result that is not None wins.

    Raises:
        pytest_sipfront.LaunchVetoed: Raise it to reject the launch; the test is reported as ERROR.
    """


@pytest.hookspec
def pytest_sipfront_after_verdict(nodeid: str, result: RunResult) -> None:
    """Inspect the result of a run, passed or failed.

    Called in the setup of a marked test, or in the test body for `sipfront.run`.

    Args:
        nodeid: The node id of the test.
        result: The result of its run.
    """
