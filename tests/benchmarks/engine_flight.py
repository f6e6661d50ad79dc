"""Measure the delay of verdicts and the CPU time of polling with a thousand concurrent runs.

    python -m tests.benchmarks.engine_flight [--runs 1000] [--seconds 60] [--interval 3]

Runs of 20 s show the same delays in a third of the time; the CPU time per second is then higher, since launches and
verdicts are a larger part of the session.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.sessions import Measured, measure, warm_up
from tests.benchmarks.timed_platform import timed_platform

SUITE = """
import pytest

@pytest.mark.parametrize("n", range({runs}))
@pytest.mark.sipfront(test="Long call of {seconds}", step_1_0_dial_destination="{{n}}")
def test_call(n):
    pass
"""


def summary(session: Measured, interval: float) -> str:
    """Describe the measurements of the processes of a session."""
    wanted = interval / 2 + 0.5
    return (
        f"delay / wanted {wanted:g} s: median {session.typical_delay / wanted:.2f}, "
        f"worst {max(session.late) / wanted:.2f}; {session.cpu_seconds / session.seconds:.2f} of a core; "
        f"{session.megabytes:.0f} MB; {session.polls} polls"
    )


def main() -> None:
    """Print the first session and one with known durations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--interval", type=float, default=3)
    given = parser.parse_args()
    print(
        f"{given.runs} runs of {given.seconds:g} s in flight, a poll every {given.interval:g} s; wanted: under 200 MB"
    )
    with tempfile.TemporaryDirectory() as name, timed_platform() as platform:
        directory = Path(name)
        warm_up(directory / "warm", platform)
        (directory / "test_many.py").write_text(SUITE.format(runs=given.runs, seconds=given.seconds))
        options = (f"--sipfront-poll-interval={given.interval}", f"--sipfront-concurrency={given.runs}")
        suite = (*options, "test_many.py")
        for what in ("without history (wanted 0.8 of a core):", "with history    (wanted 0.3 of a core):"):
            platform.reset()
            print(what, summary(measure(directory, platform, *suite), given.interval), flush=True)


if __name__ == "__main__":
    main()
