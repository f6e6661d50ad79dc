from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_sipfront.engine import journal as events
from pytest_sipfront.engine.journal import DamagedLine, Journal, is_running, read_journal
from pytest_sipfront.errors import ConfigurationError

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
PLACES = ("--sipfront-ledger", "SIPFRONT_LEDGER", "sipfront_ledger")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal whose directory does not exist yet."""
    return tmp_path / "sipfront" / "ledger.jsonl"


def _journal(path: Path, session: str = "s1", **options: Any) -> Journal:
    return Journal(path, session, **{"utcnow": lambda: NOON} | options)


def _kinds(path: Path) -> list[str]:
    return [event["event"] for event in read_journal(path).events]


# ---- what is written --------------------------------------------------------------------------------------------


def test_nothing_is_written_before_the_first_event(path: Path) -> None:
    """A session without a run leaves no trace."""
    journal = _journal(path)
    journal.close()
    assert not journal.is_open
    assert not path.parent.exists()


def test_each_event_is_one_line_with_its_time_and_session(path: Path) -> None:
    """The first one describes the session."""
    journal = _journal(path, resumes=["s0"])
    journal.append(events.INTENT, launch="l1", test="test_a", target="Basic call", digest="d")
    head = {"at": "2026-01-15T12:00:00.000+00:00", "session": "s1"}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    checksums = [line.pop("crc32") for line in lines]
    assert lines == [
        {**head, "event": "session", "resumes": ["s0"], "pid": os.getpid()},
        {**head, "event": "intent", "launch": "l1", "test": "test_a", "target": "Basic call", "digest": "d"},
    ]
    assert [len(checksum) for checksum in checksums] == [8, 8]
    assert journal.is_open


def test_a_batch_is_on_disk_after_one_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launches that it announces are sent right after."""
    synced: list[bytes] = []

    def fsync(descriptor: int) -> None:
        synced.append(os.pread(descriptor, 1_000_000, 0))

    monkeypatch.setattr(os, "fsync", fsync)
    journal = _journal(path)
    journal.write([journal.line(events.INTENT, launch="l1"), journal.line(events.INTENT, launch="l2")])
    journal.append(events.LAUNCHED, launch="l1")
    assert [content.count(b"\n") for content in synced] == [3, 4]
    assert synced[-1] == path.read_bytes()


def test_any_text_stays_on_its_line(path: Path) -> None:
    """A message of the platform may contain any character."""
    odd = "a\nb\r\u2028\udc00\x00ü"
    _journal(path).append(events.REFUSED, launch="l1", error=odd)
    assert read_journal(path).events[-1]["error"] == odd
    assert path.read_bytes().count(b"\n") == 2


def test_a_value_without_a_json_type_is_written_as_text(path: Path) -> None:
    """A verdict must not be lost because of it."""
    _journal(path).append(events.VERDICT, at_=NOON)
    assert read_journal(path).events[-1]["at_"] == str(NOON)


def test_a_journal_that_is_deleted_during_the_session_is_created_again(path: Path) -> None:
    """Another session may clear pytest's cache."""
    journal = _journal(path)
    journal.append(events.INTENT, launch="l1")
    path.unlink()
    journal.append(events.INTENT, launch="l2")
    assert _kinds(path) == ["intent"]


# ---- incomplete and damaged lines -------------------------------------------------------------------------------


@given(cut=st.integers(min_value=0, max_value=500))
@example(cut=1)
def test_an_incomplete_last_line_is_repaired_by_the_next_event(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    """The killed session loses that line only, and no other event is damaged."""
    path = tmp_path_factory.mktemp("cut") / "ledger.jsonl"
    first = _journal(path)
    first.append(events.INTENT, launch="l1", error="ü" * 20)
    first.append(events.LAUNCHED, launch="l1")
    whole = path.read_bytes()
    path.write_bytes(whole[: max(len(whole) - cut, 0)])
    lines = whole.splitlines()
    complete = sum(1 for line in path.read_bytes().splitlines() if line in lines)
    before = read_journal(path)
    assert (len(before.events), before.damaged) == (complete, [])
    _journal(path, "s2").append(events.INTENT, launch="l2")
    after = read_journal(path)
    assert after.damaged == []
    assert after.events[:complete] == before.events
    assert [event["event"] for event in after.events[complete:] if event["event"] != "repair"] == ["session", "intent"]


@given(data=st.data())
def test_any_damaged_byte_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """No event changes, and none disappears without a trace."""
    path = tmp_path_factory.mktemp("damaged") / "ledger.jsonl"
    journal = _journal(path)
    journal.write([journal.line(events.INTENT, launch=f"l{n}", digest="0a1b2c") for n in range(3)])
    journal.append(events.LAUNCHED, launch="l1")
    content = bytearray(path.read_bytes())
    original = read_journal(path).events
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    contents = read_journal(path)
    assert contents.damaged
    assert all(event in original for event in contents.events)
    first = contents.damaged[0]
    assert first.number == content[:position].count(b"\n") + 1
    assert contents.events[: first.position] == original[: first.position]


def test_a_repair_marks_an_incomplete_line(path: Path) -> None:
    """Without one, only the last line of the file may be incomplete. Any other unreadable line is damaged."""
    journal = _journal(path)
    journal.append(events.INTENT, launch="l1")
    with path.open("ab") as file:
        file.write(b'{"at": "2026')
    journal.append(events.INTENT, launch="l2")
    with path.open("ab") as file:
        file.write(b'{"at": "2026\n')
    journal.append(events.INTENT, launch="l3")
    contents = read_journal(path)
    assert [event.get("launch") for event in contents.events] == [None, "l1", None, "l2", "l3"]
    assert contents.damaged == [DamagedLine(number=5, position=4)]


def test_a_repair_may_itself_be_incomplete(path: Path) -> None:
    """The next session repairs the same line again."""
    journal = _journal(path)
    journal.append(events.INTENT, launch="l1")
    with path.open("ab") as file:
        file.write(b'{"at": "2026' + journal.line(events.REPAIR).encode()[:-5])
    journal.append(events.INTENT, launch="l2")
    contents = read_journal(path)
    assert [event["event"] for event in contents.events] == ["session", "intent", "repair", "intent"]
    assert contents.damaged == []


def test_a_repair_does_not_hide_a_damaged_line(path: Path) -> None:
    """A complete line whose line break is damaged is no incomplete one: its launch was sent."""
    journal = _journal(path)
    journal.append(events.INTENT, launch="l1")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert read_journal(path).damaged == [DamagedLine(number=2, position=1)]
    journal.append(events.INTENT, launch="l2")
    assert read_journal(path).damaged == [DamagedLine(number=2, position=1)]


def test_a_repair_that_was_not_needed_is_harmless(path: Path) -> None:
    """A session may see another one's line while it is being written. Its repair then follows a complete line."""
    journal = _journal(path)
    journal.append(events.INTENT, launch="l1")
    journal.append(events.REPAIR)
    assert read_journal(path).damaged == []
    path.write_bytes(path.read_bytes().replace(b'"l1"', b'"l2"'))
    assert read_journal(path).damaged == [DamagedLine(number=2, position=1)]


@given(st.binary(max_size=200))
def test_any_file_can_be_read_and_continued(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """A user may have named another file."""
    path = tmp_path_factory.mktemp("any") / "ledger.jsonl"
    path.write_bytes(content)
    assert list(read_journal(path).events) == []
    _journal(path).append(events.INTENT, launch="l1")
    assert [kind for kind in _kinds(path) if kind != "repair"] == ["session", "intent"]
    assert path.read_bytes().startswith(content)


@pytest.mark.parametrize(
    "line",
    ["[]", "5", "null", '{"event": 5}', '{"at": 1}', '{"event": "intent"}', "{", "[" * 100_000, "9" * 5000],
    ids=lambda line: line[:20],
)
def test_a_line_without_a_checksum_is_damaged(path: Path, line: str) -> None:
    """The lines around it are read."""
    journal = _journal(path)
    journal.append(events.INTENT)
    with path.open("a") as file:
        file.write(line + "\n")
    journal.append(events.LAUNCHED)
    assert _kinds(path) == ["session", "intent", "launched"]
    assert read_journal(path).damaged == [DamagedLine(number=3, position=2)]


def test_a_file_that_does_not_exist_is_empty(path: Path) -> None:
    """The first session of all has nothing to resume."""
    assert list(read_journal(path).events) == []


# ---- several writers --------------------------------------------------------------------------------------------


def _write_many(path: Path, number: int, results: multiprocessing.Queue[int]) -> None:
    journal = Journal(path, f"s{number}")
    for n in range(40):
        journal.append(events.INTENT, launch=f"{number}-{n}", error="x" * 10_000)
    journal.close()
    results.put(40)


def _in_processes(number: int, work: Callable[..., None], path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=work, args=(path, n, results)) for n in range(number)]
    for process in processes:
        process.start()
    for _ in processes:
        results.get(timeout=60)
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0


def test_sessions_write_one_file_without_mixing_their_lines(path: Path) -> None:
    """Even if a line is longer than any buffer."""
    _in_processes(3, _write_many, path)
    contents = read_journal(path)
    assert contents.damaged == []
    for number in range(3):
        own = [event["launch"] for event in contents.events if event.get("launch", "").startswith(f"{number}-")]
        assert own == [f"{number}-{n}" for n in range(40)]


def test_threads_write_one_file_without_mixing_their_lines(path: Path) -> None:
    """Each batch is written in another thread."""
    journal = _journal(path)
    threads = [threading.Thread(target=journal.append, args=("intent",), kwargs={"launch": str(n)}) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert _kinds(path) == ["session", *["intent"] * 20]
    assert {event["launch"] for event in read_journal(path).events[1:]} == {str(n) for n in range(20)}


# ---- what cannot be written -------------------------------------------------------------------------------------


def test_a_journal_that_cannot_be_written_is_a_configuration_error(tmp_path: Path) -> None:
    """It names the file, the reason, and where another file is set."""
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ConfigurationError, match=r"^cannot write the journal .*ledger\.jsonl \(--sipfront-ledger\): ."
    ) as caught:
        _journal(tmp_path / "file" / "ledger.jsonl").append(events.INTENT)
    assert all(place in caught.value.hint for place in PLACES)


def test_a_directory_is_no_journal(tmp_path: Path) -> None:
    """It can be neither written nor read."""
    with pytest.raises(ConfigurationError, match=r"cannot write the journal .*: Is a directory"):
        _journal(tmp_path).append(events.INTENT)
    with pytest.raises(ConfigurationError, match=r"cannot read the journal .*: Is a directory") as caught:
        read_journal(tmp_path)
    assert all(place in caught.value.hint for place in PLACES)


def test_a_session_whose_first_write_failed_begins_with_the_next_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full for a moment."""
    full = OSError(28, "No space left on device")
    journal = _journal(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(full))
        with pytest.raises(ConfigurationError, match="No space left on device"):
            journal.append(events.INTENT, launch="l1")
    path.write_text("")
    assert not journal.is_open
    journal.append(events.INTENT, launch="l1")
    assert _kinds(path) == ["session", "intent"]
    journal.close()
    assert not is_running(path, "s1")


# ---- running sessions -------------------------------------------------------------------------------------------

_WRITER = """
import sys
from pathlib import Path
from pytest_sipfront.engine.journal import Journal
journal = Journal(Path(sys.argv[1]), "s1")
journal.append("intent")
print("written", flush=True)
sys.stdin.read()
"""


def test_a_session_runs_until_its_process_has_ended(path: Path) -> None:
    """Even if it is killed. The mark that it leaves is removed."""
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "written\n"
            assert [is_running(path, session) for session in ("s1", "s2")] == [True, False]
        finally:
            process.kill()
    assert list(path.parent.glob("*.alive"))
    assert not is_running(path, "s1")
    assert not list(path.parent.glob("*.alive"))


def test_a_session_that_closed_its_journal_runs_no_more(path: Path) -> None:
    """It leaves no mark."""
    journal = _journal(path)
    journal.append(events.INTENT)
    assert is_running(path, "s1")
    journal.close()
    journal.close()
    assert not list(path.parent.glob("*.alive"))
    assert not is_running(path, "s1")


def test_sessions_that_look_for_each_other_at_the_same_time_agree(path: Path) -> None:
    """A lock that a session takes to test whether another one runs must not look like a running session."""
    journal = _journal(path)
    journal.append(events.INTENT)
    mark = path.with_name("ledger.jsonl.dead.alive")
    answers: list[tuple[bool, bool]] = []

    def look() -> None:
        for _ in range(50):
            mark.touch()
            answers.append((is_running(path, "s1"), is_running(path, "dead")))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert set(answers) == {(True, False)}


@pytest.mark.parametrize("session", ["", "../s1", "a/b", "a\0b", "x" * 1000])
def test_a_session_with_an_impossible_id_does_not_run(path: Path, session: str) -> None:
    """Another program may have written it."""
    assert not is_running(path, session)


@pytest.mark.parametrize("name", ["ledger[1].jsonl", "led*ger", "a b"])
def test_a_journal_may_have_any_file_name(tmp_path: Path, name: str) -> None:
    """Even one with the special characters of a pattern."""
    journal = _journal(tmp_path / name)
    journal.append(events.INTENT)
    assert is_running(tmp_path / name, "s1")
    journal.close()


def test_a_mark_that_cannot_be_locked_is_a_configuration_error(path: Path) -> None:
    """It may belong to another user, so the session may still run."""
    path.with_name(path.name + ".s1.alive").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"cannot lock .*\.s1\.alive: Is a directory") as caught:
        is_running(path, "s1")
    assert all(place in caught.value.hint for place in PLACES)


# ---- how large it grows -----------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal is large if it has more than 1,000 bytes."""
    monkeypatch.setattr(events, "_MAX_BYTES", 1000)


def _sessions(path: Path) -> list[str]:
    return list(dict.fromkeys(event["session"] for event in read_journal(path).events))


@pytest.mark.usefixtures("small")
def test_old_sessions_are_dropped_when_the_journal_has_become_large(path: Path) -> None:
    """One copy is kept."""
    for session, hours in (("old", 13), ("recent", 11)):
        at = NOON - timedelta(hours=hours)
        journal = _journal(path, session, utcnow=lambda at=at: at)
        journal.append(events.INTENT, launch="x" * 1000)
        journal.close()
    _journal(path, "new").append(events.INTENT)
    assert _sessions(path) == ["recent", "new"]
    assert _sessions(path.with_name("ledger.jsonl.old")) == ["old", "recent"]
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".alive", ".jsonl", ".lock", ".old"]


@pytest.mark.usefixtures("small")
def test_a_session_is_kept_as_a_whole(path: Path) -> None:
    """It began long ago, and its last run ended just now."""
    times = iter([NOON - timedelta(hours=20)] * 2 + [NOON])
    journal = _journal(path, utcnow=lambda: next(times))
    journal.append(events.INTENT, launch="x" * 1000)
    journal.append(events.VERDICT, launch="x" * 1000)
    journal.close()
    _journal(path, "s2").append(events.END)
    assert _kinds(path) == ["session", "intent", "verdict", "session", "end"]


@pytest.mark.usefixtures("small")
def test_damaged_lines_are_kept(path: Path) -> None:
    """They may belong to a session that can be resumed. An incomplete line belongs to none."""
    journal = _journal(path)
    journal.append(events.INTENT, launch="x" * 1000)
    with path.open("ab") as file:
        file.write(b"damaged\nincomplete")
    journal.close()
    _journal(path, "s2").append(events.END)
    assert read_journal(path).damaged == [DamagedLine(number=3, position=2)]
    assert _kinds(path) == ["session", "intent", "session", "end"]


@pytest.mark.usefixtures("small")
def test_nothing_is_dropped_beside_a_running_session(path: Path) -> None:
    """It appends to the file."""
    at = NOON - timedelta(hours=20)
    running = _journal(path, "running", utcnow=lambda: at)
    running.append(events.INTENT, launch="x" * 1000)
    _journal(path, "s2").append(events.END)
    running.close()
    assert _sessions(path) == ["running", "s2"]
