from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.plugin.xdist import XdistSession


class _Config:
    """What is asked of pytest's configuration."""

    def __init__(self, workerinput: dict[str, Any] | None = None) -> None:
        self.cleanups: list[Callable[[], None]] = []
        if workerinput is not None:
            self.workerinput = workerinput

    def add_cleanup(self, cleanup: Callable[[], None]) -> None:
        self.cleanups.append(cleanup)

    def end(self) -> None:
        for cleanup in self.cleanups:
            cleanup()


def _workers(config: _Config) -> XdistSession:
    return XdistSession(config)  # type: ignore[arg-type]


def _worker_of(controller: XdistSession, name: str = "gw0", resumes: str = "") -> XdistSession:
    told: dict[str, Any] = {"workerid": name}
    controller.welcome(told, resumes)
    return _workers(_Config(told))


@pytest.fixture
def config() -> _Config:
    return _Config()


@pytest.fixture
def controller(config: _Config) -> Iterator[XdistSession]:
    """The process that starts the others, or the only one."""
    yield _workers(config)
    config.end()


def test_a_session_without_workers_shares_nothing(controller: XdistSession) -> None:
    """And makes no directory; each has an id of its own."""
    assert (controller.is_worker, controller.worker, controller.directory, controller.resumes) == (
        False,
        "",
        None,
        None,
    )
    controller.flag_stop()
    assert not controller.are_stopped
    assert not controller.have_marked
    assert controller.session != _workers(_Config()).session


def test_workers_belong_to_the_controller_s_session(controller: XdistSession) -> None:
    """One ledger, one budget, the same places."""
    workers = [_worker_of(controller, name, resumes="s0") for name in ("gw0", "gw1")]
    assert [worker.worker for worker in workers] == ["gw0", "gw1"]
    for worker in workers:
        assert worker.is_worker
        assert (worker.session, worker.directory) == (controller.session, controller.directory)
        assert worker.resumes == "s0"


def test_a_worker_is_told_that_there_is_nothing_to_take_up(controller: XdistSession) -> None:
    """So that it does not look for itself, after another has begun to write."""
    assert _worker_of(controller).resumes == ""


def test_what_is_told_can_be_sent_to_another_process(controller: XdistSession) -> None:
    """xdist sends plain values alone."""
    told: dict[str, Any] = {"workerid": "gw0"}
    controller.welcome(told, "")
    assert {type(value) for part in told.values() if isinstance(part, dict) for value in part.values()} == {str}


def test_the_controller_stops_its_workers(controller: XdistSession) -> None:
    """They wait for their runs and would not hear it otherwise; the controller itself is not stopped by it."""
    worker = _worker_of(controller)
    before = worker.are_stopped
    controller.flag_stop()
    assert (before, worker.are_stopped, controller.are_stopped) == (False, True, False)


def test_a_worker_lets_the_controller_know_of_marked_tests(controller: XdistSession) -> None:
    """The controller has no items; a worker needs not ask."""
    worker = _worker_of(controller)
    before = controller.have_marked
    worker.flag_marked()
    assert (before, controller.have_marked, worker.have_marked) == (False, True, False)


def test_the_shared_directory_goes_with_the_session(config: _Config, controller: XdistSession) -> None:
    """One for all workers, and nothing stays behind."""
    _worker_of(controller)
    directory = controller.directory
    _worker_of(controller, "gw1")
    assert directory is not None
    assert (controller.directory, directory.is_dir()) == (directory, True)
    controller.flag_stop()
    config.end()
    assert not directory.exists()


def test_a_worker_on_another_machine_has_a_directory_of_its_own(controller: XdistSession, tmp_path: Path) -> None:
    """The controller's is not there; it shares nothing, and ends what it made."""
    told: dict[str, Any] = {"workerid": "gw0"}
    controller.welcome(told, "")
    told["sipfront_session"]["directory"] = str(tmp_path / "elsewhere")
    config = _Config(told)
    worker = _workers(config)
    assert worker.session == controller.session
    assert worker.directory not in {None, controller.directory, tmp_path / "elsewhere"}
    assert worker.directory is not None
    assert worker.directory.is_dir()
    config.end()
    assert not worker.directory.exists()


def test_a_directory_that_somebody_removed_is_no_error(config: _Config, controller: XdistSession) -> None:
    """Whoever cleans temporary files while tests run."""
    worker = _worker_of(controller)
    assert controller.directory is not None
    shutil.rmtree(controller.directory)
    assert not worker.are_stopped
    assert not controller.have_marked
    config.end()
