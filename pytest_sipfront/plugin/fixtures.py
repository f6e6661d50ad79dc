"""The fixtures that the plugin offers."""

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
    """Launch Sipfront runs from a test's body, in the words of the mark.

    `sipfront.run(test="Basic call", step_1_0_dial_destination="43123")` waits for the verdict and returns a
    `RunResult`; `sipfront.launch(...)` returns at once, and its `wait()` gives the result. `tests()`, `projects()`,
    `stats(run)` and `request(...)` ask the platform.
    """
    from pytest_sipfront.plugin.runtest_hooks import watch  # noqa: PLC0415
    from pytest_sipfront.plugin.sipfront_fixture import Sipfront  # noqa: PLC0415 - only who asks pays for it

    watch(request.config)  # who asks for a fixture by its name in a test's body was not to be seen before
    state = request.config.stash[STATE]
    return Sipfront(state.session, state.recorder, state.origin)


@pytest.fixture
def sipfront_run(request: pytest.FixtureRequest) -> RunResult:
    """The finished run of a test marked with `@pytest.mark.sipfront(...)`.

    A `RunResult`: `verdict`, `result_description`, `duration` (seconds), `report_url`, `status`, `raw` and more. The
    run starts after all other fixtures of the test, wherever this one stands among its arguments; fixtures that ask
    for it come after it.
    """
    __tracebackhide__ = True
    return request.config.stash[STATE].marked.run(request.node)


@pytest.fixture(scope="session")
def sipfront_lab(request: pytest.FixtureRequest) -> Iterator[LabHandle]:
    """The running lab of `--sipfront-lab`; without it, a lab of this fixture's own, with the built-in file."""
    from pytest_sipfront.lab import LabHandle, start_lab  # noqa: PLC0415 - only who asks pays for it

    shared = request.config.stash[STATE].lab
    if shared is not None:
        yield LabHandle(shared()["url"])
        return
    with start_lab() as lab:
        yield lab


@pytest.fixture(scope="session")
def sipfront_doctor() -> Diagnosis:
    """Whether the lab can place calls on this machine: `assert sipfront_doctor.sound, sipfront_doctor`."""
    from pytest_sipfront.lab import examine  # noqa: PLC0415 - only who asks pays for it

    return examine()
