"""Sessions of their own against a lab over real HTTP, as a user would run them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pytest_sipfront.lab.process import LabProcess, start_lab
from tests.end_to_end.suite import Suite

PUBLIC_KEY, SECRET_KEY = "pk-of-the-tests", "sentinel-7f3a9c-secret"


@pytest.fixture(scope="session")
def lab_process() -> Iterator[LabProcess]:
    """One lab for all tests; each gives it a file of its own."""
    with start_lab() as lab:
        yield lab


@pytest.fixture
def suite(pytester: pytest.Pytester, lab_process: LabProcess, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A user's empty suite, with credentials, against the lab as a platform."""
    for name in ("SIPFRONT_BASE_URL", "SIPFRONT_LAB", "HTTP_PROXY", "http_proxy", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIPFRONT_PUBLIC_KEY", PUBLIC_KEY)
    monkeypatch.setenv("SIPFRONT_SECRET_KEY", SECRET_KEY)
    lab_process.configure("tests:\n  Basic call: {takes: 0.05}\n")
    return Suite(pytester, lab_process)


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
