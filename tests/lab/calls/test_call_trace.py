"""The files that a run leaves: SIP messages, a capture, and recordings, written while its call runs."""

from __future__ import annotations

import asyncio
import io
import shutil
import struct
import subprocess
import time
import wave
from pathlib import Path

import pytest

from pytest_sipfront.lab.calls.calls_executor import CallsExecutor
from pytest_sipfront.lab.file.lab_file import LabFile
from pytest_sipfront.lab.pcap import FILE_HEADER, Datagram, write_datagram
from pytest_sipfront.lab.run_record import RunRecord
from tests.lab.calls.placing import needs_stack, with_lab

CALL = """
phones: {Vienna: {number: "43123101"}}
tests:
  call:
    steps:
      - []
      - [{action: call, dial_destination: "43123101"}, {action: hold, seconds: 1.5}]
"""
ONE_SECOND = b"\1\0" * 8000


def test_a_capture_has_the_datagrams_with_valid_headers() -> None:
    """Raw IPv4, whose header checksum is right; a datagram of an unknown address is left out."""
    file = io.BytesIO(FILE_HEADER)
    file.seek(0, 2)
    write_datagram(file, Datagram(1764064569.25, ("127.0.0.1", 5060), ("10.1.2.3", 40000), b"OPTIONS"))
    assert write_datagram(file, Datagram(0, ("host.example", 1), ("10.1.2.3", 2), b"")) == 0
    data = file.getvalue()
    assert struct.unpack_from("<I", data, 20) == (101,)
    assert struct.unpack_from("<IIII", data, 24) == (1764064569, 250000, 35, 35)
    ip = data[40:60]
    total = sum(struct.unpack(">10H", ip))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    assert (ip[12:16], ip[16:20]) == (bytes([127, 0, 0, 1]), bytes([10, 1, 2, 3]))
    assert data[60:] == struct.pack(">HHHH", 5060, 40000, 15, 0) + b"OPTIONS"


def test_a_recording_can_be_played_while_it_grows(tmp_path: Path) -> None:
    """Its header has the length so far."""
    record = RunRecord(tmp_path / "run")
    for seconds in (1, 2):
        record.sound("caller", ONE_SECOND)
        with wave.open(str(tmp_path / "run/caller.wav")) as file:
            assert file.getnframes() == seconds * 8000
    record.close()


def test_a_record_that_cannot_be_written_disturbs_no_run(tmp_path: Path) -> None:
    """A file in place of the directory, for example."""
    (tmp_path / "run").write_text("")
    record = RunRecord(tmp_path / "run")
    record.message(time.monotonic(), "127.0.0.1:1", "127.0.0.1:2", "OPTIONS sip:x SIP/2.0\r\nl: 0")
    record.sound("caller", ONE_SECOND)
    record.write("report.html", b"")
    record.close()


@needs_stack
def test_a_call_is_recorded_while_it_runs(tmp_path: Path) -> None:
    """Before the call has ended, messages, packets of both directions and audio of both ends are on disk."""
    record = RunRecord(tmp_path)

    async def work(executor: CallsExecutor, file: LabFile) -> list[bytes]:
        run = asyncio.create_task(executor.execute(file.tests["call"], {}, record))
        names = [tmp_path / name for name in ("caller.wav", "callee.wav", "call.pcap")]
        while not all(path.exists() and path.stat().st_size > 5000 for path in names):
            assert not run.done(), "the call ended before its files were written"
            await asyncio.sleep(0.02)
        meanwhile = [path.read_bytes() for path in names]
        assert (await run).state == "passed"
        return meanwhile

    caller, callee, capture = with_lab(CALL, work)
    record.close()
    assert caller[:4] == callee[:4] == b"RIFF"
    sip = (tmp_path / "sip.txt").read_text()
    assert "INVITE sip:43123101@127.0.0.1" in sip
    assert "BYE sip:" in sip
    assert b"INVITE sip:43123101@" in capture
    assert b"BYE sip:" not in capture
    assert b"BYE sip:" in (tmp_path / "call.pcap").read_bytes()


@pytest.mark.slow
@needs_stack
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_the_capture(tmp_path: Path) -> None:
    """It dissects each SIP message without complaint, and sees one RTP stream per direction without loss."""
    record = RunRecord(tmp_path)

    async def work(executor: CallsExecutor, file: LabFile) -> None:
        await executor.execute(file.tests["call"], {}, record)

    with_lab(CALL, work)
    record.close()

    def tshark(*options: str) -> list[str]:
        command = ["tshark", "-n", "-r", str(tmp_path / "call.pcap"), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout.splitlines()

    messages = tshark("-Y", "sip", "-T", "fields", "-e", "sip.Method", "-e", "sip.Status-Code")
    assert [line.strip() for line in messages] == ["INVITE", "180", "200", "ACK", "BYE", "200"]
    assert tshark("-Y", "_ws.malformed or _ws.expert.severity >= 6291456") == []
    streams = [line for line in tshark("-q", "-z", "rtp,streams") if "g711U" in line]
    assert len(streams) == 2


@needs_stack
def test_without_sound_only_messages_are_recorded(tmp_path: Path) -> None:
    """No audio file, and no RTP in the capture."""
    record = RunRecord(tmp_path, has_sound=False)

    async def work(executor: CallsExecutor, file: LabFile) -> None:
        await executor.execute(file.tests["call"], {}, record)

    with_lab(CALL, work)
    record.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["call.pcap", "sip.txt"]
    assert (tmp_path / "call.pcap").stat().st_size < 6000
