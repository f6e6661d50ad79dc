"""PJSUA2 as the other end of a call, on a port of 127.0.0.1."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.lab.calls.audio import wav
from pytest_sipfront.lab.calls.speech_synthesis import tone
from tests.lab.calls.sipp_peer import BOUND_SECONDS, free_port

PROGRAM = Path(__file__).with_name("pjsua_program.py")
needs_pjsua = pytest.mark.skipif(
    find_spec("pjsua2") is None, reason="PJSUA2 is not installed (pjsua2-python has wheels for Python 3.11 and 3.12)"
)


@dataclass(frozen=True, slots=True)
class Pjsua:
    """A running PJSUA2 and the port it listens on."""

    process: subprocess.Popen[str]
    port: int

    def report(self) -> dict[str, Any]:
        """End the process; return the packets that it sent and received in its last call, and all digits."""
        output, _ = self.process.communicate(timeout=BOUND_SECONDS)
        return _reported(output.splitlines())


@contextmanager
def pjsua(*, audio: str = "tone", **behaviour: Any) -> Iterator[Pjsua]:
    """Start a phone, and yield it once it listens.

    Args:
        audio: "tone", "silence", or "" to send none.
        behaviour: Arguments of `pjsua_program.Phone`.
    """
    port = free_port()
    sounds = {"tone": tone(440, 1.0), "silence": bytes(16_000)}
    with tempfile.TemporaryDirectory() as directory:
        if audio:
            Path(directory, "audio.wav").write_bytes(wav(sounds[audio]))
            behaviour["audio"] = str(Path(directory, "audio.wav"))
        with subprocess.Popen(
            [sys.executable, str(PROGRAM), json.dumps({"port": port, **behaviour})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                _reported(process.stdout)
                yield Pjsua(process, port)
            finally:
                process.kill()


def _reported(lines: Iterable[str]) -> dict[str, Any]:
    """Return the first line that PJSUA2 itself did not write."""
    line = next(line for line in lines if line.startswith("{"))
    values: dict[str, Any] = json.loads(line)
    return values
