"""Durations of earlier runs, by service, test and overrides."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pytest_sipfront.clients.sipfront.models import RunStatus
from pytest_sipfront.engine.poll_schedule import ExpectedDuration

KEPT = 5
"""Observations of a request that count: a test's duration changes with the test."""
KEPT_REQUESTS = 20_000
_NARROWEST = 0.01
"""Minimum width of a window that is widened, as a part of the duration."""

Observation: TypeAlias = tuple[float, float]
"""Seconds from launch: when a run was last seen running (0 if it never was), and when it was seen to have ended."""


class Durations:
    """Observed durations by `Run.key`: a run on one service says nothing about runs on another."""

    def __init__(self, observations: Mapping[str, Iterable[Observation]] | None = None) -> None:
        """Start with earlier observations by `Run.key`, the oldest first."""
        self._observations = {key: list(known) for key, known in (observations or {}).items() if known}
        self._expected = {key: _window(known) for key, known in self._observations.items()}
        self._suggested: dict[str, ExpectedDuration] = {}
        self._learned: list[tuple[str, Observation]] = []

    @classmethod
    def load(cls, path: Path | None) -> Durations:
        """Return the durations in the file `path`. Without a readable file, nothing is known."""
        return cls(_read_file(path))

    def save(self, path: Path) -> None:
        """Add what this object learned to the file `path`, which other sessions may have changed meanwhile.

        A file that cannot be written is ignored: the durations of one session are then lost.
        """
        merged = Durations(_read_file(path))
        for key, observation in self._learned:
            merged.learn(key, observation)
        latest = list(merged._observations.items())[-KEPT_REQUESTS:]
        rounded = {key: [[round(low, 3), round(high, 3)] for low, high in known] for key, known in latest}
        new = path.with_name(f"{path.name}.{os.getpid()}.new")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                new.write_text(json.dumps(rounded))
                new.replace(path)
            finally:
                new.unlink(missing_ok=True)

    def learn(self, key: str, observation: Observation) -> None:
        """Add the observed duration of a run."""
        self._learned.append((key, observation))
        known = self._observations.pop(key, [])
        self._observations[key] = [*known, observation][-KEPT:]
        self._expected[key] = _window(self._observations[key])

    def suggest(self, key: str, expected: ExpectedDuration) -> None:
        """Expect a duration that the platform reported, unless runs of the request were observed here."""
        self._suggested[key] = expected

    def expected(self, key: str) -> ExpectedDuration | None:
        """Return when a run of the request will end; None if nothing is known."""
        return self._expected.get(key) or self._suggested.get(key)


def observation(
    running: float | None, ended: float, status: RunStatus, expected: ExpectedDuration | None = None
) -> Observation:
    """Return the observed duration of a run.

    Args:
        running: Seconds from the launch to the last poll that found the run running; None if no poll did.
        ended: Seconds from the launch to the poll that found the run ended.
        status: The last status. Its times replace `running` if no poll in the expected window found the run running: it
            may have ended long before.
        expected: The expected window; None if there was none.
    """
    if running is not None and (expected is None or running >= expected.least):
        return max(running, 0.0), ended
    reported = reported_duration(status)
    if reported is None:
        return 0.0, ended
    return min(reported.least, ended), min(reported.most, ended)


def reported_duration(status: RunStatus) -> ExpectedDuration | None:
    """Return the duration of an ended run according to the platform, whose clock has whole seconds; None if unknown."""
    if status.started_at is None or status.stopped_at is None:
        return None
    seconds = (status.stopped_at - status.started_at).total_seconds()
    return ExpectedDuration(max(seconds - 1, 0.0), seconds + 1) if seconds >= 0 else None


def _window(known: list[Observation]) -> ExpectedDuration:
    """Return the window in which a run of the request will end.

    The latest runs may have ended before their first poll. Then the window begins earlier, and the more of them there
    are, the earlier it begins: the test may have become shorter.
    """
    seen_running = [pair for pair in known if pair[0]]
    if not seen_running:
        return ExpectedDuration(0.0, known[-1][1])
    lows, highs = zip(*seen_running, strict=True)
    least, most = max(lows), min(highs)
    if least > most:  # no single duration explains all of them
        least, most = min(lows), max(highs)
    unseen = sum(1 for _ in itertools.takewhile(lambda pair: not pair[0], reversed(known)))
    if unseen:
        least = max(least - max(most - least, _NARROWEST * most) * 4**unseen, 0.0)
    return ExpectedDuration(least, most)


def _read_file(path: Path | None) -> dict[str, list[Observation]]:
    if path is None:
        return {}
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {
        str(key): [pair for entry in known if (pair := _read_observation(entry))][-KEPT:]
        for key, known in (data.items() if isinstance(data, dict) else ())
        if isinstance(known, list)
    }


def _read_observation(entry: Any) -> Observation | None:
    if not isinstance(entry, list):
        return None
    try:
        low, high = map(float, entry)
    except (TypeError, ValueError, OverflowError):
        return None
    return (low, high) if 0 <= low <= high < math.inf else None
