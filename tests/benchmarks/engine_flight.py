"""Measure the delay of verdicts and the CPU time of polling with a thousand concurrent runs.

python -m tests.benchmarks.engine_flight [--runs 1000] [--seconds 60] [--interval 3]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from pytest_sipfront.lab.process import start_lab
from tests.benchmarks.sessions import WARM_UP, Measured, measure, warm_up

SUITE = """
import pytest

@pytest.mark.parametrize("n", range({runs}))
@pytest.mark.sipfront(test="Long call", step_1_0_dial_destination="{{n}}")
def test_call(n):
    pass
"""


def summary(session: Measured, interval: float) -> str:
    """Describe the measurements of the process of a session."""
    return (
        f"median {session.typical_delay:.2f} s after the end ({session.typical_delay / interval:.2f} intervals), "
        f"worst {max(session.late):.2f} s; {session.cores:.2f} of a core; {session.megabytes:.0f} MB; "
        f"{session.polls} polls"
    )


def main() -> None:
    """Print the first session and one with known durations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--interval", type=float, default=3)
    given = parser.parse_args()
    wanted = f"wanted: half an interval + 0.5 s = {given.interval / 2 + 0.5:g} s, under 200 MB"
    print(f"{given.runs} runs of {given.seconds:g} s in flight, a poll every {given.interval:g} s; {wanted}")
    lab_text = f"tests: {{Long call: {{takes: {given.seconds}}}, {WARM_UP}: {{takes: 0}}}}"
    with tempfile.TemporaryDirectory() as name, start_lab(text=lab_text) as lab:
        directory = Path(name)
        warm_up(directory / "warm", lab)
        (directory / "test_many.py").write_text(SUITE.format(runs=given.runs))
        options = (f"--sipfront-poll-interval={given.interval}", f"--sipfront-concurrency={given.runs}")
        suite = (*options, "test_many.py")
        print("without history (wanted 0.8 of a core):", summary(measure(directory, lab, *suite), given.interval))
        print("with history    (wanted 0.3 of a core):", summary(measure(directory, lab, *suite), given.interval))


if __name__ == "__main__":
    main()
