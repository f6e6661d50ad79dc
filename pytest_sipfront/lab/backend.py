"""The seam between a lab file and what executes its tests: an engine adds keys to the file, an executor to the lab.

The package `pytest_sipfront.lab.calls` offers one by a function `engine() -> Engine`; a lab asks for it when it starts.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from pytest_sipfront.lab.platform.executor import ScriptedExecutor

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.lab_file import LabFile
    from pytest_sipfront.lab.file.schema import Field
    from pytest_sipfront.lab.platform.executor import Executor

CALLS = "pytest_sipfront.lab.calls"
CALL_FILE_KEYS = ("phones", "prompts", "target", "limits")
CALL_TEST_KEYS = ("steps", "conditions")


class Backend(Protocol):
    """Executes tests in one way and knows the lab file's keys for it."""

    @property
    def name(self) -> str:
        """The word announced for it, for example "scripted" or "calls"."""

    @property
    def file_keys(self) -> Mapping[str, Field]:
        """Further top-level keys of the file; their values arrive in `LabFile.extras`."""

    @property
    def test_keys(self) -> Mapping[str, Field]:
        """Further keys of a test; only `steps` and `conditions` are kept, as `TestSpec.steps` and `.conditions`."""

    @property
    def unavailable(self) -> str:
        """Why real calls cannot be placed here, in one sentence; "" when they can."""

    def check(self, file: LabFile) -> None:
        """Return if the file's parts fit together; opens nothing and starts nothing.

        Raises:
            LabFileError: They do not.
        """

    def executor(self, file: LabFile) -> Executor:
        """Return the executor for one file. It opens nothing before its first run: the former one may still be open.

        Raises:
            LabFileError: The file's parts do not fit together.
        """


class ScriptedBackend:
    """Executes no test: verdicts are those that the file names."""

    name = "scripted"
    file_keys: Mapping[str, Field] = {}
    test_keys: Mapping[str, Field] = {}

    def __init__(self, unavailable: str = "the call engine is not part of this installation") -> None:
        self.unavailable = unavailable

    def check(self, file: LabFile) -> None:
        """Nothing of what a script needs can be at odds."""

    def executor(self, file: LabFile) -> Executor:
        """Return an executor that waits and then says what the script says."""
        return ScriptedExecutor(seed=file.seed)


def in_words(engine: Backend, file: LabFile) -> str:
    """Say on one line how a lab with this engine and file comes to its verdicts."""
    calling = sum(test.steps is not None for test in file.tests.values())
    if engine.unavailable:
        return f"no call can be placed here, verdicts are scripted: {engine.unavailable}"
    if not calling:
        return "verdicts are scripted, no call is placed: no test of the lab file has steps"
    target = file.extras.get("target")
    where = f"with {target.address}" if target is not None else "on this machine"
    return f"{calling} of {len(file.tests)} tests place real calls {where} (SIP, RTP, DTMF)"


def available_backend() -> Backend:
    """Return the call engine, or the scripted one where this installation has none."""
    try:
        module = importlib.import_module(CALLS)
    except ModuleNotFoundError as error:
        return ScriptedBackend(f"the module {error.name} is missing")
    engine: Backend = module.engine()
    return engine
