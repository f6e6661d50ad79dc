"""Run sessions against a lab and measure them from the start of their process to its end."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pytest_sipfront.lab.process import LabProcess

USERS_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Python caches bytecode, as on the machine of a user."""
NOT_THE_USERS = ("-p", "no:hypothesispytest")
"""Disable hypothesis, which imports all of its modules at the end of a session."""
WARM_UP = "Warm up"
"""A test that the lab must know."""
_ONE_RUN = f"import pytest\n@pytest.mark.sipfront(test='{WARM_UP}')\ndef test_it():\n    pass\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Measurements of a session.

    Attributes:
        seconds: From the start of its process to its end.
        polls: Number of status polls.
        late: Seconds from the end of each run, by the lab's clock, to its verdict in the ledger.
        cores: The part of a core that it used.
        megabytes: The most memory that it had.
    """

    seconds: float
    polls: int
    late: list[float]
    cores: float
    megabytes: float

    @property
    def typical_delay(self) -> float:
        """The median of `late`."""
        return statistics.median(self.late)


def measure(directory: Path, lab: LabProcess, *options: str) -> Measured:
    """Run the suite in `directory`. Every run must be launched once, and pass."""
    ledger = directory / f"ledger-{time.monotonic_ns()}.jsonl"
    launches, polls, runs = lab.launches, lab.polls, len(lab.runs)
    command = [sys.executable, "-m", "pytest", "-q", *NOT_THE_USERS]
    command += [f"--sipfront-base-url={lab.url}", f"--sipfront-ledger={ledger}"]
    keys = {"SIPFRONT_PUBLIC_KEY": lab.public_key, "SIPFRONT_SECRET_KEY": lab.secret_key}
    output = directory / "output.txt"
    began = time.monotonic()
    with output.open("wb") as file:
        process = subprocess.Popen([*command, *options], cwd=directory, env=USERS_ENVIRONMENT | keys, stdout=file)
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    assert status == 0, output.read_text()[-3000:]
    late = _late(ledger, lab, runs)
    launched, tests = lab.launches - launches, int(output.read_text().rpartition(" passed")[0].split()[-1])
    assert launched == len(late) == tests > 0, f"{tests} tests, {launched} launches, {len(late)} verdicts"
    return Measured(
        seconds=seconds,
        polls=lab.polls - polls,
        late=late,
        cores=(used.ru_utime + used.ru_stime) / seconds,
        megabytes=used.ru_maxrss / 1024,
    )


def warm_up(directory: Path, lab: LabProcess) -> None:
    """Run a session of one run, so that Python caches its bytecode."""
    directory.mkdir()
    (directory / "test_it.py").write_text(_ONE_RUN)
    measure(directory, lab)


def _late(ledger: Path, lab: LabProcess, before: int) -> list[float]:
    origin = time.time() - lab.now  # the lab's clock in UTC
    ended = {run["uuid"]: origin + run["stopped"] for run in lab.runs[before:]}
    run_of: dict[str, str] = {}
    late = []
    for event in map(json.loads, ledger.read_text().splitlines()):
        if event["event"] == "launched":
            run_of[event["launch"]] = event["status_url"].split("/")[-2]
        elif event["event"] == "verdict":
            late.append(datetime.fromisoformat(event["at"]).timestamp() - ended[run_of[event["launch"]]])
    return late
