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
from tests.lab.talking import Platform

LAB = [sys.executable, "-m", "pytest_sipfront.lab"]
END = 10.0
STARTER = """
import time
from pytest_sipfront.lab.__main__ import main
from pytest_sipfront.lab.process import start_lab
lab = start_lab()
print(lab.url, lab.pid, flush=True)
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


def wait_until_nobody_listens(url: str) -> None:
    """A connection that was accepted ends with the process that holds it, so that no waiting by the clock is needed."""
    host, port = url.removeprefix("http://").split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=END) as connection:
            while connection.recv(1):
                pass
    except ConnectionError:
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)), timeout=END)


class Refused(Protocol):
    def __call__(self, *arguments: str) -> str: ...


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Calls the command, which has to refuse: exit code 2 and one line on standard error, which is returned."""

    def call(*arguments: str) -> str:
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        return err

    return call


def test_a_started_lab_listens_and_is_gone_after_close() -> None:
    """start_lab returns when the lab answers; close waits for its end, and may be called twice."""
    with start_lab(text="account: {public_key: pk, secret_key: sk}\ntests: {Own: {takes: 60}}") as lab:
        platform = Platform(lab)
        assert (lab.public_key, lab.secret_key) == ("pk", "sk")
        assert platform.launch("Own").status == 200
        assert lab.launches == 1
    wait_until_nobody_listens(lab.url)
    lab.close()


def test_a_lab_reads_the_file_it_is_given(tmp_path: Path) -> None:
    """A path, as the plugin passes it."""
    file = tmp_path / "own.yaml"
    file.write_text("tests: {Own: {}}")
    with start_lab(file) as lab:
        (test,) = Platform(lab).get("/api/v2/tests").json["tests"]
    assert test["name"] == "Own"


def test_a_lab_that_cannot_start_says_why() -> None:
    """LabError holds what the lab wrote to its standard error."""
    with pytest.raises(LabError, match=r"^the lab did not start: lab: .*lab\.yaml:1: test: unknown key 'test'[^\n]*$"):
        start_lab(text="test: {}")


def test_a_lab_that_takes_too_long_is_given_up() -> None:
    """The time limit ends the waiting and the process."""
    with pytest.raises(LabError, match="the lab did not start within 0 seconds"):
        start_lab(timeout=0)


def test_modules_of_the_current_directory_do_not_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite may have a file named like a library."""
    (tmp_path / "yaml.py").write_text("raise SystemExit('not me')")
    monkeypatch.chdir(tmp_path)
    with start_lab() as lab:
        assert lab.launches == 0


def test_a_lab_is_gone_when_its_starter_is_killed() -> None:
    """Nothing of the starter's own code runs on SIGKILL, and still the lab ends."""
    with started([sys.executable, "-c", STARTER]) as starter:
        url, pid = first_line(starter).split()
        assert LabHandle(url).launches == 0
        os.kill(int(pid), 0)
        starter.kill()
        starter.wait(END)
        wait_until_nobody_listens(url)


def test_a_lab_is_gone_when_its_standard_input_closes() -> None:
    """--with-parent, as used by any other starter."""
    with started([*LAB, "--announce", "--with-parent"]) as process:
        first_line(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(END) == 0


def test_a_lab_stays_without_a_parent_to_watch() -> None:
    """In a terminal's background, standard input may be closed from the start."""
    with started([*LAB, "--announce"]) as process:
        url = json.loads(first_line(process))["url"]
        assert process.stdin is not None
        process.stdin.close()
        assert LabHandle(url).launches == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_lab_with_open_runs_and_held_back_answers(number: signal.Signals, tmp_path: Path) -> None:
    """Exit code 0, nothing on standard error, and whoever waits for an answer gets it."""
    file = tmp_path / "lab.yaml"
    file.write_text("faults: [{on: launch, latency: 600}]\ntests: {Slow: {takes: 600}}")
    with started([*LAB, str(file), "--announce"]) as process:
        about = json.loads(first_line(process))
        host, port = about["url"].removeprefix("http://").split(":")
        body = '{"test.name": "Slow"}'
        head = f"POST /api/v2/tests/run HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic YTpi\r\n"
        with socket.create_connection((host, int(port)), timeout=END) as connection:
            # the built-in keys are not asked for here, since this file names none
            connection.sendall(
                f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            handle = LabHandle(about["url"])
            while not handle.in_flight:
                pass
            process.send_signal(number)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert process.wait(END) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_the_announcement_is_one_line_of_json() -> None:
    """URL, keys, process id and engine, for whoever started the lab."""
    with started([*LAB, "--announce"]) as process:
        about = json.loads(first_line(process))
        assert about.keys() == {"url", "public_key", "secret_key", "pid", "backend"}
        assert (about["public_key"], about["secret_key"]) == ("lab-public", "lab-secret")
        assert about["pid"] == process.pid


def test_a_person_is_told_what_to_export() -> None:
    """A line with the URL and what verdicts rest on, and a line with the three variables of the clients."""
    with started(LAB) as process:
        lines = first_line(process) + first_line(process)
    url = r"http://127\.0\.0\.1:\d+"
    keys = "SIPFRONT_PUBLIC_KEY=lab-public SIPFRONT_SECRET_KEY=lab-secret"
    assert re.fullmatch(
        rf"Lab at {url}: 4 of 5 tests place real calls .*\nexport SIPFRONT_BASE_URL={url} {keys}\n", lines
    )


def test_a_port_can_be_chosen_and_a_used_one_is_told(refused: Refused) -> None:
    """`--port`: a clear line and exit code 2 where it is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in refused("--port", str(port))
    with started([*LAB, "--announce", "--port", str(port)]) as process:
        assert json.loads(first_line(process))["url"] == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_that_others_can_reach_is_refused(host: str, refused: Refused) -> None:
    """Loopback only, unless the user says otherwise."""
    assert f"--host {host} is reachable from other machines; add --allow-remote" in refused("--host", host)


def test_other_machines_can_be_let_in_on_purpose() -> None:
    """--allow-remote."""
    with started([*LAB, "--announce", "--host", "0.0.0.0", "--allow-remote"]) as process:
        assert json.loads(first_line(process))["url"].startswith("http://0.0.0.0:")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "own.yaml: cannot be read: No such file"), ("test: {}", "own.yaml:1: test: unknown key 'test'")],
)
def test_a_file_that_cannot_be_used_is_one_clear_line(
    tmp_path: Path, content: str | None, said: str, refused: Refused
) -> None:
    """File, line and reason, exit code 2, no traceback."""
    file = tmp_path / "own.yaml"
    if content is not None:
        file.write_text(content)
    assert said in refused(str(file))


def test_a_lab_sees_no_credentials_of_the_real_services() -> None:
    """Its environment lacks the variables of Sipfront and Sift, but has those of a PBX."""
    kept = {"PATH": "/bin", "SIPFRONT_LAB_SIP_USER": "u", "SIPFRONT_LAB_SIP_PASSWORD": "p", "PBX_PASSWORD": "q"}
    names = ("SIPFRONT_SECRET_KEY", "SIPFRONT_SECRET_KEY_FILE", "SF_API_SECRET", "SIFT_AUTH_TOKEN", "SIFT_BEARER_TOKEN")
    assert lab_environment({**kept, **dict.fromkeys(names, "secret")}) == kept


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
