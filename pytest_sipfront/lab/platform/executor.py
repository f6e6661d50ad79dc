"""The seam between the account, which keeps runs, and what makes a run happen and finds its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.lab_file import TestSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One measured value of a run: `value` in `unit` ("" where the number has none), for example 4.3 in "MOS"."""

    value: float | str | bool | None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRunResult:
    """What an execution found: the run's final state, why, and the evidence.

    `ladder` holds the SIP messages in order as (seconds since the run's start, direction, first line);
    `recordings` maps a name ("caller", "callee") to a WAV file's bytes. `scripted` is true where the state was
    read from the file and nothing was executed; reports say so.
    """

    state: str
    description: str = ""
    measures: Mapping[str, Measure] = field(default_factory=dict)
    ladder: tuple[tuple[float, str, str], ...] = ()
    recordings: Mapping[str, bytes] = field(default_factory=dict)
    scripted: bool = False


class Executor(Protocol):
    """Executes one run of one test. Cancelling the task ends whatever the run has open."""

    async def execute(self, test: TestSpec, parameters: Mapping[str, str]) -> LabRunResult:
        """Return the finding; `parameters` are the test's own, with the launch's overrides laid over them."""
        ...

    async def close(self) -> None:
        """End everything that is still open; called once, when the lab stops or gets another file."""
        ...
