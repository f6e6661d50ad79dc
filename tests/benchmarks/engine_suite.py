"""Compare sessions of many runs with the lower bound of any schedule: max(longest run, sum of all / N).

    python -m tests.benchmarks.engine_suite [--runs 400] [--places 100] [--workers 4]

The far end is `timed_platform`. The CPU time is that of pytest and engine together.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from tests.benchmarks.sessions import Measured, forget_durations, measure, warm_up
from tests.benchmarks.timed_platform import timed_platform

SUITE = """
import pytest

@pytest.mark.parametrize("seconds", {seconds})
@pytest.mark.sipfront(test="Call of {{seconds}}")
def test_call(seconds):
    pass
"""


def durations(runs: int) -> list[float]:
    """Return the durations of the runs in seconds, all different. They are the same in every session."""
    chance = random.Random(runs)
    return [round(chance.uniform(2, 6) + n * 1e-6, 6) for n in range(runs)]


def main() -> None:
    """Print the ratio of the duration of each session to the bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--places", type=int, default=100)
    parser.add_argument("--workers", type=int, default=4)
    given = parser.parse_args()
    takes = durations(given.runs)
    bound = max(*takes, sum(takes) / given.places)
    suite = (f"--sipfront-concurrency={given.places}", "--sipfront-poll-interval=0.2", "test_many.py")
    print(f"{given.runs} runs of 2-6 s, {given.places} places: bound {bound:.1f} s, one by one {sum(takes):.0f} s")

    def show(what: str, session: Measured, wanted: float) -> None:
        ratio = f"{session.seconds / bound:.2f} (wanted {wanted:.2f})"
        cpu = f"CPU {session.cpu_seconds:.1f} s (wanted 8)"
        print(f"{what + ' / bound:':44} {ratio}; {cpu}; {session.polls} polls", flush=True)

    with tempfile.TemporaryDirectory() as name, timed_platform() as platform:
        directory = Path(name)
        warm_up(directory / "warm", platform)
        (directory / "test_many.py").write_text(SUITE.format(seconds=takes))
        platform.reset()
        first = measure(directory, platform, *suite)
        show("first session", first, 1.25)
        again = measure(directory, platform, *suite)
        show("session with local history", again, 1.10)
        forget_durations(directory)
        platform.reset(has_history=True)
        measure(directory, platform, *suite)
        forget_durations(directory)
        show("first session, platform with earlier runs", measure(directory, platform, *suite), 1.12)
        if given.workers:
            forget_durations(directory)
            platform.reset()
            workers = measure(directory, platform, *suite, f"-n{given.workers}")
            print(
                f"-n {given.workers} / one process, first sessions: {workers.seconds / first.seconds:.2f} (wanted 1.10)"
            )
            workers = measure(directory, platform, *suite, f"-n{given.workers}")
            print(
                f"-n {given.workers} / one process, local history:  {workers.seconds / again.seconds:.2f} (wanted 1.10)"
            )


if __name__ == "__main__":
    main()
