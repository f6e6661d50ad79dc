"""SIPp as the other end of a call, on a port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

SCENARIOS = Path(__file__).parent / "sipp"
SIPP = shutil.which("sipp")
BOUND_SECONDS = 120
HUM = (b"\x90" * 9 + b"\x10" * 9) * 445
"""A second of a loud 444 Hz square wave in G.711 mu-law, for a scenario to send."""
needs_sipp = pytest.mark.skipif(SIPP is None, reason="SIPp is not installed (Debian's package sip-tester)")


@dataclass(frozen=True, slots=True)
class Sipp:
    """A running SIPp, the port it listens on and the directory where it runs."""

    process: subprocess.Popen[bytes]
    port: int
    directory: Path

    def await_call(self) -> None:
        """Return when its scenario says that the call is up."""
        deadline = time.monotonic() + BOUND_SECONDS
        while not (self.directory / "up").exists():
            assert time.monotonic() < deadline, "no call came"
            time.sleep(0.01)  # between looks at what a foreign process has done

    def exit_code(self) -> int:
        """Wait for SIPp's own verdict: 0 when its scenario went through as written."""
        return self.process.wait(BOUND_SECONDS)


@contextmanager
def sipp(
    scenario: str,
    *arguments: str,
    files: Mapping[str, bytes] = MappingProxyType({}),
    edits: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Sipp]:
    """Start SIPp with a scenario for one call, and yield it once it listens.

    Args:
        scenario: Name of the scenario.
        arguments: Further arguments of SIPp.
        files: Files that the scenario reads.
        edits: Texts of the scenario to replace.
    """
    assert SIPP is not None
    port = free_port()
    command = [SIPP, *arguments, "-sf", "scenario.xml", "-i", "127.0.0.1", "-mi", "127.0.0.1"]
    command += ["-p", str(port), "-mp", str(free_port()), "-m", "1", "-nostdin", "-timeout", str(BOUND_SECONDS)]
    with tempfile.TemporaryDirectory() as directory:
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        for old, new in edits.items():
            assert old in text
            text = text.replace(old, new)
        Path(directory, "scenario.xml").write_text(text)
        for name, content in {"hum.ulaw": HUM, **files}.items():
            Path(directory, name).write_bytes(content)
        process = subprocess.Popen(
            [*command, "-timeout_error"],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _await_listening(process, port, socket.SOCK_STREAM if "t1" in arguments else socket.SOCK_DGRAM)
            yield Sipp(process, port, Path(directory))
        finally:
            process.kill()
            process.wait()


def free_port() -> int:
    """Return an even port of 127.0.0.1 that is free for UDP and TCP, as is the next port for UDP."""
    while True:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            if port % 2 == 0:
                for kind, other in ((socket.SOCK_STREAM, port), (socket.SOCK_DGRAM, port + 1)):
                    stack.enter_context(socket.socket(socket.AF_INET, kind)).bind(("127.0.0.1", other))
                return port


def _await_listening(process: subprocess.Popen[bytes], port: int, kind: socket.SocketKind) -> None:
    """Return when the process has bound the port. To try a bind here could make that of SIPp fail."""
    table = Path("/proc/net", "tcp" if kind is socket.SOCK_STREAM else "udp")
    deadline = time.monotonic() + BOUND_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if f":{port:04X} " in table.read_text():
            return
        time.sleep(0.01)  # between looks at another process, which sends no signal when it listens
    # a caller's scenario may be over already
