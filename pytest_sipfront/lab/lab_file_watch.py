"""Reloads the lab file of a running lab when it changes: `--watch`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sipfront.yaml_models import YamlFileError

if TYPE_CHECKING:
    from pytest_sipfront.lab.lab import Lab

_INTERVAL = 0.5


class LabFileWatch:
    """Replaces the lab file of a lab by each new content of its file that has no mistakes.

    Attributes:
        mistakes: The mistakes of the present content, for which the lab keeps the content before; "" if it has none.
    """

    def __init__(self, lab: Lab, path: Path, report: Callable[[str], None], interval: float = _INTERVAL) -> None:
        """Remember the present content of the file.

        Args:
            lab: The lab.
            path: Its file.
            report: Prints a message.
            interval: Seconds between two looks at the file.
        """
        self.mistakes = ""
        self._lab, self._path, self._report, self._interval = lab, path, report, interval
        self._content = self._read()

    async def run(self) -> None:
        """Look at the file until the task is cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            await self.look()

    async def look(self) -> None:
        """Reload the file if its content has changed. A missing file is being replaced by an editor, and ignored."""
        content = await asyncio.to_thread(self._read)
        if content is None or content == self._content:
            return
        self._content = content
        try:
            await self._lab.configure(content.decode("utf-8"), self._path.parent, name=str(self._path))
        except UnicodeDecodeError:
            self.mistakes = f"{self._path}: not UTF-8 text"
        except YamlFileError as error:
            self.mistakes = str(error)
        else:
            self.mistakes = ""
        kept = f"{self.mistakes}\nThe lab keeps the file as it was before."
        self._report(kept if self.mistakes else f"Reloaded {self._path}: {self._lab.summary}")

    def _read(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except OSError:
            return None
