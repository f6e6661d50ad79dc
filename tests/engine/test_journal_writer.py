from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from pytest_sipfront.clients.sipfront.models import RunRequest
from pytest_sipfront.engine.journal import Journal
from pytest_sipfront.engine.journal_writer import JournalWriter
from pytest_sipfront.engine.run import Run
from pytest_sipfront.errors import ConfigurationError
from tests.engine import virtual


class SlowJournal(Journal):
    """A journal in memory. Its first write waits until the test releases it; `is_full` makes all writes fail."""

    def __init__(self) -> None:
        super().__init__(Path("in-memory"), "s")
        self.batches: list[list[str]] = []
        self.release = threading.Event()
        self.is_full = False
        self._writing = threading.Event()

    async def wait_for_write(self) -> None:
        """Return when a write has begun."""
        while not self._writing.is_set():
            await anyio.lowlevel.checkpoint()

    def write(self, lines: Iterable[str]) -> None:
        self._writing.set()
        assert self.release.wait(30)
        if self.is_full:
            raise ConfigurationError("cannot write the journal: No space left on device")
        self.batches.append([json.loads(line)["launch"] for line in lines])


def _run(name: str) -> Run:
    return Run(request=RunRequest(test=name), timeout=60, label=name)


def _write_intents(journal: SlowJournal, *launches: str) -> dict[str, ConfigurationError | None]:
    """Write the intent of the first launch, and the others during that write. Return the error of each, in order."""
    errors: dict[str, ConfigurationError | None] = {}

    async def write(writer: JournalWriter, launch: str) -> None:
        try:
            await writer.intent(launch, _run(launch))
        except ConfigurationError as error:
            errors[launch] = error
        else:
            errors[launch] = None

    async def write_all() -> None:
        writer = JournalWriter(journal)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write, writer, launches[0])
            await journal.wait_for_write()
            for launch in launches[1:]:
                tasks.start_soon(write, writer, launch)
            await anyio.lowlevel.checkpoint()
            assert not errors, "a launch did not wait for the disk"
            journal.release.set()

    virtual.run(write_all)
    return errors


def test_events_during_a_write_are_written_together_and_in_order() -> None:
    """A hundred launches do not wait for a hundred syncs, and they are sent in the order of their admission."""
    journal = SlowJournal()
    others = [f"b{n}" for n in range(100)]
    errors = _write_intents(journal, "a", *others)
    assert journal.batches == [["a"], others]
    assert list(errors) == ["a", *others]


def test_each_run_gets_its_own_error_if_a_write_fails() -> None:
    """Each error gets the evidence of its run, so two runs must not share one."""
    journal = SlowJournal()
    journal.is_full = True
    errors = _write_intents(journal, "a", "b", "c")
    assert {str(error) for error in errors.values()} == {"cannot write the journal: No space left on device"}
    assert len({id(error) for error in errors.values()}) == 3


def test_a_cancelled_run_does_not_take_the_events_of_others_with_it() -> None:
    """The first run of a batch writes for all of them, unless it is cancelled."""
    journal = SlowJournal()

    async def cancel_one() -> None:
        writer = JournalWriter(journal)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.intent, "a", _run("a"))
            await journal.wait_for_write()
            async with anyio.create_task_group() as cancelled:
                cancelled.start_soon(writer.intent, "b", _run("b"))
                await anyio.lowlevel.checkpoint()
                tasks.start_soon(writer.intent, "c", _run("c"))
                await anyio.lowlevel.checkpoint()
                cancelled.cancel_scope.cancel()
            journal.release.set()

    virtual.run(cancel_one)
    assert [launch for batch in journal.batches for launch in batch].count("c") == 1


@pytest.mark.parametrize("is_full", [False, True])
def test_an_event_after_the_launch_is_written_even_if_its_task_is_cancelled(is_full: bool) -> None:
    """The launch has happened. If the event cannot be written, the run's notes say so."""
    journal, run = SlowJournal(), _run("a")
    journal.is_full = is_full

    async def cancel_during_write() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(JournalWriter(journal).no_verdict, "a", run, ConfigurationError("x"))
            await journal.wait_for_write()
            tasks.cancel_scope.cancel()
            journal.release.set()

    virtual.run(cancel_during_write)
    assert journal.batches == ([] if is_full else [["a"]])
    assert run.notes == (["cannot write the journal: No space left on device"] if is_full else [])
