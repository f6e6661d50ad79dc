"""Both services together: a Sipfront run dials a number that Sift answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pytest_sipfront.clients.sift.models import Connection
from pytest_sipfront.clients.sipfront.models import RunRequest, RunStatus
from pytest_sipfront.engine.run import RunResult
from pytest_sipfront.sift.matching import pair, same_number

BEGAN = datetime(2026, 1, 15, 12, 0, 0, tzinfo=UTC)
NUMBER = "+15550100300"


def run_of(destination: str | None = NUMBER, start: datetime | None = BEGAN, lasted: float | None = 30) -> RunResult:
    overrides = {} if destination is None else {"step.1.0.dial_destination": destination}
    stop = None if start is None or lasted is None else start + timedelta(seconds=lasted)
    return RunResult(
        request=RunRequest(test="Call the bot", overrides=overrides),
        verdict="passed",
        result_description="",
        duration=lasted or 0.0,
        session_id="",
        report_url="",
        status_url="",
        status=RunStatus(states={}, started_at=start, stopped_at=stop),
    )


def connection(to: str = NUMBER, after: float | None = 5) -> Connection:
    at = None if after is None else (BEGAN + timedelta(seconds=after)).isoformat()
    return Connection.read({"connection_id": "c1", "to": to, "start_time": at})


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (NUMBER, NUMBER, True),
        (NUMBER, "15550100300", True),
        (NUMBER, "0015550100300", True),
        (NUMBER, "sip:+15550100300@pbx.example;transport=tcp", True),
        (NUMBER, "tel:+1-555-010-0300", True),
        (NUMBER, "5550100300", True),
        (NUMBER, "0300", False),
        (NUMBER, "+15550100301", False),
        ("1001", "1001", True),
        ("", "", False),
        ("webrtc:jimmy", "webrtc:jimmy", False),
    ],
)
def test_spellings_of_one_number_are_equal(first: str, second: str, same: bool) -> None:
    """The platform dials with prefixes, as SIP and tel URIs, and without the country code."""
    assert same_number(first, second) is same
    assert same_number(second, first) is same


@pytest.mark.parametrize(
    ("after", "matches"), [(-3, False), (-2, True), (0, True), (30, True), (32, True), (33, False), (None, False)]
)
def test_a_call_matches_during_the_run(after: float | None, matches: bool) -> None:
    """With a tolerance of two seconds, since both services report whole seconds."""
    assert bool(pair(run_of(), connection(after=after))) is matches


def test_a_run_without_times_does_not_match() -> None:
    """The number alone could belong to any call. A run without an end matches all calls after its start."""
    assert not pair(run_of(start=None), connection())
    assert pair(run_of(lasted=None), connection(after=3600))


def test_a_call_to_another_number_does_not_match() -> None:
    """The repr shows the comparison."""
    pairing = pair(run_of(), connection("+15550100999"))
    assert not pairing
    assert repr(pairing) == (
        "<the run dialled +15550100300 between 2026-01-15 12:00:00 UTC and 2026-01-15 12:00:30 UTC; "
        "the call reached +15550100999 at 2026-01-15 12:00:05 UTC>"
    )


def test_a_destination_that_is_set_on_the_platform_can_be_given() -> None:
    """A run knows only its overrides."""
    assert not pair(run_of(None), connection())
    assert "not among its overrides" in repr(pair(run_of(None), connection()))
    assert pair(run_of(None), connection(), dialled=NUMBER)


def test_a_connection_without_start_time_starts_when_it_is_first_seen() -> None:
    """It is not documented whether a callback has start_time."""
    assert pair(run_of(), connection(after=None), first_seen=BEGAN + timedelta(seconds=3))


SUITE = """
def test_bot(sipfront, sift, sift_incoming):
    sift_incoming.register("+15550100300")
    pending = sipfront.launch(test="Call the bot", step_1_0_dial_destination="+15550100300")
    with sift_incoming(to="+15550100300", within=60) as call:
        assert call.listen(timeout=5).says("hello there")
        call.say("how can I help you")
        run = pending.wait()
        call.wait_finished(within=60)
    assert call.matches(run)
    assert sift.connection_of(run).connection_id == call.connection.connection_id
    other = sipfront.run(test="Call the bot", step_1_0_dial_destination="+15550100301")
    assert not call.matches(other)
    assert sift.connection_of(other) is None
"""
LAB = """
tests:
  Call the bot: {takes: 1}
sift:
  callers:
    - {from: "+15550100777", to: "+15550100300", on: run, script: [{says: Hello there!}, {hears: help}]}
"""


@pytest.mark.slow
def test_the_connection_of_a_run_is_found(pytester: pytest.Pytester) -> None:
    """One test uses both services of one lab."""
    pytester.makefile(".yaml", lab=LAB)
    pytester.makepyfile(SUITE)
    pytester.runpytest_inprocess("--sipfront-lab").assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_failed_match_shows_the_comparison(pytester: pytest.Pytester) -> None:
    """The assertion shows both numbers and all times."""
    pytester.makefile(".yaml", lab=LAB)
    pytester.makepyfile(SUITE.replace("not call.matches(other)", "call.matches(other)"))
    result = pytester.runpytest_inprocess("--sipfront-lab")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*<the run dialled +15550100301 between *; the call reached +15550100300 at *>*"])
