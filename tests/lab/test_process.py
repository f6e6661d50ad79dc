from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from pytest_sipfront.lab.__main__ import main
from pytest_sipfront.lab.process import LabError, LabHandle, lab_environment, start_lab
from tests.lab.platform_client import Platform

LAB = [sys.executable, "-m", "pytest_sipfront.lab"]
END = 10.0
STARTER = """
import time
from pytest_sipfront.lab.__main__ import main
from pytest_sipfront.lab.process import start_lab
lab = start_lab()
print(lab.url, lab.pid, lab.token, flush=True)
time.sleep(600)
"""


@contextmanager
def started(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def wait_until_stopped(url: str) -> None:
    """Wait for the end of an accepted connection, which ends with its process, and so without a clock."""
    host, port = url.removeprefix("http://").split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=END) as connection:
            while connection.recv(1):
                pass
    except ConnectionError:
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)), timeout=END)


class FailingCommand(Protocol):
    def __call__(self, *arguments: str) -> str: ...


@pytest.fixture
def failing_command(capsys: pytest.CaptureFixture[str]) -> FailingCommand:
    """Run the command, which must fail with exit code 2, and return its one line of standard error."""

    def call(*arguments: str) -> str:
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        return err

    return call


def test_a_started_lab_listens_until_it_is_closed() -> None:
    """`start_lab` returns once the lab listens; `close` waits for its end and can be called twice."""
    with start_lab(text="account: {public_key: pk, secret_key: sk}\ntests: {Own: {takes: 60}}") as lab:
        platform = Platform(lab)
        assert (lab.public_key, lab.secret_key) == ("pk", "sk")
        assert platform.launch("Own").status == 200
        assert lab.launches == 1
    wait_until_stopped(lab.url)
    lab.close()


def test_a_lab_reads_the_given_file(tmp_path: Path) -> None:
    """The plugin passes a path."""
    file = tmp_path / "own.yaml"
    file.write_text("tests: {Own: {}}")
    with start_lab(file) as lab:
        (test,) = Platform(lab).get("/api/v2/tests").json["tests"]
    assert test["name"] == "Own"


def test_the_error_of_a_lab_that_cannot_start_has_the_reason() -> None:
    """LabError contains the lab's standard error."""
    with pytest.raises(LabError, match=r"^the lab did not start: lab: .*lab\.yaml:1: test: unknown key 'test'[^\n]*$"):
        start_lab(text="test: {}")


def test_a_slow_start_times_out() -> None:
    """The process is stopped."""
    with pytest.raises(LabError, match="the lab did not start within 0 seconds"):
        start_lab(timeout=0)


def test_modules_in_the_current_directory_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite may have a file with the name of a library."""
    (tmp_path / "yaml.py").write_text("raise SystemExit('not me')")
    monkeypatch.chdir(tmp_path)
    with start_lab() as lab:
        assert lab.launches == 0


def test_a_lab_stops_if_its_starter_is_killed() -> None:
    """SIGKILL gives the starter no chance to stop it."""
    with started([sys.executable, "-c", STARTER]) as starter:
        url, pid, token = first_line(starter).split()
        assert LabHandle(url, token).launches == 0
        os.kill(int(pid), 0)
        starter.kill()
        starter.wait(END)
        wait_until_stopped(url)


def test_a_lab_stops_when_its_standard_input_closes() -> None:
    """`--with-parent`, for starters in any language."""
    with started([*LAB, "--announce", "--with-parent"]) as process:
        first_line(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(END) == 0


def test_a_lab_without_that_option_keeps_running() -> None:
    """A job in the background of a terminal may have no standard input."""
    with started([*LAB, "--announce"]) as process:
        about = json.loads(first_line(process))
        assert process.stdin is not None
        process.stdin.close()
        assert LabHandle(about["url"], about["token"]).launches == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_lab_with_open_runs_and_delayed_responses(number: signal.Signals, tmp_path: Path) -> None:
    """The exit code is 0, standard error is empty, and a delayed response is sent."""
    file = tmp_path / "lab.yaml"
    file.write_text("faults: [{on: launch, latency: 600}]\ntests: {Slow: {takes: 600}}")
    with started([*LAB, str(file), "--announce"]) as process:
        about = json.loads(first_line(process))
        host, port = about["url"].removeprefix("http://").split(":")
        body = '{"test.name": "Slow"}'
        head = f"POST /api/v2/tests/run HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic YTpi\r\n"
        with socket.create_connection((host, int(port)), timeout=END) as connection:
            # this file has no keys, so any pair is accepted
            connection.sendall(
                f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            handle = LabHandle(about["url"], about["token"])
            while not handle.in_flight:
                pass
            process.send_signal(number)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert process.wait(END) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_the_announcement_is_one_line_of_json() -> None:
    """URL, keys, token, process id and backend."""
    with started([*LAB, "--announce"]) as process:
        about = json.loads(first_line(process))
        assert about.keys() == {"url", "public_key", "secret_key", "pid", "backend", "token"}
        assert (about["public_key"], about["secret_key"]) == ("lab-public", "lab-secret")
        assert about["pid"] == process.pid


def test_a_terminal_shows_the_variables_to_export() -> None:
    """One line with the URL and the source of the verdicts, one with the variables of the clients, and the token."""
    with started(LAB) as process:
        lines = "".join(first_line(process) for _ in range(3))
    url = r"http://127\.0\.0\.1:\d+"
    keys = "SIPFRONT_PUBLIC_KEY=lab-public SIPFRONT_SECRET_KEY=lab-secret"
    assert re.fullmatch(
        rf"Lab at {url}: 4 of 5 tests place real calls .*\nexport SIPFRONT_BASE_URL={url} {keys}\n"
        r"export SIPFRONT_LAB_TOKEN=\S{32}\n",
        lines,
    )


def test_a_used_port_is_an_error(failing_command: FailingCommand) -> None:
    """`--port` works once the port is free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in failing_command("--port", str(port))
    with started([*LAB, "--announce", "--port", str(port)]) as process:
        assert json.loads(first_line(process))["url"] == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_that_other_machines_can_reach_is_refused(host: str, failing_command: FailingCommand) -> None:
    """By default the lab listens on loopback addresses only."""
    assert f"--host {host} is reachable from other machines; add --allow-remote" in failing_command("--host", host)


def test_allow_remote_permits_such_an_address() -> None:
    """The lab then listens on it."""
    with started([*LAB, "--announce", "--host", "0.0.0.0", "--allow-remote"]) as process:
        assert json.loads(first_line(process))["url"].startswith("http://0.0.0.0:")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "own.yaml: cannot be read: No such file"), ("test: {}", "own.yaml:1: test: unknown key 'test'")],
)
def test_an_invalid_file_is_one_line(
    tmp_path: Path, content: str | None, message: str, failing_command: FailingCommand
) -> None:
    """It has file, line and reason, without a traceback."""
    file = tmp_path / "own.yaml"
    if content is not None:
        file.write_text(content)
    assert message in failing_command(str(file))


def test_a_lab_sees_no_secrets() -> None:
    """Its environment lacks credentials of all services, but has those of a PBX that the lab file names."""
    kept = {"PATH": "/bin", "PWD": "/tmp", "SIPFRONT_LAB_SIP_USER": "u", "SIPFRONT_LAB_SIP_PASSWORD": "p"}
    kept |= {"PBX_PASSWORD": "q", "KEYBOARD": "us", "HTTP_PROXY": "http://proxy:3128"}
    names = ["SIPFRONT_SECRET_KEY", "SIPFRONT_SECRET_KEY_FILE", "SF_API_SECRET", "SIFT_AUTH_TOKEN", "SIFT_BEARER_TOKEN"]
    names += ["GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "SIPFRONT_LAB_TOKEN", "OPENAI_API_KEY"]
    secrets = {**dict.fromkeys(names, "secret"), "DATABASE_URL": "postgres://me:secret@db/x"}
    assert lab_environment({**kept, **secrets}, "target: {password_variable: PBX_PASSWORD}") == kept


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads the environment from /proc")
def test_a_started_lab_has_that_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has it from its start, where any program of the same user can read it."""
    monkeypatch.setenv("SIPFRONT_SECRET_KEY", "sentinel-97c2")
    monkeypatch.setenv("SIFT_AUTH_TOKEN", "sentinel-97c2")
    monkeypatch.setenv("SIPFRONT_LAB_SIP_USER", "alice")
    with start_lab() as lab:
        environment = Path(f"/proc/{lab.pid}/environ").read_bytes()
    assert b"sentinel-97c2" not in environment
    assert b"SIPFRONT_LAB_SIP_USER=alice" in environment
