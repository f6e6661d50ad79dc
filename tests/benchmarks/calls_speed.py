"""Measure the speed of calls and the resources that remain open after them.

Print each figure with its bound and their ratio. The figures depend on the machine, so they are not asserted.

    python -m tests.benchmarks.calls_speed [--sequential N]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from pytest_sipfront.lab.calls.calls_executor import CallsExecutor
from pytest_sipfront.lab.calls.prompt_catalogue import render
from pytest_sipfront.lab.calls.prompt_recognition import rank
from pytest_sipfront.lab.calls.sip_stack import import_all
from pytest_sipfront.lab.calls.speech_synthesis import say
from pytest_sipfront.lab.file.calls_section import CallPlan, Phone, PromptSpec
from pytest_sipfront.lab.file.lab_file import TestSpec
from pytest_sipfront.lab.file.steps import CallAction, HoldAction, WaitAction
from pytest_sipfront.lab.platform.executor import ScriptedExecutor

SENTENCES = {
    "menu": "welcome to the main menu press one for sales",
    "changed": "welcome to the main menu press two for sales",
    "closed": "our office is closed now please call again tomorrow",
    "thanks": "thank you for calling good bye",
}


def executor() -> CallsExecutor:
    """An executor with one phone that answers at once and plays audio."""
    prompts = {name: PromptSpec(say=text) for name, text in SENTENCES.items()}
    phones = {"phone": Phone(number="phone", play="menu", repeat=True)}
    return CallsExecutor(CallPlan(prompts=prompts, phones=phones), ScriptedExecutor())


def calling(calls: int, seconds: float) -> TestSpec:
    """A test that places concurrent calls of the same duration."""
    steps = (
        (WaitAction(),),
        (CallAction(dial_destination="phone", max_total_calls=calls), HoldAction(seconds=seconds)),
    )
    return TestSpec(name="call", id=1, project="", steps=steps)


def show(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


def expected(what: str, value: float, bound: float, unit: str) -> None:
    """Print one figure with its bound."""
    show(f"{what:<58} {value:10.2f} {unit:<4} bound {bound:g}, ratio {value / bound:.2f}")


async def with_executor(work: Callable[[CallsExecutor], Awaitable[None]]) -> None:
    """Do the work, then end all calls."""
    subject = executor()
    try:
        await work(subject)
    finally:
        await subject.close()


async def setup_time(subject: CallsExecutor) -> None:
    """Measure the time from launch to answer, before and after the start of the SIP stack."""
    import_all()  # as a lab does while it starts, and speaks its prompts
    render(subject.switchboard.plan.prompts)
    for what, rounds in (("first call up, stack still to be started", 1), ("call up, stack running", 20)):
        took = []
        for _ in range(rounds):
            started = time.monotonic()
            await subject.switchboard.open()
            agent = await subject.switchboard.caller("caller")
            leg = await agent.dial(await subject.switchboard.route("phone"), "benchmark")
            await leg.wait_for_answer(5)
            took.append(((leg.answered_at or time.monotonic()) - started) * 1000)
            await leg.hang_up()
            await asyncio.sleep(0.2)  # the phone's own end of the call
        expected(what + (" (median of 20)" if rounds > 1 else ""), sorted(took)[len(took) // 2], 50, "ms")


async def parallel_calls(subject: CallsExecutor) -> None:
    """Measure twenty concurrent calls of three seconds."""
    await subject.switchboard.open()
    cpu, started = time.process_time(), time.monotonic()
    result = await subject.execute(calling(20, 3.0), {})
    expected("20 parallel calls of 3 s, all", time.monotonic() - started, 4.5, "s")
    expected("  CPU time", time.process_time() - cpu, 4.5, "s")
    expected("  peak resident memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 150, "MB")
    values = {name: result.measures[name].value for name in result.measures}
    show(f"  {result.state}: {result.description or 'nothing to complain of'}")
    for name in ("calls_answered", "packet_loss_caller", "packet_loss_callee", "rtp_packets_caller", "jitter_caller"):
        show(f"    {name} {values[name]} {result.measures[name].unit}")


async def sequential_calls(subject: CallsExecutor, count: int) -> None:
    """Measure the resources that remain open after many sequential calls of half a second."""
    test = calling(1, 0.5)
    await subject.execute(test, {})
    before, passed = footshow(), 0
    for _ in range(count):
        passed += (await subject.execute(test, {})).state == "passed"
    after = footshow()
    show(f"{count} sequential calls of 0.5 s: {passed} passed")
    for what in before:
        show(
            f"  {what:<20} before {before[what]:8.1f}  after {after[what]:8.1f}  more {after[what] - before[what]:+.1f}"
        )


def footshow() -> dict[str, float]:
    """Return open descriptors, bound UDP ports and resident megabytes of this process."""
    gc.collect()
    links = [entry.readlink().name for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "descriptors": float(len(links)),
        "sockets": float(sum(link.startswith("socket:") for link in links)),
        "resident MB": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
    }


def matching() -> None:
    """Measure the spectrum match of a ten-second recording."""
    prompts = {name: say(text) for name, text in SENTENCES.items()}
    recording = b"\0\0" * 8000 + prompts["menu"] + b"\0\0" * 8000 + prompts["thanks"]
    rank(recording, prompts)
    started, rounds = time.perf_counter(), 10
    for _ in range(rounds):
        rank(recording, prompts)
    each = (time.perf_counter() - started) / rounds / len(prompts) * 1000
    expected(f"spectrum match of {len(recording) / 16000:.1f} s, per prompt", each, 50, "ms")


def main() -> None:
    """Run every benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequential", type=int, default=200, help="sequential calls (default: %(default)s)")
    count = parser.parse_args().sequential
    asyncio.run(with_executor(setup_time))
    asyncio.run(with_executor(parallel_calls))
    matching()
    asyncio.run(with_executor(lambda subject: sequential_calls(subject, count)))


if __name__ == "__main__":
    main()
