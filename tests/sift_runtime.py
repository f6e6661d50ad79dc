"""Access to a lab's Sift by way of an engine process, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_sipfront.clients.sift.callback_log import CallbackLog
from pytest_sipfront.engine.client import EngineClient, EngineProcess
from pytest_sipfront.sift.runtime import SiftRuntime
from pytest_sipfront.sift.wait_policy import CallTimeouts


@contextmanager
def open_runtime(
    url: str,
    timeouts: CallTimeouts,
    user: str = "lab-public",
    password: str = "lab-secret",
    callback_response: str = "routine",
) -> Iterator[SiftRuntime]:
    """Open Sift at `url` in a new engine process."""
    process = EngineProcess()
    engine = EngineClient(process.address)
    settings = {
        "base_url": url,
        "credentials": {"user": user, "password": password},
        "token": "",
        "listen": ["127.0.0.1", 0],
        "callback_url": "",
        "callback_response": callback_response,
        "connect_timeout": 10.0,
        "read_timeout": 30.0,
        "retry_for": 60.0,
        "ca_bundle": None,
        "trust_env": False,
    }
    try:
        yield SiftRuntime(engine, settings, CallbackLog(account_id=user), timeouts)
    finally:
        engine.close()
        process.wait(15)
