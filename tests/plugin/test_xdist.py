from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.plugin.xdist import XdistSession


class _Config:
    """The part of pytest's configuration that is used."""

    dist = "load"

    def __init__(self, workerinput: dict[str, Any] | None = None) -> None:
        self.cleanups: list[Callable[[], None]] = []
        if workerinput is not None:
            self.workerinput = workerinput

    def add_cleanup(self, cleanup: Callable[[], None]) -> None:
        self.cleanups.append(cleanup)

    def getoption(self, name: str, default: str) -> str:
        return str(getattr(self, name, default))

    def end(self) -> None:
        for cleanup in self.cleanups:
            cleanup()


def _workers(config: _Config) -> XdistSession:
    return XdistSession(config)  # type: ignore[arg-type]


def _worker_of(controller: XdistSession, name: str = "gw0") -> XdistSession:
    workerinput: dict[str, Any] = {"workerid": name, "workercount": 2}
    controller.welcome(workerinput)
    return _workers(_Config(workerinput))


@pytest.fixture
def config() -> _Config:
    return _Config()


@pytest.fixture
def controller(config: _Config) -> Iterator[XdistSession]:
    """The process that starts the workers, or the only process of a session."""
    yield _workers(config)
    config.end()


def test_a_session_without_workers_shares_nothing(controller: XdistSession) -> None:
    """It has an id and no directory."""
    assert (controller.is_worker, controller.worker, controller.engine_file) == (False, "", None)
    assert controller.session != _workers(_Config()).session


def test_workers_belong_to_the_session_of_the_controller(controller: XdistSession) -> None:
    """They have its id and find the engine in the same file."""
    workers = [_worker_of(controller, name) for name in ("gw0", "gw1")]
    assert [worker.worker for worker in workers] == ["gw0", "gw1"]
    for worker in workers:
        assert (worker.is_worker, worker.workers) == (True, 2)
        assert (worker.session, worker.engine_file) == (controller.session, controller.engine_file)


def test_workers_know_that_each_of_them_runs_all_tests(config: _Config, controller: XdistSession) -> None:
    """With --dist each, no run is shared between workers."""
    assert not _worker_of(controller).runs_everywhere
    config.dist = "each"
    assert _worker_of(controller).runs_everywhere


def test_the_input_of_a_worker_holds_plain_values(controller: XdistSession) -> None:
    """pytest-xdist can send nothing else to another process."""
    workerinput: dict[str, Any] = {"workerid": "gw0"}
    controller.welcome(workerinput)
    assert {type(value) for part in workerinput.values() if isinstance(part, dict) for value in part.values()} == {str}


def test_the_shared_directory_is_removed_at_the_end(config: _Config, controller: XdistSession) -> None:
    """All workers share one directory, and no file is left."""
    first = _worker_of(controller).engine_file
    assert first is not None
    assert (_worker_of(controller, "gw1").engine_file, first.parent.is_dir()) == (first, True)
    config.end()
    assert not first.parent.exists()


def test_a_worker_on_another_machine_has_a_directory_of_its_own(controller: XdistSession, tmp_path: Path) -> None:
    """The directory of the controller does not exist there. The worker removes its directory at the end."""
    workerinput: dict[str, Any] = {"workerid": "gw0"}
    controller.welcome(workerinput)
    workerinput["sipfront_session"]["directory"] = str(tmp_path / "elsewhere")
    config = _Config(workerinput)
    worker = _workers(config)
    assert worker.session == controller.session
    assert worker.engine_file is not None
    assert worker.engine_file.parent not in {tmp_path, tmp_path / "elsewhere"}
    assert worker.engine_file.parent.is_dir()
    config.end()
    assert not worker.engine_file.parent.exists()
