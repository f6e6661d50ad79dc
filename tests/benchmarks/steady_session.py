"""Measure memory and open descriptors of pytest and engine over a session of many short runs. Linux only.

    python -m tests.benchmarks.steady_session [--runs 2000] [--places 20]

Each ratio compares the last tenth of the session with the tenth after its first third.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.sessions import NOT_THE_USERS, USERS_ENVIRONMENT
from tests.benchmarks.timed_platform import KEY_PAIR, timed_platform

SUITE = """
import pytest

@pytest.mark.parametrize("n", range({runs}))
@pytest.mark.sipfront(test="Short call of 0.05", step_1_0_dial_destination="{{n}}")
def test_call(n):
    pass
"""
_SAMPLE_SECONDS = 0.2


@dataclass(slots=True)
class Samples:
    """The memory in MB and the number of descriptors of one process over time."""

    megabytes: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def take(self, pid: int) -> None:
        """Add a sample of a process, unless it has ended."""
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        except OSError:
            return
        self.megabytes.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        self.descriptors.append(descriptors)


def growth(values: list[float]) -> str:
    """Return the ratio of the end to the middle, and both values."""
    tenth = max(len(values) // 10, 1)
    third = len(values) // 3
    before, after = statistics.median(values[third : third + tenth]), statistics.median(values[-2 * tenth : -tenth])
    return f"{after / before:.2f} ({before:.0f} -> {after:.0f})"


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--places", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, timed_platform() as platform:
        directory = Path(name)
        (directory / "test_short.py").write_text(SUITE.format(runs=given.runs))
        ledger = directory / "ledger.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", *NOT_THE_USERS, f"--sipfront-ledger={ledger}"]
        command += [f"--sipfront-base-url={platform.url}", f"--sipfront-concurrency={given.places}"]
        process = subprocess.Popen(
            [*command, "--sipfront-poll-interval=0.1"],
            cwd=directory,
            env=USERS_ENVIRONMENT | KEY_PAIR,
            stdout=subprocess.DEVNULL,
        )
        samples = {"pytest": Samples(), "engine": Samples()}
        while process.poll() is None:
            samples["pytest"].take(process.pid)
            if ledger.exists() and (first := ledger.read_text().partition("\n")[0]):
                samples["engine"].take(json.loads(first)["pid"])
            time.sleep(_SAMPLE_SECONDS)
        assert process.returncode == 0
        assert len(platform.counts().ends) == given.runs
    print(f"{given.runs} short runs, {given.places} at once; end / middle of the session (wanted: 1.0)")
    for what, taken in samples.items():
        print(
            f"{what}: memory in MB {growth(taken.megabytes)}, descriptors {growth(list(map(float, taken.descriptors)))}"
        )


if __name__ == "__main__":
    main()
