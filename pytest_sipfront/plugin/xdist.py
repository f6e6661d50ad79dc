"""The processes of one session - itself, or its xdist workers - and what they share on this machine."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

_INPUT = "sipfront_session"
_STOP, _MARKED = "stop", "marked"


class XdistSession:
    """This process and the others of its session.

    Attributes:
        session: The session's id, one for all of its processes.
        worker: The name of this process among them; "" if it is no worker of xdist's.
        directory: What they share; None in a session without workers.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        given: Mapping[str, Any] | None = getattr(config, "workerinput", None)
        told: Mapping[str, str] = given[_INPUT] if given is not None else {}
        self.worker = str(given["workerid"]) if given is not None else ""
        self.session = told.get("session") or uuid.uuid4().hex[:12]
        self.directory = Path(told["directory"]) if told else None
        self.resumes: str | None = told.get("resumes")
        if self.directory is not None and not self.directory.is_dir():
            self._share()  # a worker on another machine shares nothing with the others

    @property
    def is_worker(self) -> bool:
        """Whether this process is a worker of xdist's."""
        return bool(self.worker)

    def welcome(self, workerinput: dict[str, Any], resumes: str) -> None:
        """Give a new worker what it needs to belong to this session; `resumes` is the session that is taken up."""
        if self.directory is None:
            self._share()
        workerinput[_INPUT] = {"session": self.session, "directory": str(self.directory), "resumes": resumes}

    def _share(self) -> None:
        self.directory = directory = Path(tempfile.mkdtemp(prefix="pytest-sipfront-"))
        self._config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))

    def flag_marked(self) -> None:
        """Let the controller know that this worker has marked tests."""
        self._flag(_MARKED)

    @property
    def have_marked(self) -> bool:
        """Whether some worker has marked tests; for the controller."""
        return not self.is_worker and self._is_flagged(_MARKED)

    def flag_stop(self) -> None:
        """Tell the workers to stop waiting."""
        self._flag(_STOP)

    @property
    def are_stopped(self) -> bool:
        """Whether the controller wants its workers to stop waiting."""
        return self.is_worker and self._is_flagged(_STOP)

    def _flag(self, name: str) -> None:
        if self.directory is not None:
            (self.directory / name).touch()

    def _is_flagged(self, name: str) -> bool:
        return self.directory is not None and (self.directory / name).exists()
