"""The fixtures of the plugin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.plugin.state import STATE

if TYPE_CHECKING:
    from pytest_sipfront.engine.run import RunResult
    from pytest_sipfront.lab import Diagnosis, LabHandle
    from pytest_sipfront.plugin.sipfront_fixture import Sipfront


@pytest.fixture(scope="session")
def sipfront(request: pytest.FixtureRequest) -> Sipfront:
    """Launch Sipfront runs from a test body, with the arguments of the marker.

    `sipfront.run(test="Basic call", step_1_0_dial_destination="43123")` waits for the verdict and returns a
    `RunResult`. `sipfront.launch(...)` returns immediately, and `wait()` of its result waits for the verdict.
    `endpoints()`, `tests()`, `projects()`, `runs()`, `last_run(test_id)`, `stats(run)` and `request(...)` query the
    platform.
    """
    from pytest_sipfront.plugin.runtest_hooks import watch  # noqa: PLC0415 - only for tests that use the fixture
    from pytest_sipfront.plugin.sipfront_fixture import Sipfront  # noqa: PLC0415

    watch(request.config)  # `request.getfixturevalue` is unknown at collection
    state = request.config.stash[STATE]
    return Sipfront(state.session, state.recorder, state.origin)


@pytest.fixture
def sipfront_run(request: pytest.FixtureRequest) -> RunResult:
    """The finished run of a test with `@pytest.mark.sipfront(...)`.

    A `RunResult` with `verdict`, `result_description`, `duration` in seconds, `report_url`, `status`, `raw` and more.
    The run starts after all other fixtures of the test, in whatever order the test requests them. Fixtures that
    request `sipfront_run` are set up after the run.
    """
    __tracebackhide__ = True
    return request.config.stash[STATE].marked.run(request.node)


@pytest.fixture(scope="session")
def sipfront_lab(request: pytest.FixtureRequest) -> Iterator[LabHandle]:
    """The lab of `--sipfront-lab`. Without that option, the fixture starts a lab with the built-in file."""
    from pytest_sipfront.lab import LabHandle, start_lab  # noqa: PLC0415 - only for tests that use the fixture

    shared = request.config.stash[STATE].lab
    if shared is not None:
        described = shared()
        yield LabHandle(described["url"], described["token"])
        return
    with start_lab() as lab:
        yield lab


@pytest.fixture(scope="session")
def sipfront_doctor() -> Diagnosis:
    """Check whether the lab can place calls on this machine: `assert sipfront_doctor.sound, sipfront_doctor`."""
    from pytest_sipfront.lab import examine  # noqa: PLC0415 - only for tests that use the fixture

    return examine()
