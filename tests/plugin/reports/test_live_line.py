from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sipfront.engine.run_queue import Snapshot
from pytest_sipfront.plugin.reports.heartbeat import counts
from pytest_sipfront.plugin.reports.live_line import LiveLine
from tests.support import FakeTime

NOW = Snapshot(running=3, waiting=2, passed=1, failed=0, none=0, remaining=None)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Capture:
    """pytest's capture, of which is known how often it was put aside."""

    def __init__(self) -> None:
        self.put_aside = 0

    @contextmanager
    def global_and_fixture_disabled(self) -> Iterator[None]:
        self.put_aside += 1
        yield


def _config(capture: _Capture | None, **more: Any) -> Any:
    return SimpleNamespace(pluginmanager=SimpleNamespace(getplugin=lambda _: capture), **more)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


class Live:
    """A line, and what it writes to standard output: a terminal of 60 columns, unless told otherwise."""

    def __init__(self, patch: pytest.MonkeyPatch, time: FakeTime, output: io.StringIO, config: Any) -> None:
        # Within the test alone: pytest takes standard output back between its phases.
        patch.setattr(sys, "stdout", output)
        patch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((60, 24)))
        self.line = LiveLine(config, time.clock)
        self._output = output

    @property
    def written(self) -> str:
        return self._output.getvalue()


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, time: FakeTime) -> Callable[..., Live]:
    """Begin to write."""

    def begin(output: io.StringIO | None = None, config: Any = None) -> Live:
        return Live(monkeypatch, time, output or _Terminal(), config or _config(_Capture()))

    return begin


def test_the_line_stands_below_and_the_cursor_comes_back(live: Callable[..., Live]) -> None:
    """pytest goes on writing where it was; a line is made if there is none below."""
    seen = live()
    seen.line.show(NOW)
    before, after = seen.written.split("sipfront:")
    assert after == " 3 running, 2 waiting, 1 done\x1b8"
    assert before.index("\x1bD") < before.index("\x1b[A") < before.index("\x1b7") < before.index("\x1b[2K")
    assert "\n" not in seen.written


def test_the_line_is_brought_up_to_date_twice_a_second(live: Callable[..., Live], time: FakeTime) -> None:
    """However often the waiting side wakes."""
    seen = live()
    for _ in range(101):
        seen.line.show(NOW)
        time.seconds += 0.1
    assert 16 <= seen.written.count("sipfront:") <= 21


def test_the_line_never_wraps(live: Callable[..., Live]) -> None:
    """A wrapped line could not be taken away."""
    seen = live()
    seen.line.show(Snapshot(running=10**6, waiting=10**6, passed=10**6, failed=10**6, none=10**6, remaining=5))
    text = seen.written.split("sipfront:")[1].removesuffix("\x1b8")
    assert len("sipfront:" + text) == 59


def test_the_line_is_taken_away_before_pytest_writes_on(live: Callable[..., Live]) -> None:
    """Once, and only if it stands there."""
    seen = live()
    seen.line.clear()
    assert seen.written == ""
    seen.line.show(NOW)
    shown = seen.written
    seen.line.clear()
    seen.line.clear()
    cleared = seen.written.removeprefix(shown)
    assert cleared.count("\x1b[2K") == 1
    assert cleared.endswith("\x1b[2K\x1b8")


@pytest.mark.parametrize(
    ("output", "config"),
    [
        (io.StringIO(), None),
        (_Terminal(), _config(_Capture(), workerinput={})),
        (_Terminal(), _config(None)),
    ],
    ids=["a log", "a worker of xdist's", "no capture"],
)
def test_where_there_is_no_terminal_of_ours_there_is_no_line(
    live: Callable[..., Live], output: io.StringIO, config: Any
) -> None:
    """A log of CI has plain lines instead; and a worker's terminal is the controller's."""
    seen = live(output, config)
    seen.line.show(NOW)
    seen.line.clear()
    assert seen.written == ""


def test_a_log_is_recognised_once(live: Callable[..., Live], time: FakeTime) -> None:
    """pytest's capture is put aside to see it; a test's own output must not be disturbed twice a second."""
    capture = _Capture()
    seen = live(io.StringIO(), _config(capture))
    for _ in range(10):
        seen.line.show(NOW)
        time.seconds += 1
    assert capture.put_aside == 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "3 running, 2 waiting, 1 done"),
        ({"failed": 2}, "3 running, 2 waiting, 3 done, 2 failed"),
        ({"none": 1}, "3 running, 2 waiting, 2 done, 1 without verdict"),
        ({"remaining": 89.6}, "3 running, 2 waiting, 1 done, about 90 s left"),
        ({"remaining": 150.0}, "3 running, 2 waiting, 1 done, about 2 min left"),
        ({"remaining": 0.0}, "3 running, 2 waiting, 1 done, due now"),
    ],
)
def test_the_counts_say_where_the_runs_are(changes: dict[str, Any], text: str) -> None:
    """And when they will be over, if history tells."""
    values = {name: getattr(NOW, name) for name in Snapshot.__slots__} | changes
    assert counts(Snapshot(**values)) == text
