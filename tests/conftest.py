"""What holds for all tests."""

from __future__ import annotations

import contextlib
import importlib
import signal

# An in-process pytester run takes back what it imported, and numpy cannot be loaded twice: it is loaded before.
for _module in ("numpy", "baresip"):
    with contextlib.suppress(ImportError):
        importlib.import_module(_module)

# A shell lets its background jobs ignore Ctrl-C, and they hand that on; sessions that are interrupted here must not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
