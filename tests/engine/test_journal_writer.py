from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from pathlib import Path

import anyio
import anyio.lowlevel

from pytest_sipfront.clients.sipfront.models import RunRequest
from pytest_sipfront.engine.journal import Journal
from pytest_sipfront.engine.journal_writer import JournalWriter
from pytest_sipfront.engine.run import Run
from pytest_sipfront.errors import ConfigurationError
from tests.engine import virtual


class SlowDisk(Journal):
    """A ledger in memory that writes nothing before it is let go on, and perhaps nothing then."""

    def __init__(self) -> None:
        super().__init__(Path("in-memory"), "s")
        self.pages: list[list[str]] = []
        self.go_on = threading.Event()
        self.is_full = False
        self._begun = threading.Event()

    async def begun(self) -> None:
        """Return once something is about to be written."""
        while not self._begun.is_set():
            await anyio.lowlevel.checkpoint()

    def write(self, lines: Iterable[str]) -> None:
        self._begun.set()
        assert self.go_on.wait(30)
        if self.is_full:
            raise ConfigurationError("the ledger cannot be written: No space left on device")
        self.pages.append([json.loads(line)["launch"] for line in lines])


def _run(name: str) -> Run:
    return Run(request=RunRequest(test=name), timeout=60, label=name)


def _intents(disk: SlowDisk, *names: str) -> dict[str, ConfigurationError | None]:
    """Announce a first run, and the others while the disk is busy with it; return what came of each, in order."""
    came: dict[str, ConfigurationError | None] = {}

    async def announce(scribe: JournalWriter, name: str) -> None:
        try:
            await scribe.intent(name, _run(name))
        except ConfigurationError as error:
            came[name] = error
        else:
            came[name] = None

    async def all_of_them() -> None:
        scribe = JournalWriter(disk)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(announce, scribe, names[0])
            await disk.begun()
            for name in names[1:]:
                tasks.start_soon(announce, scribe, name)
            await anyio.lowlevel.checkpoint()
            assert not came, "nobody goes on before the disk does"
            disk.go_on.set()

    virtual.run(all_of_them)
    return came


def test_what_happens_while_the_disk_is_busy_is_written_at_once_and_in_order() -> None:
    """A hundred launches do not wait for a hundred syncs, and are sent in the order in which they were admitted."""
    disk = SlowDisk()
    others = [f"b{n}" for n in range(100)]
    came = _intents(disk, "a", *others)
    assert disk.pages == [["a"], others]
    assert list(came) == ["a", *others]


def test_each_run_gets_an_error_of_its_own_from_a_disk_that_failed_all() -> None:
    """Its evidence is the run's, so two runs must not share one."""
    disk = SlowDisk()
    disk.is_full = True
    came = _intents(disk, "a", "b", "c")
    assert {str(error) for error in came.values()} == {"the ledger cannot be written: No space left on device"}
    assert len({id(error) for error in came.values()}) == 3


def test_a_run_that_is_given_up_takes_no_other_s_event_with_it() -> None:
    """The first of those that wait writes for all, whoever that is."""
    disk = SlowDisk()

    async def one_is_given_up() -> None:
        scribe = JournalWriter(disk)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(scribe.intent, "a", _run("a"))
            await disk.begun()
            async with anyio.create_task_group() as given_up:
                given_up.start_soon(scribe.intent, "b", _run("b"))
                await anyio.lowlevel.checkpoint()
                tasks.start_soon(scribe.intent, "c", _run("c"))
                await anyio.lowlevel.checkpoint()
                given_up.cancel_scope.cancel()
            disk.go_on.set()

    virtual.run(one_is_given_up)
    assert [launch for page in disk.pages for launch in page].count("c") == 1
