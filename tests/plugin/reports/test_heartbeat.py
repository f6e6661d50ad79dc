from __future__ import annotations

import pytest

from pytest_sipfront.clients.sipfront.models import Launched, RunRequest, RunStatus
from pytest_sipfront.engine.run import Run
from pytest_sipfront.plugin.reports.heartbeat import Heartbeat, progress
from tests.support import FakeTime

REQUEST = RunRequest(test="Basic call")
LAUNCHED = Launched(status_url="/s", report_url="https://x/report")


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (Run(request=REQUEST, timeout=0), "sipfront: Basic call: launching, 2:05 min"),
        (Run(request=REQUEST, timeout=0, launched=LAUNCHED), "launched, 2:05 min, https://x/report"),
        (
            Run(request=REQUEST, timeout=0, launched=LAUNCHED, status=RunStatus(states={"status": "running"})),
            "running, 2:05 min, https://x/report",
        ),
    ],
    ids=["before", "launched", "running"],
)
def test_a_sign_of_life_says_where_the_run_stands(run: Run, text: str) -> None:
    """Its test, its state, for how long already, and where to look."""
    assert progress(run, 125.9).endswith(text)


def test_signs_of_life_come_every_so_often() -> None:
    """However often the waiting side wakes."""
    time, said = FakeTime(start=0), list[str]()
    tick = Heartbeat(said.append, 30, clock=time.clock).of(Run(request=REQUEST, timeout=0))
    for second in range(100):
        time.seconds = second
        tick()
    assert [text.split(", ")[1] for text in said] == ["0:30 min", "1:00 min", "1:30 min"]


def test_no_interval_means_no_signs() -> None:
    """0 switches them off."""
    time, said = FakeTime(start=0), list[str]()
    tick = Heartbeat(said.append, 0, clock=time.clock).of(Run(request=REQUEST, timeout=0))
    time.seconds = 1e6
    tick()
    assert said == []


def test_each_run_has_its_own_beat() -> None:
    """A run's time counts from when it is waited for."""
    time, said = FakeTime(start=0), list[str]()
    heartbeat = Heartbeat(said.append, 30, clock=time.clock)
    time.seconds = 29
    tick = heartbeat.of(Run(request=REQUEST, timeout=0))
    time.seconds = 31
    tick()
    assert said == []
