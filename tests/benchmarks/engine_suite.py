"""Compare sessions of many runs with the lower bound of any schedule: max(longest run, sum of all / N).

python -m tests.benchmarks.engine_suite [--runs 400] [--places 100] [--workers 16]
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from pytest_sipfront.lab.process import start_lab
from tests.benchmarks.sessions import WARM_UP, measure, warm_up

SUITE = """
import pytest

@pytest.mark.parametrize("n", range({runs}))
@pytest.mark.sipfront(test="Call {{n}}")
def test_call(n):
    pass
"""


def durations(runs: int) -> list[float]:
    """Return the durations of the runs in seconds. They are the same in every session."""
    chance = random.Random(runs)
    return [round(chance.uniform(2, 6), 2) for _ in range(runs)]


def main() -> None:
    """Print the ratio of the duration of each session to the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--places", type=int, default=100)
    parser.add_argument("--workers", type=int, default=16)
    given = parser.parse_args()
    takes = durations(given.runs)
    bound = max(*takes, sum(takes) / given.places)
    options = (f"--sipfront-concurrency={given.places}", "--sipfront-poll-interval=0.2")
    print(f"{given.runs} runs of 2-6 s, {given.places} places: bound {bound:.1f} s, one by one {sum(takes):.0f} s")
    tests = "".join(f"  Call {n}: {{takes: {seconds}}}\n" for n, seconds in enumerate(takes))
    with tempfile.TemporaryDirectory() as name, start_lab(text=f"tests:\n  {WARM_UP}: {{takes: 0}}\n{tests}") as lab:
        directory = Path(name)
        warm_up(directory / "warm", lab)
        (directory / "test_many.py").write_text(SUITE.format(runs=given.runs))
        suite = (*options, "test_many.py")
        first = measure(directory, lab, *suite)
        again = measure(directory, lab, *suite)
        print(f"first session / bound:        {first.seconds / bound:.2f} (wanted 1.30)")
        print(f"session with history / bound: {again.seconds / bound:.2f} (wanted 1.15)")
        print(f"polls with history / without: {again.polls / first.polls:.2f} (wanted 0.60)")
        print(f"delay with history / without: {again.typical_delay / first.typical_delay:.2f} (wanted 1)")
        print(f"one by one / first session:   {sum(takes) / first.seconds:.1f}")
        if given.workers:
            workers = measure(directory, lab, *suite, f"-n{given.workers}")
            print(f"xdist -n {given.workers} / first session: {workers.seconds / first.seconds:.1f}")


if __name__ == "__main__":
    main()
