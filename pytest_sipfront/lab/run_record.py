"""The files of a run, written while its calls run: SIP messages, a capture with SIP and RTP, audio, measurements.

A lab that is killed leaves everything up to the last half second.
"""

from __future__ import annotations

import json
import re
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pytest_sipfront.lab.pcap import FILE_HEADER, Address, Datagram, write_datagram
from pytest_sipfront.masking import mask_data, mask_numbers

if TYPE_CHECKING:
    from pytest_sipfront.lab.platform.account import Account, LabRun

EVIDENCE, PAGE, CAPTURE, SIP = "evidence.json", "report.html", "call.pcap", "sip.txt"
LARGEST_CAPTURE = 32 * 1024 * 1024
"""Bytes of a capture after which RTP is left out."""
LONGEST_SOUND = 600
"""Seconds of audio that a recording keeps while its call runs."""
_CONTENT_LENGTH = re.compile(r"^(?:Content-Length|l)\s*:\s*(\d+)", re.IGNORECASE | re.MULTILINE)
_LINE_END_BYTES = 2
_RATE, _SAMPLE_BYTES, _WAV_HEADER_BYTES = 8000, 2, 44


@dataclass(frozen=True, slots=True)
class RunRecords:
    """Where the records of a lab's runs are kept.

    Args:
        directory: Each run gets a directory in it, named by the id in the run's URLs.
        has_sound: Whether audio and RTP are recorded.
        masks: Whether phone numbers are masked.
        write: Writes what is known about a run to its record, at the begin of the run and at its end.
    """

    directory: Path
    has_sound: bool = True
    masks: bool = False
    write: Callable[[RunRecord, Account, LabRun], None] = lambda *_: None

    def open(self, *names: str) -> RunRecord:
        """Return the record of a run; its directory is created with the first file."""
        return RunRecord(self.directory.joinpath(*names), has_sound=self.has_sound, masks=self.masks, write=self.write)


class RunRecord:
    """The files of one run. All methods are thread-safe. A disk that is full ends the record and not the run."""

    def __init__(
        self,
        directory: Path,
        *,
        has_sound: bool = True,
        masks: bool = False,
        write: Callable[[RunRecord, Account, LabRun], None] = lambda *_: None,
    ) -> None:
        self._write_all = write
        self.directory = directory
        self.has_sound = has_sound
        self._masks = masks
        self._offset = time.time() - time.monotonic()
        self._lock = threading.Lock()
        self._files: dict[str, IO[bytes]] = {}
        self._capture_bytes = 0

    def begin(self, account: Account, run: LabRun) -> None:
        """Write what was launched."""
        self._write_all(self, account, run)

    def finish(self, account: Account, run: LabRun) -> None:
        """Write the result of a run that has ended, and close the files."""
        self._write_all(self, account, run)
        self.close()

    def message(self, at: float, source: str, sink: str, text: str) -> None:
        """Add a SIP message.

        Args:
            at: Seconds of `time.monotonic()`.
            source: Host and port of the sender.
            sink: Host and port of the receiver.
            text: The message.
        """
        moment = datetime.fromtimestamp(at + self._offset, UTC)
        masked = self._mask(_complete(text))
        head = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} UTC  {source} -> {sink}\n\n"
        with self._lock:
            self._append(SIP, (head + masked.replace("\r\n", "\n").rstrip("\n") + "\n\n" + "-" * 72 + "\n").encode())
            self._capture(Datagram(at, _address(source), _address(sink), masked.encode()))
            self._flush()

    def packets(self, packets: Iterable[Datagram]) -> None:
        """Add RTP packets, with times in seconds of `time.monotonic()`."""
        with self._lock:
            for packet in packets:
                if self._capture_bytes < LARGEST_CAPTURE:
                    self._capture(packet)
            self._flush()

    def sound(self, end: str, pcm: bytes) -> None:
        """Append audio that an end of the call heard: PCM, 16 bit, mono, 8000 samples per second."""
        name = f"{end}.wav"
        with self._lock:
            if not self._has(name):
                self._append(name, _wav_header(0))
            file = self._files.get(name)
            if file is None or file.tell() > LONGEST_SOUND * _RATE * _SAMPLE_BYTES:
                return
            self._append(name, pcm)
            size = file.tell() - _WAV_HEADER_BYTES
            file.seek(0)
            file.write(_wav_header(size))
            file.seek(0, 2)
            file.flush()

    def write(self, name: str, content: bytes) -> None:
        """Write a file, in place of an earlier one of this name."""
        with self._lock:
            if self._has(name):
                self._files.pop(name).close()
            self._append(name, content)
            self._flush()

    def evidence(self, content: Mapping[str, Any]) -> None:
        """Write what is known about the run."""
        data = mask_data(content) if self._masks else content
        self.write(EVIDENCE, json.dumps(data, indent=1, default=str).encode())

    def page(self, html: str) -> None:
        """Write the report page."""
        self.write(PAGE, self._mask(html).encode())

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _capture(self, datagram: Datagram) -> None:
        if not self._has(CAPTURE):
            self._append(CAPTURE, FILE_HEADER)
        file = self._files.get(CAPTURE)
        if file is not None:
            self._capture_bytes += write_datagram(file, datagram._replace(at=datagram.at + self._offset))

    def _mask(self, text: str) -> str:
        return mask_numbers(text) if self._masks else text

    def _has(self, name: str) -> bool:
        return name in self._files

    def _append(self, name: str, content: bytes) -> None:
        try:
            if name not in self._files:
                self.directory.mkdir(parents=True, exist_ok=True)
                self._files[name] = (self.directory / name).open("wb")
            self._files[name].write(content)
        except OSError:
            return

    def _flush(self) -> None:
        for file in self._files.values():
            file.flush()


def _complete(message: str) -> str:
    """Return a SIP message with the line ends at its end, which the trace of the SIP stack omits."""
    head, _, body = message.partition("\r\n\r\n")
    length = _CONTENT_LENGTH.search(head)
    missing = int(length[1]) - len(body.encode()) if length else 0
    return f"{head.rstrip()}\r\n\r\n{body}" + ("\r\n" if body and missing == _LINE_END_BYTES else "")


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port) if port.isdigit() else 0


def _wav_header(size: int) -> bytes:
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", size + _WAV_HEADER_BYTES - 8, b"WAVE", b"fmt ", 16),
        *(1, 1, _RATE, _RATE * _SAMPLE_BYTES, _SAMPLE_BYTES, 8 * _SAMPLE_BYTES),
        *(b"data", size),
    )
