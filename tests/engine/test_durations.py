from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.sipfront.models import RunStatus
from pytest_sipfront.engine.durations import (
    KEPT,
    KEPT_REQUESTS,
    Durations,
    Observation,
    observation,
    reported_duration,
)
from pytest_sipfront.engine.poll_schedule import ExpectedDuration
from tests.clients.sipfront.test_models import JSON
from tests.engine.support import PASSED

SECONDS = st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000)
OBSERVATIONS: st.SearchStrategy[Observation] = st.tuples(SECONDS, SECONDS).map(lambda ends: (min(ends), max(ends)))
LEARNED = st.lists(st.tuples(st.sampled_from("abc"), OBSERVATIONS), max_size=20)


def _durations(*learned: tuple[str, Observation]) -> Durations:
    durations = Durations()
    for key, observed in learned:
        durations.learn(key, observed)
    return durations


def _expected(*observed: Observation) -> ExpectedDuration | None:
    return _durations(*(("a", pair) for pair in observed)).expected("a")


def _status(**times: str) -> RunStatus:
    return RunStatus.read(PASSED | times)


FIVE_MINUTES = _status(started_at="2026-01-15 12:00:00", stopped_at="2026-01-15 12:05:00")


# ---- what is observed -------------------------------------------------------------------------------------------


def test_a_run_ends_between_two_polls() -> None:
    """The platform's own times are not needed then."""
    assert observation(58.0, 60.5, FIVE_MINUTES) == (58.0, 60.5)
    assert observation(-0.1, 60.5, FIVE_MINUTES) == (0.0, 60.5)


def test_a_run_that_was_never_seen_running_ended_between_its_launch_and_its_first_poll() -> None:
    """Nothing is known of its beginning."""
    assert observation(None, 60.5, _status()) == (0.0, 60.5)


def test_only_polls_in_the_expected_window_count() -> None:
    """A poll long before it does not show that the run took as long as the others."""
    window = ExpectedDuration(500, 503)
    assert observation(240.0, 500.5, FIVE_MINUTES, window) == (299, 301)
    assert observation(240.0, 500.5, _status(), window) == (0, 500.5)
    assert observation(500.0, 500.5, FIVE_MINUTES, window) == (500, 500.5)


@pytest.mark.parametrize(("ended", "observed"), [(400, (299, 301)), (300.5, (299, 300.5)), (10, (10, 10))])
def test_the_platform_tells_the_duration_of_a_run_that_was_never_seen_running(
    ended: float, observed: Observation
) -> None:
    """To the second, and not after the run was seen to have ended."""
    assert observation(None, ended, FIVE_MINUTES) == observed


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"started_at": "2026-01-15 12:00:00", "stopped_at": "2026-01-15 12:01:00"}, ExpectedDuration(59, 61)),
        ({"created_at": "2026-01-15 12:00:00", "stopped_at": "2026-01-15 12:00:00"}, ExpectedDuration(0, 1)),
        ({"started_at": "2026-01-15 12:01:00", "stopped_at": "2026-01-15 12:00:00"}, None),
        ({"started_at": "2026-01-15 12:00:00"}, None),
        ({"started_at": "yesterday", "stopped_at": "2026-01-15 12:00:00"}, None),
    ],
    ids=["a minute", "less than a second", "negative", "running", "unreadable"],
)
def test_the_platforms_times_have_whole_seconds(times: dict[str, str], expected: ExpectedDuration | None) -> None:
    """So a duration is known to within a second."""
    assert reported_duration(_status(**times)) == expected


# ---- what is expected -------------------------------------------------------------------------------------------


def test_nothing_is_expected_of_a_request_that_never_ran() -> None:
    """Then the interval alone decides when to poll."""
    assert Durations().expected("a") is None


def test_observations_that_one_duration_explains_narrow_it_down() -> None:
    """Each alone is as wide as the time between two polls."""
    durations = _durations(("a", (10, 12)), ("a", (9, 11)), ("b", (1, 2)))
    assert durations.expected("a") == ExpectedDuration(10, 11)
    assert durations.expected("b") == ExpectedDuration(1, 2)


def test_a_duration_that_varies_is_expected_between_its_extremes() -> None:
    """From the shortest run to the longest."""
    assert _expected((10, 12), (5, 7), (20, 21)) == ExpectedDuration(5, 21)


def test_only_the_latest_runs_count() -> None:
    """A test's duration changes with the test."""
    assert _expected((1, 1000), *[(10.0, 12.0)] * KEPT) == ExpectedDuration(10, 12)


def test_a_run_that_ended_before_its_first_poll_widens_the_window() -> None:
    """Four times more with each such run, since the test may have become much shorter."""
    windows = [_expected(*[(100, 104)] * 3, *[(0, 100.5)] * unseen) for unseen in range(5)]
    assert windows == [ExpectedDuration(least, 104) for least in (100, 84, 36, 0, 0)]


def test_a_run_that_ended_before_its_first_poll_widens_even_an_exact_window() -> None:
    """By a part of the duration."""
    assert _expected((100, 100), (0, 100.5)) == ExpectedDuration(96, 100)


def test_a_test_that_became_shorter_is_followed() -> None:
    """After a few runs its window begins at the launch, even if the platform tells no times."""
    window, known = ExpectedDuration(57.75, 58.5), [(57.75, 58.5)] * KEPT
    while window.least > 0:
        known = [*known[1:], (0.0, window.least + 0.5)]
        window = _expected(*known) or window
    assert sum(1 for low, _ in known if low == 0) <= KEPT


def test_a_run_seen_running_ends_the_search() -> None:
    """Earlier runs that were never seen running say nothing more."""
    assert _expected((100, 104), (0, 101), (0, 85), (99, 102)) == ExpectedDuration(100, 102)


def test_runs_that_were_never_seen_running_leave_the_beginning_open() -> None:
    """They are shorter than the interval, perhaps."""
    assert _expected((0, 3), (0, 2.5)) == ExpectedDuration(0, 2.5)


def test_what_the_platform_suggests_counts_until_a_run_is_observed() -> None:
    """Own observations are better."""
    durations = Durations()
    durations.suggest("a", ExpectedDuration(59, 61))
    assert durations.expected("a") == ExpectedDuration(59, 61)
    durations.learn("a", (57, 60))
    durations.suggest("a", ExpectedDuration(59, 61))
    assert durations.expected("a") == ExpectedDuration(57, 60)


# ---- the file ---------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file whose directory does not exist yet."""
    return tmp_path / "sipfront" / "durations.json"


def _loaded(path: Path) -> Durations:
    return Durations.load(path)


def test_saved_durations_are_loaded_by_the_next_session(path: Path) -> None:
    """And completed by it."""
    _durations(("a", (10, 12.5)), ("a", (9, 11))).save(path)
    again = _loaded(path)
    assert again.expected("a") == ExpectedDuration(10, 11)
    again.learn("a", (8, 9))
    again.save(path)
    assert _loaded(path).expected("a") == ExpectedDuration(8, 12.5)


def test_sessions_that_run_at_the_same_time_keep_each_others_durations(path: Path) -> None:
    """Each adds what it learned."""
    first, second = _loaded(path), _loaded(path)
    first.learn("a", (1, 2))
    second.learn("a", (1.5, 3))
    second.learn("b", (3, 4))
    first.save(path)
    second.save(path)
    assert _loaded(path).expected("a") == ExpectedDuration(1.5, 2)
    assert _loaded(path).expected("b") == ExpectedDuration(3, 4)


def test_suggestions_are_not_saved(path: Path) -> None:
    """The platform will know better next time."""
    durations = Durations()
    durations.suggest("a", ExpectedDuration(1, 2))
    durations.save(path)
    assert _loaded(path).expected("a") is None


def test_nothing_is_known_without_a_file(path: Path) -> None:
    """Neither before the first session nor without pytest's cache."""
    assert _loaded(path).expected("a") is None
    assert Durations.load(None).expected("a") is None


def test_a_file_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    """The session's verdicts do not depend on it."""
    (tmp_path / "file").write_text("")
    _durations(("a", (1, 2))).save(tmp_path / "file" / "durations.json")
    (tmp_path / "directory").mkdir()
    _durations(("a", (1, 2))).save(tmp_path / "directory")
    assert _loaded(tmp_path / "directory").expected("a") is None


def test_the_file_is_replaced_as_a_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that is killed while it writes leaves the old file."""
    _durations(("a", (1, 2))).save(path)

    def write_half(new: Path, text: str) -> int:
        with new.open("w") as file:
            file.write(text[: len(text) // 2])
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", write_half)
        with pytest.raises(SystemExit):
            _durations(("b", (1, 2))).save(path)
    assert _loaded(path).expected("a") == ExpectedDuration(1, 2)


def test_the_requests_that_ran_last_are_kept(path: Path) -> None:
    """A cache must not grow without limit."""
    _durations(*((str(n), (1.0, 2.0)) for n in range(KEPT_REQUESTS + 1)), ("1", (1.0, 2.0))).save(path)
    kept = json.loads(path.read_text())
    assert len(kept) == KEPT_REQUESTS
    assert "0" not in kept
    assert list(kept)[-1] == "1"


@pytest.mark.parametrize(
    "entry",
    [
        *("null", "5", '"12"', '{"1": 2}', "[]", "[1]", "[1, 2, 3]", "[2, 1]", "[-1, 2]", '["x", 1]', "[null, 1]"),
        *("[1, 1" + 400 * "0" + "]", "[[], []]", "[NaN, NaN]", "[0, Infinity]", "[NaN, 1]", "[1, NaN]"),
    ],
)
def test_an_entry_without_two_times_is_ignored(path: Path, entry: str) -> None:
    """A user may edit the file, or another program may write it."""
    path.parent.mkdir()
    path.write_text(f'{{"a": [{entry}, [3, 4]]}}')
    assert _loaded(path).expected("a") == ExpectedDuration(3, 4)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[1, 2]", b'{"a": 5, "b": {}}', b"null"])
def test_a_damaged_file_counts_as_empty(path: Path, content: bytes) -> None:
    """The next session replaces it."""
    path.parent.mkdir()
    path.write_bytes(content)
    durations = _loaded(path)
    durations.learn("a", (1, 2))
    durations.save(path)
    assert _loaded(path).expected("a") == ExpectedDuration(1, 2)


@given(JSON)
def test_a_file_with_any_json_can_be_loaded_and_saved(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    """What is saved is always readable."""
    path = tmp_path_factory.mktemp("any") / "durations.json"
    path.write_text(json.dumps(data))
    durations = _loaded(path)
    durations.learn("a", (1, 2))
    durations.save(path)
    assert _loaded(path).expected("a") is not None


@given(LEARNED)
def test_saving_and_loading_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, learned: list[tuple[str, Observation]]
) -> None:
    """But digits after the millisecond."""
    durations = _durations(*learned)
    path = tmp_path_factory.mktemp("round") / "durations.json"
    durations.save(path)
    again = _loaded(path)
    for key in "abc":
        before, after = durations.expected(key), again.expected(key)
        assert (before is None) is (after is None)
        if before is not None and after is not None:
            assert 0 <= after.least <= after.most
            assert (after.least, after.most) == pytest.approx((before.least, before.most), abs=0.1)
