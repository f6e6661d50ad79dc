"""Fixtures for sessions of a user against the lab."""

from __future__ import annotations

import socket

import pytest

from pytest_sipfront.lab.process import LabProcess
from tests.end_to_end.suite import Suite

PUBLIC_KEY, SECRET_KEY = "pk-of-the-tests", "sentinel-7f3a9c-secret"


@pytest.fixture
def suite(pytester: pytest.Pytester, lab_process: LabProcess, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """An empty suite of a user with credentials for the lab, which replaces the platform."""
    for name in ("SIPFRONT_BASE_URL", "SIPFRONT_LAB", "HTTP_PROXY", "http_proxy", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIPFRONT_PUBLIC_KEY", PUBLIC_KEY)
    monkeypatch.setenv("SIPFRONT_SECRET_KEY", SECRET_KEY)
    lab_process.configure("tests:\n  Basic call: {takes: 0.02}\n")
    return Suite(pytester, lab_process)


@pytest.fixture
def free_port() -> int:
    """A port that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
