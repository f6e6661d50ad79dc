"""Run the session of a plan in a process, and compare everything that it did with the plan."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.suite import CaseReport, case_report
from tests.fault_sessions.catalogue import DEADLINE, matches
from tests.fault_sessions.fault_server import PAIR, PUBLIC_KEY, SECRET_KEY, FaultServer, PlacedRun
from tests.fault_sessions.plan import Plan, PlannedTest

GRACE = 5.0
"""Seconds that a test may wait beyond its deadline."""
HANGS_AFTER = 240.0
LONGEST_REQUEST = 3.0
"""Seconds of one request with the timeouts of a session that has slow responses."""
CONFTEST = """
import os, time, pytest

def note(what, item):
    line = f"{what} {item.name} {time.monotonic()}\\n"
    with open("phases.txt", "ab", buffering=0) as file:
        file.write(line.encode())

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item): note("begin", item)

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item): note("end", item)
"""
_UNWANTED = ("INTERNALERROR", "internal error", "Traceback (most recent", "pytest_sipfront/", "site-packages", "\x1b")


@dataclass(slots=True, kw_only=True)
class Session:
    """A finished session.

    Attributes:
        plan: Its plan.
        output: What it printed.
        cases: The JUnit report of each test case, by name.
        phases: Begin and end of each attempt by test case, in monotonic seconds.
        placed: The runs that the platform started.
        launches: Time and test of each launch request.
        seconds: Its duration.
    """

    plan: Plan
    output: str
    directory: Path
    seconds: float
    placed: list[PlacedRun]
    launches: list[tuple[float, str]]
    returncode: int | None
    cases: dict[str, list[CaseReport]] = field(default_factory=lambda: defaultdict(list))
    phases: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))


def run_session(plan: Plan, directory: Path) -> Session:
    """Run the session of a plan in an empty directory."""
    (directory / "conftest.py").write_text(CONFTEST)
    (directory / "test_it.py").write_text(plan.module)
    (directory / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers --strict-config\n")
    command = [sys.executable, "-m", "pytest", "-pno:randomly", "-pno:hypothesispytest", "--junitxml=junit.xml"]
    command += ["--sipfront-poll-interval=0.02", "--sipfront-timeout=60", "--color=no", *plan.options]
    unset = ("SIPFRONT_", "PYTEST_", "PYTHONDONTWRITEBYTECODE", "HTTP_", "http_", "NO_PROXY", "no_proxy")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    environment |= {"SIPFRONT_PUBLIC_KEY": PUBLIC_KEY, "SIPFRONT_SECRET_KEY": SECRET_KEY}
    output = directory / "output.txt"
    with FaultServer(plan.scripts, **plan.server) as server, output.open("wb") as file:
        command.append(f"--sipfront-base-url={server.url}")
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            returncode: int | None = process.wait(HANGS_AFTER)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            returncode = None
        seconds = time.monotonic() - began
    session = Session(
        plan=plan,
        output=output.read_text(errors="replace"),
        directory=directory,
        seconds=seconds,
        placed=server.placed,
        launches=server.launches,
        returncode=returncode,
    )
    _read_files(session)
    return session


def _read_files(session: Session) -> None:
    junit, phases = session.directory / "junit.xml", session.directory / "phases.txt"
    if junit.exists():
        for case in ET.parse(junit).iter("testcase"):
            session.cases[case.attrib["name"]].append(case_report(case))
    begun: dict[str, float] = {}
    for line in phases.read_text().splitlines() if phases.exists() else []:
        what, name, at = line.split()
        if what == "begin":
            begun[name] = float(at)
        else:
            session.phases[name].append((begun[name], float(at)))


def violations(session: Session) -> Iterator[str]:
    """Yield what a session did that no session may do."""
    if session.returncode is None:
        yield f"hang: the session did not end within {HANGS_AFTER:g} s"
    elif session.returncode not in {0, 1}:
        yield f"exit code {session.returncode}"
    names = {test.case for test in session.plan.tests}
    if unknown := set(session.cases) - names:
        yield f"unexpected JUnit cases: {unknown}"
    yield from _unwanted_text(session)
    for test in session.plan.tests:
        yield from (f"{test.case}: {violation}" for violation in _of_test(session, test))
    yield from _too_many_at_once(session)
    if session.plan.max_launches and len(session.placed) > session.plan.max_launches:
        yield f"budget: {len(session.placed)} launches, {session.plan.max_launches} allowed"


def _unwanted_text(session: Session) -> Iterator[str]:
    for text in _UNWANTED:
        if text in session.output:
            yield f"output contains {text!r}"
    for line in session.output.splitlines():
        if line.strip().startswith(("::", "##[", "##vso[", "##teamcity[")):
            yield f"command to a CI server: {line[:100]!r}"
    for path in session.directory.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for secret in (SECRET_KEY, PAIR):
            if secret.encode() in content:
                yield f"the secret is in {path.relative_to(session.directory)}"


def _of_test(session: Session, test: PlannedTest) -> Iterator[str]:
    cases, attempts = session.cases[test.case], len(session.phases[test.case])
    if not cases:
        yield "lost: no JUnit case"
        return
    report = cases[-1]
    if not _is_allowed(report, test, session.plan.tolerated):
        yield f"is {report.outcome} {report.message!r} and should be {test.outcome}"
    runs = [run for run in session.placed if run.name == test.name]
    expected = sum(attempt.places_call for attempt in test.made)
    if len(runs) > attempts or (not session.plan.tolerated and len(runs) != expected):
        yield f"launched {len(runs)} times in {attempts} attempts and should be {expected} times"
    if report.outcome in {"passed", "failure"} and not any(_has_ended(run, report.outcome) for run in runs):
        yield f"{report.outcome}, and no run of this test reported that"
    yield from _waited_too_long(session, test)


def _is_allowed(report: CaseReport, test: PlannedTest, tolerated: tuple[str, ...]) -> bool:
    message = " ".join(report.message.split())
    # A launch that the platform did not see shifts the attempts of the plan.
    allowed = [attempt.outcome for attempt in test.attempts] if tolerated else [test.outcome]
    if any(report.outcome == outcome.element and matches(outcome.message, message) for outcome in allowed):
        return True
    return report.outcome == "error" and any(matches(text, message) for text in tolerated)


def _has_ended(run: PlacedRun, outcome: str) -> bool:
    return run.ended_at is not None and (run.script.verdict == "passed") == (outcome == "passed")


def _waited_too_long(session: Session, test: PlannedTest) -> Iterator[str]:
    """Compare each attempt with the deadline of its run, counted from the last launch request."""
    waits = any(fault.waits and fault.when != "launch" for attempt in test.attempts for fault in attempt.faults)
    limit = (DEADLINE if waits else 60.0) + LONGEST_REQUEST + GRACE
    launches = [at for at, name in session.launches if name == test.name]
    for begin, end in session.phases[test.case]:
        since = max((at for at in launches if at <= end), default=begin)
        if end - max(begin, since) > limit:
            yield f"waited for {end - max(begin, since):.1f} s, at most {limit:g} s are allowed"


def _too_many_at_once(session: Session) -> Iterator[str]:
    ended = [run for run in session.placed if run.ended_at is not None]
    exclusive = any(test.exclusive for test in session.plan.tests)
    in_body = {test.name for test in session.plan.tests if test.in_body}
    limit = 1 if exclusive and not in_body else session.plan.limit
    for run in ended:
        others = [other for other in ended if other.launched_at <= run.launched_at < (other.ended_at or 0.0)]
        if len(others) > limit:
            yield f"{len(others)} runs at once, {limit} allowed"
            return
