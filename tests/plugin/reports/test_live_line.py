from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sipfront.engine.run import Snapshot
from pytest_sipfront.plugin.reports.heartbeat import counts
from pytest_sipfront.plugin.reports.live_line import LiveLine
from tests.support import FakeTime

NOW = Snapshot(running=3, waiting=2, passed=1, failed=0, none=0, remaining=None)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Capture:
    """A capture manager that counts its suspensions."""

    def __init__(self) -> None:
        self.suspensions = 0

    @contextmanager
    def global_and_fixture_disabled(self) -> Iterator[None]:
        self.suspensions += 1
        yield


def _config(capture: _Capture | None, **more: Any) -> Any:
    return SimpleNamespace(pluginmanager=SimpleNamespace(getplugin=lambda _: capture), **more)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


class Live:
    """A live line and its standard output, by default a terminal of 60 columns."""

    def __init__(self, patch: pytest.MonkeyPatch, time: FakeTime, output: io.StringIO, config: Any) -> None:
        # pytest replaces standard output between the phases of a test.
        patch.setattr(sys, "stdout", output)
        patch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((60, 24)))
        self.line = LiveLine(config, time.clock)
        self._output = output

    @property
    def written(self) -> str:
        return self._output.getvalue()


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, time: FakeTime) -> Callable[..., Live]:
    """Create a live line."""

    def create(output: io.StringIO | None = None, config: Any = None) -> Live:
        return Live(monkeypatch, time, output or _Terminal(), config or _config(_Capture()))

    return create


def test_the_line_is_written_below_the_cursor(live: Callable[..., Live]) -> None:
    """The cursor returns to the position at which pytest continues to write."""
    live_line = live()
    live_line.line.show(NOW)
    before, after = live_line.written.split("sipfront:")
    assert after == " 3 running, 2 waiting, 1 done\x1b8"
    assert before.index("\x1bD") < before.index("\x1b[A") < before.index("\x1b7") < before.index("\x1b[2K")
    assert "\n" not in live_line.written


def test_the_line_is_updated_twice_per_second(live: Callable[..., Live], time: FakeTime) -> None:
    """The number of ticks does not matter."""
    live_line = live()
    for _ in range(101):
        live_line.line.show(NOW)
        time.seconds += 0.1
    assert 16 <= live_line.written.count("sipfront:") <= 21


def test_the_line_never_wraps(live: Callable[..., Live]) -> None:
    """A wrapped line could not be erased."""
    live_line = live()
    live_line.line.show(Snapshot(running=10**6, waiting=10**6, passed=10**6, failed=10**6, none=10**6, remaining=5))
    text = live_line.written.split("sipfront:")[1].removesuffix("\x1b8")
    assert len("sipfront:" + text) == 59


def test_the_line_is_erased_before_pytest_continues(live: Callable[..., Live]) -> None:
    """It is erased once, and only after it was written."""
    live_line = live()
    live_line.line.clear()
    assert live_line.written == ""
    live_line.line.show(NOW)
    before = live_line.written
    live_line.line.clear()
    live_line.line.clear()
    cleared = live_line.written.removeprefix(before)
    assert cleared.count("\x1b[2K") == 1
    assert cleared.endswith("\x1b[2K\x1b8")


@pytest.mark.parametrize(
    ("output", "config"),
    [
        (io.StringIO(), None),
        (_Terminal(), _config(_Capture(), workerinput={})),
        (_Terminal(), _config(None)),
    ],
    ids=["a log", "a worker", "no capture"],
)
def test_there_is_no_line_without_a_terminal(live: Callable[..., Live], output: io.StringIO, config: Any) -> None:
    """CI logs have progress messages instead, and the terminal of a worker belongs to the controller."""
    live_line = live(output, config)
    live_line.line.show(NOW)
    live_line.line.clear()
    assert live_line.written == ""


def test_the_kind_of_output_is_determined_once(live: Callable[..., Live], time: FakeTime) -> None:
    """This suspends the capture, which could disturb the output of a test."""
    capture = _Capture()
    live_line = live(io.StringIO(), _config(capture))
    for _ in range(10):
        live_line.line.show(NOW)
        time.seconds += 1
    assert capture.suspensions == 1


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
def test_the_counts_show_states_and_time_left(changes: dict[str, Any], text: str) -> None:
    """The time left is omitted if durations are unknown."""
    values = {name: getattr(NOW, name) for name in Snapshot.__slots__} | changes
    assert counts(Snapshot(**values)) == text
