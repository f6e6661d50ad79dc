"""Engine processes forked from a server that has imported all modules: a new interpreter takes 20 times longer."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.engine import client

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["pytest_sipfront.engine.__main__", "anyio._backends._asyncio", "httpcore", "tenacity"])


class Process:
    """The part of `subprocess.Popen` that the plugin uses."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    @returncode.setter
    def returncode(self, _: int) -> None: ...

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> None:
        self._process.join(timeout)


def spawn(listening: socket.socket, start: Mapping[str, Any]) -> Process:
    """Replace `engine.client.spawn`."""
    process = CONTEXT.Process(target=_main, args=(listening, dict(start), client.environment()), daemon=True)
    process.start()
    return Process(process)


def _main(listening: socket.socket, start: dict[str, Any], environment: dict[str, str]) -> None:
    from pytest_sipfront.engine.__main__ import main

    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    log = os.open(Path(start["directory"], "engine.log"), os.O_WRONLY | os.O_CREAT)
    os.dup2(log, sys.stderr.fileno())
    main({**start, "fd": listening.detach()})


@pytest.fixture(scope="session", autouse=True)
def forked_engine() -> None:
    """Let sessions inside of this process fork their engine."""
    client.spawn = spawn  # type: ignore[assignment]
