"""Run sessions on the platform for benchmarks and measure them from the start of their process to its end."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.benchmarks.timed_platform import KEY_PAIR, Counts, TimedPlatform

USERS_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Python caches bytecode, as on the machine of a user."""
NOT_THE_USERS = ("-p", "no:hypothesispytest")
"""Disable hypothesis, which imports all of its modules at the end of a session."""
_ONE_RUN = "import pytest\n@pytest.mark.sipfront(test='Call of 0')\ndef test_it():\n    pass\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Measurements of a session.

    Attributes:
        seconds: From the start of its process to its end.
        polls: Number of status polls.
        late: Seconds from the end of each run, by the platform's clock, to its verdict in the ledger.
        cpu_seconds: CPU time of pytest, its workers and the engine.
        megabytes: The most memory that one of them had.
    """

    seconds: float
    polls: int
    late: list[float]
    cpu_seconds: float
    megabytes: float

    @property
    def typical_delay(self) -> float:
        """The median of `late`."""
        return statistics.median(self.late)


def measure(directory: Path, platform: TimedPlatform, *options: str) -> Measured:
    """Run the suite in `directory`. Every run must be launched once, and pass."""
    polls, known = platform.counts().polls, len(platform.counts().ends)
    ledger = directory / f"ledger-{time.monotonic_ns()}.jsonl"
    command = [sys.executable, "-m", "pytest", "-q", *NOT_THE_USERS]
    command += [f"--sipfront-base-url={platform.url}", f"--sipfront-ledger={ledger}"]
    output = directory / "output.txt"
    began = time.monotonic()
    with output.open("wb") as file:
        process = subprocess.Popen([*command, *options], cwd=directory, env=USERS_ENVIRONMENT | KEY_PAIR, stdout=file)
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    assert status == 0, output.read_text()[-3000:]
    counts = platform.counts()
    late = _late(ledger, counts)
    launched, tests = len(counts.ends) - known, int(output.read_text().rpartition(" passed")[0].split()[-1])
    assert launched == len(late) == tests > 0, f"{tests} tests, {launched} launches, {len(late)} verdicts"
    return Measured(
        seconds=seconds,
        polls=counts.polls - polls,
        late=late,
        cpu_seconds=used.ru_utime + used.ru_stime,
        megabytes=used.ru_maxrss / 1024,
    )


def warm_up(directory: Path, platform: TimedPlatform) -> None:
    """Run a session of one run, so that Python caches its bytecode."""
    directory.mkdir()
    (directory / "test_it.py").write_text(_ONE_RUN)
    measure(directory, platform)


def forget_durations(directory: Path) -> None:
    """Remove what earlier sessions have learned."""
    shutil.rmtree(directory / ".pytest_cache", ignore_errors=True)


def _late(ledger: Path, counts: Counts) -> list[float]:
    run_of: dict[str, str] = {}
    late = []
    for event in map(json.loads, ledger.read_text().splitlines()):
        if event["event"] == "launched":
            run_of[event["launch"]] = event["status_url"].split("/")[-2]
        elif event["event"] == "verdict":
            late.append(datetime.fromisoformat(event["at"]).timestamp() - counts.ends[run_of[event["launch"]]])
    return late
