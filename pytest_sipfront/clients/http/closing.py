"""What is opened for a while and closed at its end."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Closing:
    """An `async with` block that ends with `close()`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what was opened."""
        raise NotImplementedError
