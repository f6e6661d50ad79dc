from __future__ import annotations

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.http import Timeouts, Timing
from pytest_sipfront.clients.http.timeouts import LONGEST_RETRY_AFTER, retry_after
from pytest_sipfront.errors import (
    AuthenticationFailed,
    InvalidResponse,
    NotFound,
    PlatformBusy,
    PlatformUnavailable,
    RequestRefused,
    SipfrontError,
)
from tests.clients.http.conftest import BUSY, FINE, NO_RETRY, getting
from tests.support import CLOSE, HANG, NOON, RESET, FakeTime, Reply, Server, refusing_port, talk


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_get_is_retried_after_transient_responses(status: int) -> None:
    """A GET has no effect, so it can be sent again."""
    time = FakeTime()
    with Server(Reply(status=status), Reply(status=status), FINE) as server:
        assert talk(server.url, getting(), time=time) == {"fine": True}
    assert len(server.requests) == 3
    assert time.sleeps == [0.5, 1.0]


@pytest.mark.parametrize("broken", [RESET, CLOSE, HANG], ids=["reset", "closed", "silent"])
def test_a_get_is_retried_after_a_broken_connection(broken: Reply) -> None:
    """A reset, an early end and a read timeout are transient."""
    with Server(broken, FINE) as server:
        assert talk(server.url, getting(), limits=Timeouts(read=0.2)) == {"fine": True}
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=400), RequestRefused),
        (Reply(status=401), AuthenticationFailed),
        (Reply(status=403), AuthenticationFailed),
        (Reply(status=404), NotFound),
        (Reply(status=409), RequestRefused),
        (Reply(status=422), RequestRefused),
        (Reply(body="no JSON"), InvalidResponse),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Reply) else "",
)
def test_a_permanent_error_is_raised_after_one_request(reply: Reply, error: type[SipfrontError]) -> None:
    """Each cause has an error class."""
    time = FakeTime()
    with Server(reply) as server, pytest.raises(error) as caught:
        talk(server.url, getting(), time=time)
    assert type(caught.value) is error
    assert (len(server.requests), time.sleeps) == (1, [])


@pytest.mark.parametrize(
    ("random", "factor"), [(0.0, 1.0), (1.0, 0.5), (0.5, 0.75)], ids=["longest", "shortest", "middle"]
)
def test_waits_grow_exponentially_with_jitter(random: float, factor: float) -> None:
    """Jitter takes off up to half of each wait. The last attempt begins within `retry` seconds."""
    time = FakeTime(random=random)
    with Server(BUSY) as server, pytest.raises(PlatformBusy) as caught:
        talk(server.url, getting(), time=time, limits=Timeouts(retry=27 * factor))
    assert time.sleeps == [factor * wait for wait in (0.5, 1.0, 2.0, 4.0, 8.0, 10.0)[: len(time.sleeps)]]
    assert sum(time.sleeps) == 25.5 * factor
    assert len(server.requests) == 7
    assert caught.value.evidence["attempts"] == f"7 in {25.5 * factor:.1f} s"


def test_a_single_attempt_is_not_counted_in_the_evidence() -> None:
    """The number of attempts is of interest only after a retry."""
    with Server(BUSY) as server, pytest.raises(PlatformBusy) as caught:
        talk(server.url, getting(), limits=Timeouts(retry=0))
    assert len(server.requests) == 1
    assert "attempts" not in caught.value.evidence


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        ("0", 0.5),
        ("-3", 0.5),
        ("Thu, 15 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 15 Jan 2026 11:59:30 GMT", 0.5),
        ("soon", 0.5),
        ("", 0.5),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_holds_seconds_or_a_date(header: str, wait: float, status: int) -> None:
    """A readable header replaces the exponential wait, but not the shortest wait; an unreadable one is ignored."""
    time = FakeTime()
    with Server(Reply(status=status, headers={"Retry-After": header}), FINE) as server:
        talk(server.url, getting(), time=time)
    assert time.sleeps == [wait]


@given(
    header=st.text()
    | st.floats().map(str)
    | st.integers(min_value=10**300).map(str)
    | st.datetimes().map(lambda d: f"{d:%a, %d %b %Y %H:%M:%S GMT}")
)
def test_any_retry_after_is_none_or_at_most_a_day(header: str) -> None:
    """Hostile values do not raise, and do not become an endless wait."""
    wait = retry_after(header, NOON)
    assert wait is None or 0 <= wait <= LONGEST_RETRY_AFTER


def test_retry_after_of_a_date_without_a_zone_is_utc() -> None:
    """HTTP dates are UTC by definition, but Python's parser drops the zone `-0000`."""
    assert retry_after("Thu, 15 Jan 2026 12:01:00 -0000", NOON) == 60.0
    assert retry_after(None, dt.datetime.now(dt.UTC)) is None


def test_no_attempt_begins_after_the_deadline() -> None:
    """The deadline is the run's timeout."""
    time = FakeTime()
    with Server(BUSY) as server, pytest.raises(PlatformBusy):
        talk(server.url, getting(deadline=time.start + 4), time=time)
    assert time.sleeps == [0.5, 1.0, 2.0]
    assert time.seconds <= time.start + 4


def test_retry_after_beyond_the_deadline_raises_at_once() -> None:
    """Waiting would be useless."""
    time = FakeTime()
    with Server(Reply(status=503, headers={"Retry-After": "11"})) as server, pytest.raises(PlatformBusy) as caught:
        talk(server.url, getting(deadline=time.start + 10), time=time)
    assert (len(server.requests), time.sleeps, caught.value.retry_after) == (1, [], 11.0)


def test_retry_after_within_the_deadline_may_exceed_the_retry_time() -> None:
    """A service that names a time to come back is working."""
    time = FakeTime()
    with Server(Reply(status=503, headers={"Retry-After": "200"}), FINE) as server:
        talk(server.url, getting(deadline=time.start + 900), time=time, limits=Timeouts(retry=60))
    assert time.sleeps == [200.0]


def test_retry_after_beyond_the_retry_time_raises_without_a_deadline() -> None:
    """A service cannot make a session hang for a day."""
    time = FakeTime()
    with Server(Reply(status=429, headers={"Retry-After": "86400"})) as server, pytest.raises(PlatformBusy):
        talk(server.url, getting(), time=time, limits=Timeouts(retry=60))
    assert (len(server.requests), time.sleeps) == (1, [])


def test_a_silent_server_fails_at_the_deadline() -> None:
    """The read timeout may be longer than the remaining time."""
    time = FakeTime()
    with Server(HANG) as server, pytest.raises(PlatformUnavailable, match="no response by the run's deadline"):
        talk(server.url, getting(deadline=time.start + 0.2), time=time, limits=Timeouts(last_attempt=0))
    assert len(server.requests) == 1


def test_the_attempt_at_the_deadline_has_time_for_a_response() -> None:
    """A run is polled a last time at its deadline, and the response may take a while."""
    time = FakeTime()
    with Server(Reply(body={"fine": True}, latency=0.3)) as server:
        assert talk(server.url, getting(deadline=time.start), time=time) == {"fine": True}


def test_the_caller_can_name_more_transient_errors() -> None:
    """A status may be unreadable for a moment, or unknown right after the launch."""
    with Server(Reply(status=404), Reply(body="no JSON"), FINE) as server:
        assert talk(server.url, getting(patience=(NotFound, InvalidResponse))) == {"fine": True}
    assert len(server.requests) == 3


def test_an_unreachable_service_is_an_error_with_host_and_cause() -> None:
    """The message names the host and the operating system's error."""
    with (
        refusing_port() as port,
        pytest.raises(PlatformUnavailable, match=r"127\.0\.0\.1:\d+\) cannot be reached") as caught,
    ):
        talk(f"http://127.0.0.1:{port}", getting(), limits=NO_RETRY)
    assert caught.value.arrived is False
    assert caught.value.evidence["request"] == f"GET http://127.0.0.1:{port}/x"


def test_jitter_does_not_use_the_shared_random_generator() -> None:
    """A seed of the test suite must not give all workers equal waits, and waits must not advance its sequence."""
    random.seed(7)
    expected = random.random()
    random.seed(7)
    assert {Timing().random() for _ in range(3)} != {expected}
    assert random.random() == expected
