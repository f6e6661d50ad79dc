"""Sessions on a platform with faults. The environment variable FAULT_SESSIONS sets their number (default: 24)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fault_sessions.catalogue import FAULTS, Fault
from tests.fault_sessions.plan import Attempt, Plan, PlannedTest, plan_of
from tests.fault_sessions.session import run_session, violations

SESSIONS = int(os.environ.get("FAULT_SESSIONS", "24"))
OPTIONS = ("--sipfront-retry-for=30", "--sipfront-connect-timeout=1")


def alone(faults: list[Fault], *options: str, limit: int = 1) -> Plan:
    """Return a session with one test for each fault."""
    attempts = [Attempt(verdict=fault.verdict or "passed", faults=(fault,)) for fault in faults]
    tests = tuple(PlannedTest(number=number, attempts=(attempt,)) for number, attempt in enumerate(attempts))
    return Plan(tests=tests, options=(*OPTIONS, *options), limit=limit)


def interleaved(faults: list[Fault]) -> Plan:
    """Return a session with one test for each fault, and a test without faults after each of them."""
    attempts = [
        attempt
        for fault in faults
        for attempt in (Attempt(verdict=fault.verdict or "passed", faults=(fault,)), Attempt())
    ]
    tests = tuple(PlannedTest(number=number, attempts=(attempt,)) for number, attempt in enumerate(attempts))
    return Plan(tests=tests, options=(*OPTIONS, "--sipfront-read-timeout=1"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SESSIONS))
def test_a_session_with_faults_keeps_its_promises(tmp_path: Path, seed: int) -> None:
    """No wrong verdict, no second launch, no hang, no lost test case, no traceback, and the secret nowhere."""
    assert list(violations(run_session(plan_of(seed), tmp_path))) == []


def test_each_fault_alone_has_the_documented_outcome(tmp_path: Path) -> None:
    """All faults after which the platform counts as available, in one session."""
    faults = [fault for fault in FAULTS if not (fault.gone or fault.waits or fault.rejects_keys)]
    plan = alone(faults, "--sipfront-concurrency=20", "--sipfront-read-timeout=10", limit=20)
    assert list(violations(run_session(plan, tmp_path))) == []


@pytest.mark.slow
def test_each_fault_that_makes_the_platform_unavailable_has_the_documented_outcome(tmp_path: Path) -> None:
    """One after another, with a test without faults in between, so that launches go on."""
    faults = [fault for fault in FAULTS if (fault.gone or fault.waits) and not fault.rejects_keys]
    assert list(violations(run_session(interleaved(faults), tmp_path))) == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.rejects_keys], ids=lambda f: f"{f.when} {f.name}")
def test_no_test_is_launched_after_rejected_credentials(tmp_path: Path, fault: Fault) -> None:
    """The test has the documented outcome."""
    assert list(violations(run_session(alone([fault]), tmp_path))) == []
