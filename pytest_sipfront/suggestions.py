"""Suggest the valid name that is closest to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(given: str, valid: Iterable[str], *, cutoff: float = 0.5) -> str:
    """Return the name among `valid` that is closest to `given`, ignoring case, or "" if no name is close.

    Args:
        given: The misspelt name.
        valid: The names to suggest.
        cutoff: Required similarity, from 0 (none) to 1 (equal).
    """
    names = {name.casefold(): name for name in valid}
    matches = difflib.get_close_matches(given.casefold(), names, n=1, cutoff=cutoff)
    return names[matches[0]] if matches else ""


def did_you_mean(given: str, valid: Iterable[str]) -> str:
    """Return the end of an error message: "; did you mean 'test'?", or "" if no name is close."""
    name = nearest(given, valid)
    return f"; did you mean {name!r}?" if name else ""


def invalid_choice(given: str, valid: Iterable[str]) -> str:
    """Return the end of an error message about a value that is not among `valid`."""
    names = list(valid)
    return f"must be one of {', '.join(names)}, got {given!r}{did_you_mean(given, names)}"
