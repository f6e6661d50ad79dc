"""The interface between a lab and the two ways to execute its tests: real calls, and scripted verdicts.

The package `pytest_sipfront.lab.calls` offers its backend by a function `engine() -> Backend`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pytest_sipfront.lab.platform.executor import ScriptedExecutor

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.calls_section import CallsMode
    from pytest_sipfront.lab.file.lab_file import LabFile
    from pytest_sipfront.lab.platform.executor import Executor
    from pytest_sipfront.yaml_models import KeyPath

    Mistake: TypeAlias = tuple[KeyPath, str]

CALLS = "pytest_sipfront.lab.calls"


class Backend(Protocol):
    """Executes the tests of a lab file."""

    @property
    def name(self) -> str:
        """Its name in announcements, for example "scripted" or "calls"."""

    @property
    def unavailable(self) -> str:
        """Why this machine cannot place real calls, as a phrase; "" if it can."""

    def scripted_reason(self, file: LabFile) -> str:
        """Return why tests with steps have the verdicts that the file names, or "" if they place calls."""

    def mistakes(self, file: LabFile) -> Iterator[Mistake]:
        """Yield key path and text of everything in the file that it cannot execute. No call is placed."""

    def executor(self, file: LabFile) -> Executor:
        """Return the executor for a file without mistakes.

        It opens its resources in its first run, since the executor of the previous file may still be open.
        """


class ScriptedBackend:
    """Reports the verdicts that the file names. It refuses the keys that only real calls can honour."""

    name = "scripted"

    def __init__(self, unavailable: str = "the call engine is not part of this installation") -> None:
        self.unavailable = unavailable

    def scripted_reason(self, file: LabFile) -> str:  # noqa: ARG002 - for any file
        """Return why this backend places no calls."""
        return f"this machine cannot place calls: {self.unavailable}"

    def mistakes(self, file: LabFile) -> Iterator[Mistake]:
        """Yield a mistake for each key that needs real calls."""
        paths: list[KeyPath] = [(key,) for key in ("prompts", "phones", "target") if getattr(file, key)]
        paths += [
            ("tests", name, key)
            for name, test in file.tests.items()
            for key in ("steps", "conditions")
            if getattr(test, key) is not None
        ]
        for path in paths:
            yield path, f"'{path[-1]}' needs real calls, and this lab cannot place any: {self.unavailable}"

    def executor(self, file: LabFile) -> Executor:
        """Return an executor that waits for the scripted time and reports the scripted verdict."""
        return ScriptedExecutor(seed=file.seed)


def in_words(backend: Backend, file: LabFile) -> str:
    """Describe on one line how a lab with this backend and file reaches its verdicts."""
    with_steps = sum(test.steps is not None for test in file.tests.values())
    if reason := backend.scripted_reason(file):
        return f"verdicts are scripted, {reason}"
    if not with_steps:
        return "verdicts are scripted, no test of the lab file has steps"
    where = f"with {file.target.address}" if file.target is not None else "on this machine"
    return f"{with_steps} of {len(file.tests)} tests place real calls {where} (SIP, RTP, DTMF)"


def available_backend(calls: CallsMode = "auto") -> Backend:
    """Return the backend for real calls, or the scripted one if it cannot be imported.

    Args:
        calls: How runs with steps get their verdicts; "auto" leaves that to the lab file.
    """
    try:
        module = importlib.import_module(CALLS)
    except ModuleNotFoundError as error:
        return ScriptedBackend(f"the module {error.name} is missing")
    backend: Backend = module.engine(calls)
    return backend
