"""The program, run in this process in an empty directory, with a lab as the account."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.cli.commands import run_program
from pytest_sipfront.lab.process import LabProcess
from tests.support import PUBLIC_KEY, SECRET_KEY, plain_environment

LAB_FILE = f"""
account: {{public_key: {PUBLIC_KEY}, secret_key: {SECRET_KEY}}}
tests:
  Basic call:
    project: Nightly
    takes: 0.05
    parameters: {{step.1.0.dial_destination: "1001"}}
    when: [{{step.1.0.dial_destination: "486*", verdict: failed, description: 486 Busy Here}}]
  Stopped: {{takes: 0.05, verdict: stopped}}
  Long: {{takes: 600}}
projects:
  Nightly: {{tests: [Basic call]}}
"""


@dataclass(frozen=True, slots=True)
class Output:
    """The exit code and the output of the program."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Program = Callable[..., Output]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    """Run the program in an empty directory, without settings in the environment."""
    plain_environment(monkeypatch)
    for name in ("SIPFRONT_BASE_URL", "SIPFRONT_LAB", "SIPFRONT_PUBLIC_KEY", "SIPFRONT_SECRET_KEY", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def run(*arguments: str) -> Output:
        capsys.readouterr()
        code = run_program(arguments)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        assert SECRET_KEY not in captured.out + captured.err
        return Output(code, captured.out, captured.err)

    return run


@pytest.fixture
def account(
    program: Program,  # noqa: ARG001 - it removes settings from the environment
    lab_process: LabProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> LabProcess:
    """A lab that replaces the platform, with credentials in the environment."""
    lab_process.configure(LAB_FILE)
    monkeypatch.setenv("SIPFRONT_BASE_URL", lab_process.url)
    monkeypatch.setenv("SIPFRONT_PUBLIC_KEY", PUBLIC_KEY)
    monkeypatch.setenv("SIPFRONT_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("SIPFRONT_POLL_INTERVAL", "0.02")
    monkeypatch.setenv("SIPFRONT_RETRY_FOR", "0")
    return lab_process
