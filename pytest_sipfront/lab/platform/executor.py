"""How a run is executed: the interface of an executor, the result of a run, and the executor of scripted verdicts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pytest_sipfront.lab.file.lab_file import TestSpec
    from pytest_sipfront.lab.run_record import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One measured value of a run, for example 4.3 in "MOS".

    `unit` is "" for a number without a unit. `source` says how the value was measured, for example "packet capture".
    `bound` is what a condition requires, for example "at most 2 %", and `violated` whether the condition is violated.
    """

    value: float | str | bool | None
    unit: str = ""
    source: str = ""
    bound: str = ""
    violated: bool = False


class HeardPrompt(NamedTuple):
    """A prompt of the catalogue in what the caller heard: its name, its match (at most 1), its start in seconds."""

    prompt: str
    score: float
    at: float


class SipMessage(NamedTuple):
    """A SIP message of a call: seconds since the first one, "->" to the callee or "<-" to the caller, first line."""

    seconds: float
    direction: str
    line: str
    retransmission: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A condition that a call violates.

    Args:
        condition: Its key in the lab file.
        measured: The measured value, with its unit.
        required: The bound or value that the condition requires.
        text: The violation as a sentence.
        kind: The kind of failure, one word for grouping, for example "busy" or "one-way".
        call: The number of the call among those of its run.
        end: The end of the call that received the audio or digits: "caller", "callee", or "".
    """

    condition: str
    measured: str
    required: str
    text: str
    kind: str = "failed"
    call: int = 1
    end: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRunResult:
    """The final state of a run, the reason, and the evidence.

    Args:
        state: The final state as the platform reports it, for example "passed".
        description: The reason, "" for a run that passed.
        measures: Measured values by name.
        violations: The violated conditions, as far as the executor has measured them.
        ladder: The SIP messages of one call in order.
        prompts: The prompts that its caller heard.
        digits: The DTMF digits by the end that received them ("caller", "callee").
        digit_times: When each of them arrived, in seconds of the recording, by end.
        recordings: WAV files by the end that heard them ("caller", "callee").
        scripted: Whether the lab file named the state and no call was placed.
    """

    state: str
    description: str = ""
    measures: Mapping[str, Measure] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    ladder: tuple[SipMessage, ...] = ()
    prompts: tuple[HeardPrompt, ...] = ()
    digits: Mapping[str, str] = field(default_factory=dict)
    digit_times: Mapping[str, Sequence[float]] = field(default_factory=dict)
    recordings: Mapping[str, bytes] = field(default_factory=dict)
    scripted: bool = False


class Executor(Protocol):
    """Executes runs. Cancelling the task of a run ends everything that the run has open."""

    async def execute(
        self, test: TestSpec, parameters: Mapping[str, str], record: RunRecord | None = None
    ) -> LabRunResult:
        """Execute one run.

        Args:
            test: The test.
            parameters: Its parameters, updated with the launch's overrides.
            record: Receives messages, packets and audio while the run lasts; None to record nothing.
        """
        ...

    async def close(self) -> None:
        """End everything that is open. The lab calls it once: when it stops or receives another file."""
        ...


class ScriptedExecutor:
    """Waits as long as the lab file says and reports the verdict that the lab file names.

    The same `seed` draws the same durations.
    """

    def __init__(self, seed: int = 0, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a repeatable pause, not a secret
        self._sleep = sleep

    async def execute(
        self,
        test: TestSpec,
        parameters: Mapping[str, str],
        record: RunRecord | None = None,  # noqa: ARG002 - there is no call to record
    ) -> LabRunResult:
        """Wait the scripted seconds and return the scripted result."""
        outcome = test.outcome(parameters)
        await self._sleep(outcome.takes.draw(self._random))
        return LabRunResult(state=outcome.verdict, description=outcome.description, scripted=True)

    async def close(self) -> None:
        """Return at once, because scripted runs hold no resources."""
