"""Measure CPU time and memory of 1 to 100 parallel calls of 10 s, each number of calls in a process of its own.

Both ends of each call are in that process, and each packet is captured, or passes the media relay with `--relay`. Print
one row per number of calls.

    python -m tests.benchmarks.parallel_calls [--calls N ...] [--seconds S] [--relay]
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

from pytest_sipfront.lab.calls.calls_executor import CallsExecutor
from pytest_sipfront.lab.calls.rtp_capture import RtpCapture
from pytest_sipfront.lab.file.calls_section import CallLimits, CallPlan, Phone, PromptSpec
from pytest_sipfront.lab.platform.executor import LabRunResult, ScriptedExecutor
from tests.benchmarks.calls_speed import calling

PLAN = CallPlan(
    prompts={"menu": PromptSpec(say="welcome to the main menu press one for sales")},
    phones={"phone": Phone(number="phone", play="menu", repeat=True)},
    limits=CallLimits(concurrent_calls=200),
)
HEAD = ("calls", "passed", "loss %", "packets", "jitter ms", "wall s", "CPU s", "CPU/call %", "peak MB", "MB/call")


def resident_mb() -> float:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


async def place(calls: int, seconds: float) -> None:
    """Place the calls at the same time, and print a row."""
    executor = CallsExecutor(PLAN, ScriptedExecutor())
    try:
        await executor.switchboard.open()
        idle, cpu, started = resident_mb(), time.process_time(), time.monotonic()
        result = await executor.execute(calling(calls, seconds), {})
        cpu, wall = time.process_time() - cpu, time.monotonic() - started
    finally:
        await executor.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = (calls, *qualities(result), f"{wall:.1f}", f"{cpu:.2f}", f"{100 * cpu / wall / calls:.2f}")
    print(*(f"{cell:>10}" for cell in (*row, f"{peak:.0f}", f"{(peak - idle) / calls:.2f}")), flush=True)
    if result.description:
        print("   ", result.description)


def qualities(result: LabRunResult) -> tuple[str, ...]:
    """Return the answered calls and the worst values of loss, packets and jitter."""
    worst = [result.measures[f"{name}_caller"].value for name in ("packet_loss", "rtp_packets", "jitter")]
    answered = result.measures["calls_answered"].value if result.state == "passed" else "failed"
    return tuple(str(value) for value in (answered, *worst))


def main() -> None:
    """Start a process for each number of calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 10, 20, 50, 100], help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each call (default: %(default)s)")
    parser.add_argument("--relay", action="store_true", help="measure as a process that may not capture packets")
    options = parser.parse_args()
    if len(options.calls) == 1:
        with patch.object(RtpCapture, "open", lambda: None) if options.relay else nullcontext():
            asyncio.run(place(options.calls[0], options.seconds))
        return
    print(*(f"{name:>10}" for name in HEAD), flush=True)
    for calls in options.calls:
        command = [sys.executable, "-m", "tests.benchmarks.parallel_calls", "--calls", str(calls)]
        command += ["--seconds", str(options.seconds), *(["--relay"] if options.relay else [])]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
