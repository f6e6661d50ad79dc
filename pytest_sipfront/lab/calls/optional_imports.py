"""What calls need and a lab that places none does without: whether it is there, and its import, which takes a while."""

from __future__ import annotations

import threading
from importlib import import_module
from importlib.util import find_spec

EXTRA = 'pip install "pytest-sipfront[lab]"'
_NEEDED = {
    "baresip": "baresip-python, which has wheels for Linux with glibc and for macOS only",
    "numpy": "numpy",
}
_LATE = ("baresip.call", "numpy.fft", "numpy.random")  # parts that their packages load only when they are used
_importing = threading.Lock()


def unavailable() -> str:
    """Return why no call can be placed on this machine, in one sentence, or "" where it can."""
    missing = [what for module, what in _NEEDED.items() if find_spec(module) is None]
    return f"it needs {' and '.join(missing)} ({EXTRA})" if missing else ""


def import_all() -> None:
    """Import what calls need; returns at once where that is done, and waits where another thread is at it."""
    with _importing:  # two threads that import numpy's parts in different orders get halves of them
        for module in _LATE:
            import_module(module)
