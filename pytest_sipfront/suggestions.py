"""Suggest the valid name that is closest to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(given: str, valid: Iterable[str]) -> str:
    """Return the name among `valid` that is closest to `given`, or "" if none is close."""
    return next(iter(difflib.get_close_matches(given, list(valid), n=1, cutoff=0.5)), "")


def did_you_mean(given: str, valid: Iterable[str]) -> str:
    """Return the end of an error message: "; did you mean 'test'?", or "" if no name is close."""
    name = nearest(given, valid)
    return f"; did you mean {name!r}?" if name else ""
