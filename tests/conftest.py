"""What holds for all tests."""

from __future__ import annotations

import contextlib
import importlib

# An in-process pytester run takes back what it imported, and numpy cannot be loaded twice: it is loaded before.
for _module in ("numpy", "baresip"):
    with contextlib.suppress(ImportError):
        importlib.import_module(_module)
