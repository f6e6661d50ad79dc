"""Whether the platform knows the names that a session is going to launch. Pure."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator

_SHOWN = 10


def unknown_names(kind: str, wanted: Iterable[str], known: tuple[str, ...]) -> Iterator[str]:
    """Yield a line for each wanted name that the platform does not know, with the nearest that it does."""
    if not known:
        return
    for name, times in Counter(wanted).items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"; the nearest known: {', '.join(map(repr, near))}" if near else ""
            others = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
            yield f"  no {kind} {name!r} (wanted by {times}){hint or f'; known are {others}'}"
