from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Iterator

import anyio
import pytest

from pytest_sipfront.engine import loop_thread
from pytest_sipfront.engine.loop_thread import LoopThread


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopThread]:
    monkeypatch.setattr(loop_thread, "_SLICE", 0.01)
    running = LoopThread()
    yield running
    running.close()


def test_a_coroutine_runs_in_a_thread_of_its_own(loop: LoopThread) -> None:
    """Its result comes back to the one that waits."""

    async def add(a: int, b: int) -> tuple[int, int]:
        await anyio.lowlevel.checkpoint()
        return a + b, threading.get_ident()

    total, thread = loop.wait(add, 1, 2)
    assert total == 3
    assert thread != threading.get_ident()


def test_everything_runs_on_one_loop(loop: LoopThread) -> None:
    """A client's connections belong to the loop that opened them."""

    async def which() -> int:
        await anyio.lowlevel.checkpoint()
        return id(asyncio.get_running_loop())

    assert loop.wait(which) == loop.wait(which)


def test_an_exception_arrives_without_the_loop_s_frames(loop: LoopThread) -> None:
    """They are ours, and help nobody."""
    error = ValueError("as it is")

    async def fail() -> None:
        await anyio.lowlevel.checkpoint()
        raise error

    with pytest.raises(ValueError, match="as it is") as caught:
        loop.wait(fail)
    assert caught.value is error
    assert "fail" not in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_the_waiting_side_is_called_now_and_then(loop: LoopThread) -> None:
    """For signs of life: the coroutine ends only once it was."""
    called = threading.Event()

    async def until_called() -> bool:
        return await anyio.to_thread.run_sync(called.wait, 10)

    assert loop.wait(until_called, tick=called.set)


def test_an_interrupt_cancels_what_was_waited_for(loop: LoopThread) -> None:
    """Ctrl-C must not leave questions going on behind the session's back."""
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.wait(forever, tick=interrupt)
    assert cancelled.wait(10)


def test_the_thread_ends_with_the_loop() -> None:
    """Nothing of it outlives the session."""
    before = set(threading.enumerate())
    running = LoopThread()
    (thread,) = set(threading.enumerate()) - before
    running.close()
    thread.join(10)
    assert not thread.is_alive()
