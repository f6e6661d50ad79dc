"""One event loop in the background, for a session that is synchronous."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

T = TypeVar("T")
_SLICE = 0.25  # seconds; the main thread wakes that often, for signs of life and for Ctrl-C on every platform


class LoopThread:
    """Runs coroutines on an event loop in a thread of its own, and waits for them in short slices."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._portal: BlockingPortal = self._stack.enter_context(start_blocking_portal())

    def wait(self, function: Callable[..., Awaitable[T]], *args: object, tick: Callable[[], None] | None = None) -> T:
        """Run `function(*args)` on the loop and return its result; `tick` is called now and then while it lasts.

        An exception arrives without the loop's frames. An interrupt cancels the coroutine.
        """
        __tracebackhide__ = True
        future: concurrent.futures.Future[T] = self._portal.start_task_soon(function, *args)
        try:
            while not future.done():
                concurrent.futures.wait([future], timeout=_SLICE)
                if tick is not None:
                    tick()
        except BaseException:
            future.cancel()
            raise
        error = future.exception()
        if error is not None:
            raise error.with_traceback(None) from None
        return future.result()

    def start(self, function: Callable[[], Awaitable[T]]) -> concurrent.futures.Future[T]:
        """Run `function()` on the loop without waiting for it; cancelling the future cancels it."""
        return self._portal.start_task_soon(function)

    def close(self) -> None:
        """End the loop and its thread."""
        self._stack.close()
