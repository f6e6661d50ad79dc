"""The engine process and its channel: who may use it, what it inherits, and when it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.engine import client, wire
from pytest_sipfront.engine.client import Address, EngineClient, EngineProcess
from pytest_sipfront.engine.run_service import EngineSettings
from pytest_sipfront.engine.server import Server
from pytest_sipfront.errors import EngineStopped, SipfrontError

PATIENCE = 120
"""Seconds after which a process is considered hung."""
SECRETS = {
    "SIPFRONT_PUBLIC_KEY": "pk-7f3a9c",
    "SIPFRONT_SECRET_KEY": "sk-7f3a9c",
    "SIFT_AUTH_TOKEN": "sift-7f3a9c",
    "AWS_SECRET_ACCESS_KEY": "aws-7f3a9c",
    "GITHUB_TOKEN": "gh-7f3a9c",
}
CLIENT_THAT_IS_KILLED = """
import sys
from pathlib import Path
from pytest_sipfront.engine.client import EngineClient, EngineProcess
process = EngineProcess()
client = EngineClient(process.address)
process.address.save(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def engine() -> Iterator[EngineProcess]:
    """An engine process, which ends with the test."""
    process = EngineProcess()
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)
    process.address.remove_directory()


def wait_until_ended(directory: str) -> None:
    """Return when an engine has removed its directory, which it does last."""
    deadline = time.monotonic() + PATIENCE
    while Path(directory).exists():
        assert time.monotonic() < deadline, "the engine still runs"
        time.sleep(0.01)


def first_answer(address: Address, *messages: dict[str, Any]) -> bytes:
    """Send these messages on a new connection and return what the engine sends until it closes the connection."""
    family = socket.AF_UNIX if address.family == "unix" else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(address.path if address.family == "unix" else ("127.0.0.1", address.port))
        connection.sendall(b"".join(map(wire.encode, messages)))
        connection.shutdown(socket.SHUT_WR)
        try:
            return connection.recv(1 << 16)
        except ConnectionError:
            return b""


def works(client: EngineClient) -> bool:
    """Whether the engine answers."""
    return bool(client.request("untaken") == [])


@pytest.mark.parametrize(
    "greeting",
    [{}, {"token": "wrong"}, {"token": ""}, {"token": None}, {"token": "\ud800"}, {"id": 1, "op": "untaken"}],
    ids=["empty", "wrong", "empty token", "no string", "lone surrogate", "request"],
)
def test_a_connection_without_the_token_gets_no_answer(engine: EngineProcess, greeting: dict[str, Any]) -> None:
    """The engine closes the connection, and goes on serving its clients."""
    authorised = EngineClient(engine.address)
    assert first_answer(engine.address, greeting, {"id": 1, "op": "untaken"}) == b""
    assert works(authorised)
    authorised.close()


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xfe\n", b"[1]\n", b"[" * 100_000 + b"\n"]
)
def test_a_connection_with_an_invalid_first_line_gets_no_answer(engine: EngineProcess, line: bytes) -> None:
    """Other programs may connect to a TCP port."""
    authorised = EngineClient(engine.address)
    with socket.socket(socket.AF_UNIX if engine.address.family == "unix" else socket.AF_INET) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(engine.address.path or ("127.0.0.1", engine.address.port))
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert works(authorised)
    authorised.close()


def test_a_silent_connection_does_not_keep_the_engine(engine: EngineProcess) -> None:
    """The engine ends with its last client, although another connection never sent a token."""
    authorised = EngineClient(engine.address)
    with socket.socket(socket.AF_UNIX if engine.address.family == "unix" else socket.AF_INET) as silent:
        silent.connect(engine.address.path or ("127.0.0.1", engine.address.port))
        assert works(authorised)
        authorised.close()
        wait_until_ended(engine.address.directory)


def test_an_unknown_operation_is_an_error(engine: EngineProcess) -> None:
    """The request fails, and the connection stays usable."""
    authorised = EngineClient(engine.address)
    with pytest.raises(SipfrontError):
        authorised.request("no_such_operation")
    assert works(authorised)
    authorised.close()


def test_without_unix_sockets_the_engine_listens_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    listen = client.listen

    def listen_without_unix_sockets(directory: str) -> socket.socket:
        with monkeypatch.context() as patch:
            patch.delattr(socket, "AF_UNIX")
            return listen(directory)

    monkeypatch.setattr(client, "listen", listen_without_unix_sockets)
    process = EngineProcess()
    assert (process.address.family, process.address.path) == ("inet", "")
    local = EngineClient(process.address)
    assert works(local)
    wrong = EngineClient(replace(process.address, token="wrong"))
    with pytest.raises(EngineStopped):
        wrong.request("untaken")
    wrong.close()
    local.close()
    process.wait(PATIENCE)
    wait_until_ended(process.address.directory)


def test_a_long_path_needs_no_unix_socket(tmp_path: Path) -> None:
    """The path of a Unix socket is limited to about 100 characters."""
    with client.listen(str(tmp_path / ("x" * 120))) as listening:
        assert listening.family == socket.AF_INET
        assert listening.getsockname()[0] == "127.0.0.1"


def test_each_thread_has_a_connection(engine: EngineProcess) -> None:
    """Requests from several threads do not wait for each other."""
    shared = EngineClient(engine.address)
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda: answers.append(works(shared))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert answers == [True] * 8
    shared.close()


def in_child(action: Any) -> int:
    """Run `action` in a forked child and return the child's exit code: 0 if `action` returned True."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if action() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_opens_its_own_channel(engine: EngineProcess) -> None:
    """Parent and child use the engine side by side; the end of the child changes nothing for the parent."""
    shared = EngineClient(engine.address)
    assert works(shared)
    assert in_child(lambda: works(shared)) == 0
    assert in_child(lambda: all(works(shared) for _ in range(3))) == 0
    assert works(shared)
    shared.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_that_lives_on_does_not_keep_the_engine(engine: EngineProcess) -> None:
    """The engine ends with the process that leads the session, although a child still has a connection."""
    leading = EngineClient(engine.address)
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        works(leading)
        os.write(writable, b".")
        signal.pause()
    try:
        os.read(readable, 1)
        leading.close()
        wait_until_ended(engine.address.directory)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(readable)
        os.close(writable)


def test_the_engine_ends_with_its_last_client(engine: EngineProcess) -> None:
    """Workers come and go; the last one ends the engine, which removes its directory."""
    first, second = (EngineClient(engine.address, leads=False) for _ in range(2))
    assert works(first)
    assert works(second)
    first.close()
    assert works(second)
    second.close()
    wait_until_ended(engine.address.directory)
    with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
        EngineClient(engine.address)


def test_the_engine_ends_with_a_killed_client(tmp_path: Path) -> None:
    """`kill -9` of the only client: the operating system closes its connection."""
    path = tmp_path / "engine.json"
    command = [sys.executable, "-c", CLIENT_THAT_IS_KILLED, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    address = Address.load(path)
    assert address is not None
    process.kill()
    process.communicate()
    wait_until_ended(address.directory)


def test_requests_after_the_end_of_the_engine_fail(engine: EngineProcess) -> None:
    """The error names the request; its details are no traceback."""
    orphan = EngineClient(engine.address)
    assert works(orphan)
    os.kill(engine.pid, signal.SIGKILL)
    for _ in range(3):
        with pytest.raises(EngineStopped) as caught:
            orphan.request("untaken")
        assert caught.value.evidence["request"] == "untaken"
        assert "--sipfront-resume" in caught.value.hint
    orphan.close()
    engine.address.remove_directory()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_the_engine_inherits_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its environment nor its arguments hold a credential or the token."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-c", CLIENT_THAT_IS_KILLED.replace('"ready"', "process.pid"), str(tmp_path / "address")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    engine = Path("/proc", process.stdout.readline().strip())
    address = Address.load(tmp_path / "address")
    assert address is not None
    texts = [(engine / name).read_bytes().decode() for name in ("environ", "cmdline")]
    process.communicate("")
    for text in texts:
        assert "7f3a9c" not in text
        assert address.token not in text
    assert "pytest_sipfront.engine" in texts[1]


def test_the_environment_of_the_engine_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only variables that Python and HTTP clients need are inherited."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    inherited = client.environment()
    assert "PATH" in inherited
    assert SECRETS.keys().isdisjoint(inherited)


def test_no_repr_shows_the_token_or_a_key(engine: EngineProcess) -> None:
    """Tracebacks and logs print objects."""
    token = engine.address.token
    local = EngineClient(engine.address)
    settings = EngineSettings(
        **dict.fromkeys(EngineSettings.__dataclass_fields__)  # type: ignore[arg-type]
        | {"public_key": "pk-7f3a9c", "secret_key": "sk-7f3a9c"}
    )
    for thing in (engine, engine.address, local, Server(token), settings):
        assert token not in repr(thing)
        assert "7f3a9c" not in repr(thing)
    local.close()


def test_the_saved_address_is_readable_by_the_user_only(engine: EngineProcess, tmp_path: Path) -> None:
    """The file holds the token. A loaded address equals the saved one."""
    path = tmp_path / "engine.json"
    engine.address.save(path)
    assert Address.load(path) == engine.address
    assert Address.load(tmp_path / "missing.json") is None
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0
        assert Path(engine.address.directory).stat().st_mode & 0o077 == 0
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["engine.json"]


def test_sigint_does_not_reach_the_engine(engine: EngineProcess) -> None:
    """Ctrl-C is the business of pytest, and the engine is in another session of the terminal."""
    local = EngineClient(engine.address)
    assert works(local)
    os.kill(engine.pid, signal.SIGINT)
    assert works(local)
    assert os.getsid(engine.pid) != os.getsid(0)
    local.close()


@pytest.mark.slow
def test_sigterm_ends_the_engine_although_it_has_clients(engine: EngineProcess) -> None:
    """A client that waits gets an error instead of waiting for ever."""
    local = EngineClient(engine.address)
    assert works(local)
    os.kill(engine.pid, signal.SIGTERM)
    wait_until_ended(engine.address.directory)
    with pytest.raises(EngineStopped):
        local.request("untaken")
    local.close()
