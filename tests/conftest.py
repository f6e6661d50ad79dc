"""Settings of the test process that hold for all tests."""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import signal
import sys
from collections.abc import Iterator

import hypothesis
import pytest

import pytest_sipfront
from pytest_sipfront.lab.process import LabProcess, start_lab
from tests.forked_engine import forked_engine

__all__ = ["forked_engine"]

# Hundreds of tests start a Python process. Without cached bytecode each of them would compile the package again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# pytester removes the modules that an in-process session imported, and the next session would import them again.
# numpy cannot be loaded twice at all.
for _module in ("numpy", "baresip", "anyio._backends._asyncio", "httpcore", "uvicorn.lifespan.off"):
    with contextlib.suppress(ImportError):
        importlib.import_module(_module)
for _info in pkgutil.walk_packages(pytest_sipfront.__path__, "pytest_sipfront."):
    if not _info.name.endswith("__main__"):
        with contextlib.suppress(ImportError):
            importlib.import_module(_info.name)

# A shell makes its background jobs ignore SIGINT, and their children inherit that. Some tests interrupt a session.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A deadline would measure how busy the machine is.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=25)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=100)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def lab_process() -> Iterator[LabProcess]:
    """One lab for all tests of a process. Each test replaces its lab file."""
    with start_lab() as lab:
        yield lab
