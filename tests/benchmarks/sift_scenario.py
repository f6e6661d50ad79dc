"""Measure the time that call scenarios add to each step of a callee, and many calls with one receiver.

    python -m tests.benchmarks.sift_scenario

The lab is a separate process, as in a session. Its callees answer at once, so the whole measured time is added.
A step is compared with a plain request to the same lab in the same run. On a busy machine only ratios are comparable.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from pytest_sipfront.lab.process import LabProcess, start_lab
from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.call_control import CallControl
from pytest_sipfront.sift.runtime import SiftRuntime
from pytest_sipfront.sift.wait_policy import CallTimeouts
from tests.sift_runtime import open_runtime

NUMBER, STEPS, ROUNDS, CALLS, LIMIT_MS = "+15550100200", 20, 15, 200, 15.0
SCRIPT = ", ".join(["{says: hello}"] * STEPS)
FILE = f'sift: {{callees: {{"*": {{script: [{SCRIPT}]}}}}}}'


def timed(work: Callable[[], object]) -> float:
    """Return how many milliseconds `work` takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def scenario(runtime: SiftRuntime) -> float:
    """Return the milliseconds a step of one scenario of 20 steps."""
    with Call(CallControl(runtime, NUMBER), {"phone_number": NUMBER}) as call:
        call.dial()
        call.expect_connected()

        def steps() -> None:
            for _ in range(STEPS // 2):
                call.say("hello")
                call.listen()

        return timed(steps) / STEPS


def many(runtime: SiftRuntime) -> None:
    """Run 200 concurrent calls that speak and listen."""

    def one(_: int) -> None:
        with Call(CallControl(runtime, NUMBER), {"phone_number": NUMBER}) as call:
            call.dial()
            call.expect_connected(60)
            call.say("hello")
            call.listen(60)
            call.hang_up(60)

    with ThreadPoolExecutor(CALLS) as pool:
        list(pool.map(one, range(CALLS)))


def measure(lab: LabProcess, runtime: SiftRuntime) -> None:
    """Print the measurements."""
    with httpx.Client(trust_env=False) as client:
        bare = [timed(lambda: client.get(f"{lab.url}/")) for _ in range(100)]
    request = statistics.median(bare)
    steps = [scenario(runtime) for _ in range(ROUNDS)]
    step = statistics.median(steps)
    print(
        f"a step: median {step:.1f} ms, worst {max(steps):.1f} ms of {ROUNDS} scenarios of {STEPS} steps "
        f"(bound {LIMIT_MS:g} ms); {step / request:.1f} times a bare request of {request:.1f} ms"
    )
    before = len(lab.callbacks)
    seconds = timed(lambda: many(runtime)) / 1000
    sent = len(lab.callbacks) - before
    runtime.receive()
    kept = len(runtime.log.callbacks) - before
    print(f"{CALLS} calls at once: {sent} callbacks posted, {sent - kept} lost, {sent / seconds:.0f} a second")


def main() -> None:
    """Start a lab and measure."""
    with (
        start_lab(text=FILE) as lab,
        open_runtime(f"{lab.url}/v0", CallTimeouts(callback=60.0), lab.public_key, lab.secret_key) as runtime,
    ):
        measure(lab, runtime)


if __name__ == "__main__":
    main()
