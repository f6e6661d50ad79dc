"""Places for runs that several processes of one session share: one lock file a place, one a name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout


class Lease(Protocol):
    """A place in use."""

    def release(self) -> None:
        """Give it back."""
        ...


class Slots(Protocol):
    """Where places come from.

    Attributes:
        patience: Seconds after which to ask again for what was not free; None if nobody else could free it.
    """

    patience: float | None

    def take(self, names: frozenset[str]) -> Lease | None:
        """Take a place and every one of `names`; None if not all of them are free now."""
        ...


class LocalSlots:
    """For a process alone: what may be in flight is decided by admission."""

    patience: float | None = None

    def take(self, names: frozenset[str]) -> Lease | None:  # noqa: ARG002 - nobody else takes them
        """Take a place."""
        return _Leases(())


class SharedSlots:
    """Lock files in a directory that the processes share. A process that dies gives its places back."""

    patience: float | None = 0.1  # who frees a place tells nobody

    def __init__(self, directory: Path, limit: int | None) -> None:
        """Share `limit` places (None for as many as there are processes) and any names in `directory`."""
        self._directory = directory
        self._limit = limit

    def take(self, names: frozenset[str]) -> Lease | None:
        """Take a place and every one of `names`, or nothing."""
        locks: list[FileLock] = []
        for name in sorted(names):  # in one order everywhere
            if not self._lock(locks, "name-" + hashlib.sha256(name.encode()).hexdigest()[:24]):
                return None
        if self._limit is None or any(self._lock(locks, f"slot-{n}", keep=True) for n in range(self._limit)):
            return _Leases(locks)
        _Leases(locks).release()
        return None

    def _lock(self, locks: list[FileLock], name: str, *, keep: bool = False) -> bool:
        lock = FileLock(self._directory / f"{name}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not keep:
                _Leases(locks).release()
            return False
        locks.append(lock)
        return True


class _Leases:
    def __init__(self, locks: Iterable[FileLock]) -> None:
        self._locks = tuple(locks)

    def release(self) -> None:
        """Give all of them back."""
        for lock in self._locks:
            lock.release()
