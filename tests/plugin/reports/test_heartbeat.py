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
def test_a_progress_message_shows_state_time_and_url(run: Run, text: str) -> None:
    """It starts with the target of the run."""
    assert progress(run, 125.9).endswith(text)


def test_progress_messages_have_a_fixed_interval() -> None:
    """The number of ticks does not matter."""
    time, messages = FakeTime(start=0), list[str]()
    tick = Heartbeat(messages.append, 30, clock=time.clock).of(Run(request=REQUEST, timeout=0))
    for second in range(100):
        time.seconds = second
        tick(None)
    assert [text.split(", ")[1] for text in messages] == ["0:30 min", "1:00 min", "1:30 min"]


def test_an_interval_of_zero_disables_progress_messages() -> None:
    """0 is a valid value of the option."""
    time, messages = FakeTime(start=0), list[str]()
    tick = Heartbeat(messages.append, 0, clock=time.clock).of(Run(request=REQUEST, timeout=0))
    time.seconds = 1e6
    tick(None)
    assert messages == []


def test_each_run_has_its_own_interval() -> None:
    """The time of a run counts from the start of its wait."""
    time, messages = FakeTime(start=0), list[str]()
    heartbeat = Heartbeat(messages.append, 30, clock=time.clock)
    time.seconds = 29
    tick = heartbeat.of(Run(request=REQUEST, timeout=0))
    time.seconds = 31
    tick(None)
    assert messages == []
