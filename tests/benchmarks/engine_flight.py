"""A thousand runs in flight at once: how late a verdict is known, and what watching costs.

python tests/benchmarks/engine_flight.py [--runs 1000] [--seconds 60] [--interval 3]
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
from datetime import datetime
from pathlib import Path

from pytest_sipfront.lab.process import LabProcess, start_lab

SUITE = """
import pytest

@pytest.mark.parametrize("n", range({runs}))
@pytest.mark.sipfront(test="Long call", step_1_0_dial_destination="{{n}}")
def test_call(n):
    pass
"""


def session(directory: Path, lab: LabProcess, runs: int, interval: float) -> str:
    """Run the suite; return what was measured, of this session's process alone."""
    ledger = directory / f"ledger-{time.monotonic_ns()}.jsonl"
    before = (lab.launches, lab.polls, len(lab.runs))
    command = [
        *(sys.executable, "-m", "pytest", "-q", f"--sipfront-base-url={lab.url}"),
        *(f"--sipfront-poll-interval={interval}", f"--sipfront-concurrency={runs}", f"--sipfront-ledger={ledger}"),
    ]
    keys = {"SIPFRONT_PUBLIC_KEY": lab.public_key, "SIPFRONT_SECRET_KEY": lab.secret_key}
    began = time.monotonic()
    with (directory / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=directory, env=os.environ | keys, stdout=output)
        _, status, own = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    assert status == 0, (directory / "output.txt").read_text()[-2000:]
    origin = time.time() - lab.now  # the lab's clock in UTC
    ended = {run["uuid"]: origin + run["stopped"] for run in lab.runs[before[2] :]}
    late = []
    status_of: dict[str, str] = {}
    for line in ledger.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "launched":
            status_of[event["launch"]] = event["status_url"].split("/")[-2]
        elif event["event"] == "verdict":
            late.append(datetime.fromisoformat(event["at"]).timestamp() - ended[status_of[event["launch"]]])
    launched = lab.launches - before[0]
    assert launched == len(late) == runs, f"{launched} launched, {len(late)} verdicts"
    cores = (own.ru_utime + own.ru_stime) / wall
    return (
        f"median {statistics.median(late):.2f} s after the end ({statistics.median(late) / interval:.2f} intervals), "
        f"worst {max(late):.2f} s; {cores:.2f} of a core; {own.ru_maxrss / 1024:.0f} MB; {lab.polls - before[1]} polls"
    )


def main() -> None:
    """Print both sessions, the first and the one with history."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--interval", type=float, default=3)
    given = parser.parse_args()
    wanted = f"wanted: half an interval + 0.5 s = {given.interval / 2 + 0.5:g} s, under 200 MB"
    print(f"{given.runs} runs of {given.seconds:g} s in flight, a poll every {given.interval:g} s; {wanted}")
    with (
        tempfile.TemporaryDirectory() as name,
        start_lab(text=f"tests: {{Long call: {{takes: {given.seconds}}}}}") as lab,
    ):
        directory = Path(name)
        (directory / "test_many.py").write_text(SUITE.format(runs=given.runs))
        print("without history (wanted 0.8 of a core):", session(directory, lab, given.runs, given.interval))
        print("with history    (wanted 0.3 of a core):", session(directory, lab, given.runs, given.interval))


if __name__ == "__main__":
    main()
