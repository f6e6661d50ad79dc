from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_sipfront.engine.slots import Lease, LocalSlots, SharedSlots, Slots

_HOLDER = """
import sys
from pathlib import Path
from pytest_sipfront.engine.slots import SharedSlots
names = frozenset(sys.argv[3:])
lease = SharedSlots(Path(sys.argv[1]), int(sys.argv[2])).take(names)
print("taken" if lease else "refused", flush=True)
sys.stdin.read()
"""


@contextmanager
def _holder(directory: Path, limit: int, *names: str) -> Iterator[subprocess.Popen[str]]:
    """Another process of the session, that holds a place until the block ends."""
    command = [sys.executable, "-c", _HOLDER, str(directory), str(limit), *names]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        try:
            yield process
        finally:
            process.kill()


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


def _take(places: Slots, *names: str) -> Lease:
    lease = places.take(_names(*names))
    assert lease is not None
    return lease


def test_a_process_alone_always_has_a_place() -> None:
    """What it may have in flight, admission decides; nobody else could free anything."""
    places = LocalSlots()
    for lease in [_take(places, "x") for _ in range(3)]:
        lease.release()
    assert places.patience is None


def test_there_are_as_many_places_as_the_limit_says(tmp_path: Path) -> None:
    """Whoever takes them, and each is of use again once it is given back."""
    first, second = SharedSlots(tmp_path, 2), SharedSlots(tmp_path, 2)
    leases = [_take(first), _take(second)]
    assert first.take(_names()) is None
    leases[1].release()
    leases.append(_take(first))
    assert second.take(_names()) is None


def test_without_a_limit_only_names_are_shared(tmp_path: Path) -> None:
    """Then there are as many runs as processes."""
    places = SharedSlots(tmp_path, None)
    leases = [_take(places) for _ in range(20)]
    leases.append(_take(places, "x"))
    assert places.take(_names("x")) is None


def test_a_name_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """Several at once, any of which keeps another out."""
    places = SharedSlots(tmp_path, 9)
    lease = _take(places, "x", "y")
    assert [places.take(_names(*names)) for names in ("x", "y", "yz")] == [None] * 3
    _take(places, "z").release()
    lease.release()
    _take(places, "x").release()


def test_what_cannot_be_had_as_a_whole_is_not_had_in_part(tmp_path: Path) -> None:
    """Two that wait for each other's names would wait for ever."""
    places = SharedSlots(tmp_path, 2)
    held = _take(places, "b")
    assert places.take(_names("a", "b", "c")) is None
    other = _take(places, "a", "c")
    assert places.take(_names("d")) is None  # no place any more
    held.release()
    _take(places, "d").release()
    other.release()


def test_giving_back_twice_takes_nothing_from_others(tmp_path: Path) -> None:
    """The place may be somebody else's by then."""
    places = SharedSlots(tmp_path, 1)
    lease = _take(places)
    lease.release()
    other = _take(places)
    lease.release()
    assert places.take(_names()) is None
    other.release()


@pytest.mark.parametrize("name", ["", "../outside", "trunk 7/b:*?", "ü" * 300, "a\nb"])
def test_any_text_is_a_name(tmp_path: Path, name: str) -> None:
    """It never becomes part of a path."""
    directory = tmp_path / "places"
    directory.mkdir()
    places = SharedSlots(directory, 3)
    lease = _take(places, name)
    assert places.take(_names(name)) is None
    assert [path.name for path in tmp_path.iterdir()] == ["places"]
    lease.release()


def test_processes_share_places_and_names(tmp_path: Path) -> None:
    """A limit is the account's, not a worker's."""
    places = SharedSlots(tmp_path, 2)
    with _holder(tmp_path, 2, "x"):
        assert places.take(_names("x")) is None
        lease = _take(places, "y")
        assert places.take(_names()) is None
        lease.release()


def test_a_process_that_is_killed_gives_its_places_back(tmp_path: Path) -> None:
    """Nobody is there to do it, and no worker may wait for ever."""
    places = SharedSlots(tmp_path, 1)
    with _holder(tmp_path, 1, "x") as process:
        assert places.take(_names()) is None
        process.kill()
        process.wait(timeout=30)
        _take(places, "x").release()


def test_who_shares_places_has_to_ask_again(tmp_path: Path) -> None:
    """Another process frees one without telling."""
    patience = SharedSlots(tmp_path, 1).patience
    assert patience is not None
    assert 0 < patience <= 1
