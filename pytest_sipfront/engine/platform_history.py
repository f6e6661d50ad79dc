"""Expected durations from the platform's own last runs, for tests that never ran from this machine."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import anyio

from pytest_sipfront.clients.sipfront.models import Document, RunStatus
from pytest_sipfront.engine.durations import Durations, reported_duration
from pytest_sipfront.engine.poll_schedule import ExpectedDuration
from pytest_sipfront.engine.run import Run
from pytest_sipfront.errors import NotFound, SipfrontError

_CONCURRENT_REQUESTS = 4
"""Few, because they compete with the session's first launches."""
_MAX_MISSES = 10
"""Number of tests without a usable last run after which the platform is taken to know none."""
_NAME_AND_ID = (("name", "id"), ("test_name", "test_id"), ("test.name", "test.id"))


class HistoryClient(Protocol):
    """The requests that this module sends."""

    async def tests(self) -> Document:
        """Return the available tests."""
        ...

    async def last_status_of_test(self, test_id: int) -> RunStatus:
        """Return the status of a test's last run."""
        ...


class PlatformHistory:
    """Looks up the last run of each test by name, once per name. Any failure ends all lookups without a message."""

    def __init__(self, client: HistoryClient, durations: Durations) -> None:
        """Prepare; `serve` sends the requests.

        Args:
            client: The platform.
            durations: Receives the expected durations.
        """
        self._client, self._durations = client, durations
        self._keys: dict[str, set[str]] = defaultdict(set)
        self._expected: dict[str, ExpectedDuration] = {}
        self._new_names: deque[str] = deque()
        self._misses = 0
        self._changed = anyio.Event()

    def want(self, run: Run) -> None:
        """Look up the test of a run of unknown duration."""
        name, key = run.request.test, run.key
        if name is None or self._durations.expected(key) is not None:
            return
        if name not in self._keys:
            self._new_names.append(name)
            self._changed.set()
        self._keys[name].add(key)
        if name in self._expected:
            self._durations.suggest(key, self._expected[name])

    async def serve(self) -> None:
        """Look up tests until cancelled, or until a request fails."""
        try:
            await self._changed.wait()
            ids = ids_by_name(await self._client.tests())
            async with anyio.create_task_group() as tasks:
                limiter = anyio.CapacityLimiter(_CONCURRENT_REQUESTS)
                while True:
                    self._changed = anyio.Event()
                    while self._new_names:
                        name = self._new_names.popleft()
                        if name in ids:
                            tasks.start_soon(self._look_up, name, ids[name], limiter)
                    await self._changed.wait()
        except* (SipfrontError, RecursionError):
            pass

    async def _look_up(self, name: str, test_id: int, limiter: anyio.CapacityLimiter) -> None:
        async with limiter:
            expected = await self._last_duration(name, test_id)
        if expected is None:
            return
        self._expected[name] = expected
        for key in self._keys[name]:
            self._durations.suggest(key, expected)

    async def _last_duration(self, name: str, test_id: int) -> ExpectedDuration | None:
        try:
            status = await self._client.last_status_of_test(test_id)
            if status.test_name in {"", name} and (expected := reported_duration(status)) is not None:
                return expected
        except NotFound:  # the test never ran
            pass
        self._misses += 1
        if self._misses >= _MAX_MISSES and not self._expected:
            raise NotFound("the platform knows no earlier runs")
        return None


def ids_by_name(document: Document) -> dict[str, int]:
    """Return the id of each test in an answer whose shape is not published. A name with two ids is left out."""
    ids: dict[str, set[int]] = defaultdict(set)
    for name, test_id in _named_ids(document.data):
        ids[name].add(test_id)
    return {name: known.pop() for name, known in ids.items() if len(known) == 1}


def _named_ids(node: Any) -> Iterator[tuple[str, int]]:
    if isinstance(node, Mapping):
        for name_key, id_key in _NAME_AND_ID:
            name, test_id = node.get(name_key), node.get(id_key)
            if isinstance(name, str) and isinstance(test_id, int) and not isinstance(test_id, bool):
                yield name, test_id
        node = list(node.values())
    if isinstance(node, Sequence) and not isinstance(node, str):
        for value in node:
            yield from _named_ids(value)
