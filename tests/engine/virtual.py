"""An event loop whose time passes only when nothing else can happen: hours in milliseconds, and always the same."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")
_REAL_SECONDS = 30.0


class _Selector(selectors.BaseSelector):
    """Moves the time instead of waiting, unless a thread is at work whose result is still to come."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0
        self.threads: anyio.CapacityLimiter | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.threads is not None and self.threads.borrowed_tokens:
            ready = self._real.select(_REAL_SECONDS)
            assert ready, "a thread does not end"
            return ready
        assert timeout is not None, "nothing can happen any more: somebody waits for ever"
        self.now += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.selector = _Selector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.now


def now() -> float:
    """Seconds since the loop began."""
    return asyncio.get_running_loop().time()


def run(function: Callable[[], Awaitable[T]]) -> T:
    """Run `function` on a loop of virtual time. What waits for ever fails at once."""
    loop = _Loop()

    async def main() -> T:
        loop.selector.threads = anyio.to_thread.current_default_thread_limiter()
        return await function()

    return anyio.run(main, backend_options={"loop_factory": lambda: loop})


class SteppedLoop:
    """A loop of virtual time that runs one function after another. Background tasks continue with each of them."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=_Loop)
        self._loop = self._runner.get_loop()

    @property
    def now(self) -> float:
        """Seconds since the loop began."""
        return self._loop.time()

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `function` to its end."""
        return self._runner.run(function())

    def close(self) -> None:
        """Cancel all background tasks."""
        self._runner.close()
