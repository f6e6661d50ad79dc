"""Whole sessions of many runs, against the bound that no scheduling can beat: max(longest run, sum of all / N).

python tests/benchmarks/engine_suite.py [--runs 400] [--places 100] [--workers 16]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_sipfront.lab.process import LabProcess, start_lab

SUITE = """
import pytest

@pytest.mark.parametrize("n", range({runs}))
@pytest.mark.sipfront(test="Call {{n}}")
def test_call(n):
    pass
"""


def durations(runs: int) -> list[float]:
    """What the runs take, in seconds, the same every time."""
    chance = random.Random(runs)
    return [round(chance.uniform(2, 6), 2) for _ in range(runs)]


def session(directory: Path, lab: LabProcess, *options: str) -> float:
    """Run the suite and return its seconds, start-up included; every run must be launched once and pass."""
    before = lab.launches
    command = [sys.executable, "-m", "pytest", "-q", f"--sipfront-base-url={lab.url}", "--sipfront-poll-interval=0.2"]
    began = time.monotonic()
    keys = {"SIPFRONT_PUBLIC_KEY": lab.public_key, "SIPFRONT_SECRET_KEY": lab.secret_key}
    done = subprocess.run(
        [*command, *options], cwd=directory, env=os.environ | keys, capture_output=True, text=True, check=False
    )
    took = time.monotonic() - began
    tests = int(re.findall(r"(\d+) passed", done.stdout)[-1]) if done.returncode == 0 else 0
    launched = lab.launches - before
    assert launched == tests > 0, f"{tests} passed, {launched} launched\n{done.stdout[-3000:]}"
    return took


def main() -> None:
    """Print each session's seconds as a ratio to the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--places", type=int, default=100)
    parser.add_argument("--workers", type=int, default=16)
    given = parser.parse_args()
    takes = durations(given.runs)
    bound = max(*takes, sum(takes) / given.places)
    places = f"--sipfront-concurrency={given.places}"
    print(f"{given.runs} runs of 2-6 s, {given.places} places: bound {bound:.1f} s, one by one {sum(takes):.0f} s")
    tests = "".join(f"  Call {n}: {{takes: {seconds}}}\n" for n, seconds in enumerate(takes))
    with tempfile.TemporaryDirectory() as name, start_lab(text=f"tests:\n{tests}") as lab:
        directory = Path(name)
        (directory / "test_many.py").write_text(SUITE.format(runs=given.runs))
        polls = lab.polls
        first = session(directory, lab, places)
        polls_first = lab.polls - polls
        again = session(directory, lab, places)
        polls_again = lab.polls - polls - polls_first
        print(f"first session / bound:        {first / bound:.2f} (wanted 1.30)")
        print(f"session with history / bound: {again / bound:.2f} (wanted 1.15)")
        print(f"polls with history / without: {polls_again / polls_first:.2f} (wanted 0.60)")
        print(f"one by one / first session:   {sum(takes) / first:.1f}")
        if given.workers:
            workers = session(directory, lab, places, f"-n{given.workers}")
            print(f"xdist -n {given.workers} / first session: {workers / first:.1f}")


if __name__ == "__main__":
    main()
