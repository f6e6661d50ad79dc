from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sipfront.engine import journal as events
from pytest_sipfront.engine.journal import Journal, read_events, still_running
from pytest_sipfront.errors import ConfigurationError
from tests.engine.test_budget import in_processes

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
PLACES = ("--sipfront-ledger", "SIPFRONT_LEDGER", "sipfront_ledger")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger whose directory does not exist yet."""
    return tmp_path / "sipfront" / "ledger.jsonl"


def _ledger(path: Path, session: str = "s1", **options: Any) -> Journal:
    return Journal(path, session, now=lambda: NOON, **options)


def _kinds(path: Path) -> list[str]:
    return [event["event"] for event in read_events(path)]


# ---- what is written --------------------------------------------------------------------------------------------


def test_nothing_is_written_before_the_first_event(path: Path) -> None:
    """A session without a run leaves no trace."""
    ledger = _ledger(path)
    ledger.close()
    assert not ledger.is_open
    assert not path.parent.exists()


def test_each_event_is_one_line_with_its_time_and_session(path: Path) -> None:
    """Led by a line for the session itself."""
    ledger = _ledger(path, worker="gw1", resumes="s0")
    ledger.append(events.INTENT, launch="l1", test="test_a", target="Basic call", digest="d")
    head = {"at": "2026-01-15T12:00:00.000+00:00", "session": "s1", "worker": "gw1"}
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {**head, "event": "session", "resumes": "s0", "pid": os.getpid()},
        {**head, "event": "intent", "launch": "l1", "test": "test_a", "target": "Basic call", "digest": "d"},
    ]
    assert ledger.is_open


def test_an_event_is_on_disk_when_it_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Synchronised as a whole, line for line: the launch that it announces is sent right after."""
    synced: list[bytes] = []

    def fsync(descriptor: int) -> None:
        synced.append(os.pread(descriptor, 1_000_000, 0))

    monkeypatch.setattr(os, "fsync", fsync)
    ledger = _ledger(path)
    ledger.append(events.INTENT, launch="l1")
    ledger.append(events.LAUNCHED, launch="l1")
    assert [content.count(b"\n") for content in synced] == [1, 2, 3]
    assert synced[-1] == path.read_bytes()


def test_any_text_stays_on_its_line(path: Path) -> None:
    """A platform's message may be anything."""
    odd = "a\nb\r\u2028\udc00\x00ü"
    _ledger(path).append(events.REFUSED, launch="l1", error=odd)
    assert read_events(path)[-1]["error"] == odd
    assert path.read_bytes().count(b"\n") == 2


def test_a_value_that_json_does_not_know_is_written_as_text(path: Path) -> None:
    """A verdict must not be lost for it."""
    _ledger(path).append(events.VERDICT, at_=NOON)
    assert read_events(path)[-1]["at_"] == str(NOON)


# ---- torn lines -------------------------------------------------------------------------------------------------


@given(cut=st.integers(min_value=0, max_value=500))
@settings(max_examples=60, deadline=None)
def test_a_torn_last_line_costs_itself_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """Whoever writes next, in this session or another, is read as a whole."""
    path = tmp_path_factory.mktemp("torn") / "ledger.jsonl"
    first = _ledger(path)
    first.append(events.INTENT, launch="l1", error="ü" * 20)
    first.append(events.LAUNCHED, launch="l1")
    whole = path.read_bytes()
    path.write_bytes(whole[: max(len(whole) - cut, 0)])
    kept = path.read_bytes().splitlines(keepends=True)
    left = sum(1 for line in kept if line.endswith(b"\n") or line + b"\n" in whole.splitlines(keepends=True))
    assert len(read_events(path)) == left
    _ledger(path, "s2").append(events.INTENT, launch="l2")
    assert [event["session"] for event in read_events(path)][left:] == ["s2", "s2"]
    assert len(read_events(path)) == left + 2


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_whatever_the_file_holds_it_can_be_read_and_written_on(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Somebody may have named another file."""
    path = tmp_path_factory.mktemp("any") / "ledger.jsonl"
    path.write_bytes(content)
    before = len(read_events(path))
    _ledger(path).append(events.INTENT, launch="l1")
    assert [event["event"] for event in read_events(path)][before:] == ["session", "intent"]
    assert path.read_bytes().startswith(content)


@pytest.mark.parametrize("line", ["[]", "5", "null", '{"event": 5}', '{"at": 1}', "{", "[" * 100_000, "9" * 5000])
def test_a_line_that_is_no_event_is_left_out(path: Path, line: str) -> None:
    """And the rest is read."""
    path.parent.mkdir()
    path.write_text('{"event": "intent"}\n' + line + '\n{"event": "launched"}\n')
    assert _kinds(path) == ["intent", "launched"]


def test_a_file_that_does_not_exist_holds_nothing(path: Path) -> None:
    """The first session of all has nothing to look back to."""
    assert read_events(path) == []


# ---- several writers --------------------------------------------------------------------------------------------


def _write_many(path: Path, worker: int, results: multiprocessing.Queue[int]) -> None:
    ledger = Journal(path, "s1", worker=f"gw{worker}")
    for n in range(40):
        ledger.append(events.INTENT, launch=f"{worker}-{n}", error="x" * 10_000)
    ledger.close()
    results.put(40)


def test_processes_write_one_file_without_mixing_their_lines(path: Path) -> None:
    """Lines longer than any buffer."""
    in_processes(3, _write_many, path)
    written = [event for event in read_events(path) if event["event"] == events.INTENT]
    assert len(path.read_text().splitlines()) == 3 + len(written)
    for worker in range(3):
        own = [event["launch"] for event in written if event["worker"] == f"gw{worker}"]
        assert own == [f"{worker}-{n}" for n in range(40)]


def test_threads_write_one_file_without_mixing_their_lines(path: Path) -> None:
    """Each run's events are written in a thread of their own."""
    ledger = _ledger(path)
    threads = [threading.Thread(target=ledger.append, args=("intent",), kwargs={"launch": str(n)}) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert _kinds(path) == ["session", *["intent"] * 20]
    assert {event["launch"] for event in read_events(path)[1:]} == {str(n) for n in range(20)}


# ---- what cannot be written -------------------------------------------------------------------------------------


def test_a_ledger_that_cannot_be_written_is_a_configuration_error(tmp_path: Path) -> None:
    """It names the file, the reason, and where another is set."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"^the ledger .*ledger\.jsonl cannot be written: .") as caught:
        _ledger(tmp_path / "file" / "ledger.jsonl").append(events.INTENT)
    assert all(place in caught.value.hint for place in PLACES)


def test_a_directory_is_no_ledger(tmp_path: Path) -> None:
    """Neither to read nor to write."""
    with pytest.raises(ConfigurationError, match="cannot be written: Is a directory"):
        _ledger(tmp_path).append(events.INTENT)
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory") as caught:
        read_events(tmp_path)
    assert all(place in caught.value.hint for place in PLACES)


def test_a_session_whose_first_line_could_not_be_written_begins_with_it_the_next_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that line nobody could take it up."""
    full = OSError(28, "No space left on device")
    ledger = _ledger(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(full))
        with pytest.raises(ConfigurationError, match="No space left on device"):
            ledger.append(events.INTENT, launch="l1")
    path.write_text("")
    assert not ledger.is_open
    ledger.append(events.INTENT, launch="l1")
    assert _kinds(path) == ["session", "intent"]
    ledger.close()
    assert still_running(path, "s1") == []


# ---- who is alive -----------------------------------------------------------------------------------------------

_WRITER = """
import sys
from pathlib import Path
from pytest_sipfront.engine.journal import Journal
ledger = Journal(Path(sys.argv[1]), "s1", worker="gw0")
ledger.append("intent")
print("written", flush=True)
sys.stdin.read()
"""


def test_a_session_is_seen_to_run_as_long_as_one_of_its_processes_lives(path: Path) -> None:
    """Also if it is killed: the mark that it leaves says nothing, and is removed."""
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "written\n"
            (mark,) = still_running(path, "s1")
            assert still_running(path, "s2") == []
        finally:
            process.kill()
    assert mark.exists()
    assert still_running(path, "s1") == []
    assert not mark.exists()


def test_a_session_that_closed_its_ledger_runs_no_more(path: Path) -> None:
    """And leaves no mark."""
    ledger = _ledger(path)
    ledger.append(events.INTENT)
    assert len(still_running(path, "s1")) == 1
    ledger.close()
    ledger.close()
    assert [entry.suffix for entry in path.parent.iterdir() if entry.suffix == ".alive"] == []


@pytest.mark.parametrize("name", ["ledger[1].jsonl", "led*ger", "a b"])
def test_any_file_name_is_possible(tmp_path: Path, name: str) -> None:
    """Also one that means something to whoever looks for files."""
    ledger = _ledger(tmp_path / name)
    ledger.append(events.INTENT)
    assert len(still_running(tmp_path / name, "s1")) == 1
    assert still_running(tmp_path / name, "s*") == []
    ledger.close()


def test_a_mark_that_cannot_be_opened_is_a_configuration_error(path: Path) -> None:
    """It belongs to another user, say: nobody knows whether that session runs."""
    path.with_name(path.name + ".s1.alive").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="cannot be locked: Is a directory") as caught:
        still_running(path, "s1")
    assert all(place in caught.value.hint for place in PLACES)


# ---- how large it grows -----------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger is large from 1,000 bytes on."""
    monkeypatch.setattr(events, "_LARGEST", 1000)


@pytest.mark.usefixtures("small")
def test_a_ledger_that_has_grown_large_is_put_aside_by_the_next_session(path: Path) -> None:
    """Otherwise it would grow for ever; one is kept."""
    old = _ledger(path)
    old.append(events.INTENT, launch="x" * 1000)
    old.close()
    _ledger(path, "s2").append(events.INTENT)
    assert [event["session"] for event in read_events(path)] == ["s2", "s2"]
    assert [event["session"] for event in read_events(path.with_name("ledger.jsonl.old"))] == ["s1", "s1"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("who", ["resumes", "same session", "beside a live one"])
def test_a_ledger_that_is_needed_is_not_put_aside(path: Path, who: str) -> None:
    """By who takes up its session, by another worker, by a session that runs at the same time."""
    old = _ledger(path)
    old.append(events.INTENT, launch="x" * 1000)
    if who != "beside a live one":
        old.close()
    options = {"resumes": "s1"} if who == "resumes" else {}
    session = "s1" if who == "same session" else "s2"
    _ledger(path, session, worker="gw1", **options).append(events.END)
    assert len(read_events(path)) == 4
