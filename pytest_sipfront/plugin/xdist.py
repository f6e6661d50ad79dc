"""The processes of one pytest session: a single one, or the controller and workers of pytest-xdist."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

_INPUT = "sipfront_session"


class XdistSession:
    """This process and what it shares with the other processes of its session.

    Attributes:
        session: The session's id, the same in all of its processes.
        worker: The name of this process if it is a worker; otherwise "".
        workers: Number of workers; 0 in a session without workers.
        runs_everywhere: Whether each worker runs all tests (`--dist each`).
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        workerinput: Mapping[str, Any] | None = getattr(config, "workerinput", None)
        given: Mapping[str, Any] = workerinput[_INPUT] if workerinput is not None else {}
        self.worker = str(workerinput["workerid"]) if workerinput is not None else ""
        self.workers = int(workerinput.get("workercount", 0)) if workerinput is not None else 0
        self.session = str(given.get("session") or uuid.uuid4().hex[:12])
        self.runs_everywhere = given.get("dist") == "each"
        self._directory = Path(given["directory"]) if given else None
        if self._directory is not None and not self._directory.is_dir():
            self._share()  # a worker on another machine has no access to it

    @property
    def is_worker(self) -> bool:
        """Whether this process is a worker."""
        return bool(self.worker)

    @property
    def engine_file(self) -> Path | None:
        """The file with the engine's address; None in a session without workers."""
        return None if self._directory is None else self._directory / "engine.json"

    @contextlib.contextmanager
    def engine_lock(self) -> Iterator[None]:
        """Let one worker at a time look for the engine and start it."""
        if self._directory is None:
            yield
            return
        from filelock import FileLock  # noqa: PLC0415 - only workers need it

        with FileLock(self._directory / "engine.lock"):
            yield

    def welcome(self, workerinput: dict[str, Any]) -> None:
        """Give a new worker what it needs to belong to this session."""
        if self._directory is None:
            self._share()
        dist = self._config.getoption("dist", default="no")
        workerinput[_INPUT] = {"session": self.session, "directory": str(self._directory), "dist": dist}

    def _share(self) -> None:
        self._directory = directory = Path(tempfile.mkdtemp(prefix="pytest-sipfront-"))
        self._config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
