"""From a seed to a session with faults: its tests, the scripts of the platform, and the outcome of each test."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fault_sessions.catalogue import DEADLINE, FAULTS, HOSTILE, Fault, status_of
from tests.fault_sessions.fault_server import (
    REGULAR,
    AttemptScript,
    LaunchStep,
    Reply,
    RunScript,
)

FAILURE = "486 Busy Here"
SKIPPED = "not launched because of an earlier error: "
UNAVAILABLE_LIMIT = 3
"""Runs in a row without an answer of the platform after which no run is launched."""
MODES: tuple[tuple[str, ...], ...] = (
    (),
    ("--sipfront-concurrency=20",),
    ("-n2",),
    ("-n2", "--sipfront-concurrency=20"),
    ("--sipfront-concurrency=3",),
)
REPORTS: tuple[tuple[str, ...], ...] = ((), ("-v",), ("-rA", "--tb=short"), ("-vv", "--tb=long"), ("-q", "--tb=line"))
LIST_REPLIES = (
    *(REGULAR, REGULAR, status_of(404, "Not Found"), status_of(500, HOSTILE.encode("ascii", "ignore").decode()[:3])),
    *(Reply(body=HOSTILE), Reply(act="reset"), Reply(body='{"tests": [{"name": 1, "id": 1e400}, {"name": "Call 0"}]}')),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The JUnit element of a test case ("passed" without one), and a part of its message."""

    element: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a test: its verdict without faults, the polls until the end, and its faults, one per request."""

    verdict: str = "passed"
    polls: int = 1
    faults: tuple[Fault, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The outcome: the first error, or the verdict."""
        error = self._error
        if error is not None:
            return Outcome(element="error", message=error.message)
        if self.verdict == "passed":
            return Outcome(element="passed")
        messages = [fault.message for fault in self.faults if fault.when == "end" and fault.message]
        return Outcome(element="failure", message=messages[0] if messages else FAILURE)

    @property
    def places_call(self) -> bool:
        """Whether the platform places a call."""
        fault = self._at("launch")
        return fault is None or fault.places_call or fault.is_refused_for_now

    @property
    def is_gone(self) -> bool:
        """Whether the attempt ends as if the platform as a whole were unavailable."""
        return self._error is not None and self._error.gone

    @property
    def script(self) -> AttemptScript:
        """What the platform sends."""
        launch, poll, end = self._at("launch"), self._at("poll"), self._at("end")
        polls: tuple[Reply, ...] = (REGULAR,) * self.polls
        if poll is not None:
            polls += poll.replies * 2_000 if poll.forever else poll.replies
        ends: tuple[Reply, ...] = (REGULAR,)
        if end is not None:
            ends = end.replies if end.forever else (*end.replies, REGULAR)
        return AttemptScript(
            launches=launch.launch_steps if launch else (LaunchStep(),),
            run=RunScript(verdict=self.verdict, polls=polls, ends=ends),
        )

    @property
    def _error(self) -> Fault | None:
        return next((fault for fault in self.faults if fault.outcome == "error"), None)

    def _at(self, when: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.when == when), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTest:
    """One test of a session.

    Attributes:
        number: Its number in the session.
        attempts: The attempts at it. The first that passes is the last one.
        in_body: Whether its body launches the run, instead of a marker.
        exclusive: The name that no two concurrent runs share; "" for none.
    """

    number: int
    attempts: tuple[Attempt, ...]
    in_body: bool = False
    exclusive: str = ""

    @property
    def name(self) -> str:
        """The name of the test on the platform."""
        return f"Call {self.number}"

    @property
    def case(self) -> str:
        """The name of the test case."""
        return f"test_{self.number}"

    @property
    def made(self) -> tuple[Attempt, ...]:
        """The attempts that are made if no launch is skipped."""
        outcomes = [attempt.outcome.element for attempt in self.attempts]
        return self.attempts[: outcomes.index("passed") + 1] if "passed" in outcomes else self.attempts

    @property
    def outcome(self) -> Outcome:
        """The outcome of the last attempt."""
        return self.made[-1].outcome

    @property
    def code(self) -> str:
        """The test function."""
        waits = any(fault.waits and fault.when != "launch" for attempt in self.attempts for fault in attempt.faults)
        timeout = f", timeout={DEADLINE:g}" if waits else ""
        if self.in_body:
            return f"def {self.case}(sipfront): sipfront.run(test={self.name!r}{timeout})\n"
        exclusive = f", exclusive={self.exclusive!r}" if self.exclusive else ""
        return f"@pytest.mark.sipfront(test={self.name!r}{timeout}{exclusive})\ndef {self.case}(): pass\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One session.

    Attributes:
        tests: Its tests.
        options: Its options.
        server: More arguments of the platform.
        limit: Maximum number of concurrent runs.
        max_launches: The budget; 0 for none.
        tolerated: Parts of messages of errors that any test may have instead of its own outcome.
    """

    tests: tuple[PlannedTest, ...]
    options: tuple[str, ...]
    server: dict[str, Any] = field(default_factory=dict)
    limit: int = 1
    max_launches: int = 0
    tolerated: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The test module."""
        return "import pytest\n" + "".join(test.code for test in self.tests)

    @property
    def scripts(self) -> dict[str, Sequence[AttemptScript]]:
        """The scripts of the platform."""
        return {test.name: [attempt.script for attempt in test.attempts] for test in self.tests}


def plan_of(seed: int) -> Plan:
    """Return the session of a seed. Each fault of the catalogue is the first of every 200th or so."""
    chance = random.Random(seed)
    mode = MODES[seed % len(MODES)]
    reruns = chance.random() < 0.3
    exclusive = "line" if chance.random() < 0.15 else ""
    order = random.Random(seed // len(FAULTS)).sample(FAULTS, len(FAULTS))
    first = order[seed % len(FAULTS)]
    tests = tuple(
        PlannedTest(
            number=number,
            attempts=tuple(_attempt(chance, first if number == n == 0 else None) for n in range(1 + reruns)),
            in_body=chance.random() < 0.15,
            exclusive=exclusive,
        )
        for number in range(chance.randint(3, 8))
    )
    options = [*mode, *chance.choice(REPORTS), *(["--reruns=1"] if reruns else [])]
    options += ["--sipfront-body=form"] if chance.random() < 0.1 else []
    max_launches = chance.randint(1, len(tests)) if chance.random() < 0.1 else 0
    options += [f"--sipfront-max-runs={max_launches}"] if max_launches else []
    tolerated = [f"the budget of {max_launches} runs is spent"] if max_launches else []
    attempts = [attempt for test in tests for attempt in test.attempts]
    if any(fault.rejects_keys for attempt in attempts for fault in attempt.faults):
        tolerated += [SKIPPED, "Sipfront refused the credentials"]
    if sum(attempt.is_gone for attempt in attempts) >= UNAVAILABLE_LIMIT:
        tolerated.append(SKIPPED)
    server: dict[str, Any] = {"list_reply": chance.choice(LIST_REPLIES)}
    retry_for = 30
    match chance.randrange(12):
        case 0:
            server["listens_after"] = chance.uniform(0.5, 1.5)
        case 1:
            server["reset_every"] = chance.randint(2, 5)
            tolerated += [SKIPPED, "the run may have been started: the connection", "cannot be reached"]
        case 2:
            server["requests_until_outage"], retry_for = chance.randint(1, 20), 1
            tolerated += [SKIPPED, "cannot be reached", "broke: "]
    acts = {reply.act for attempt in attempts for fault in attempt.faults for reply in fault.replies}
    read = 1 if acts & {"hang", "drip"} else 10
    options += [f"--sipfront-retry-for={retry_for}", f"--sipfront-read-timeout={read}", "--sipfront-connect-timeout=1"]
    limits = [int(option.partition("=")[2]) for option in mode if "concurrency" in option]
    return Plan(
        tests=tests,
        options=tuple(options),
        server=server,
        limit=limits[0] if limits else 2 if "-n2" in mode else 1,
        max_launches=max_launches,
        tolerated=tuple(tolerated),
    )


def _attempt(chance: random.Random, first: Fault | None) -> Attempt:
    """Return an attempt with the fault `first`, or with up to three faults by chance."""
    verdict = first.verdict if first and first.verdict else chance.choice(("passed", "passed", "failed"))
    chosen = [first] if first else []
    wanted = chance.choice((0, 0, 1, 1, 2, 3)) if first is None else chance.choice((0, 0, 1))
    for fault in chance.sample(FAULTS, 40):
        is_free = all(fault.when != other.when for other in chosen)
        is_quick = not (fault.waits or fault.rejects_keys) and not any(other.waits for other in chosen)
        if len(chosen) < wanted + bool(first) and is_free and is_quick and fault.verdict in {None, verdict}:
            chosen.append(fault)
    chosen.sort(key=lambda fault: ("launch", "poll", "end").index(fault.when))
    return Attempt(verdict=verdict, polls=chance.randint(0, 2), faults=tuple(chosen))
