from __future__ import annotations

import pytest

from pytest_sipfront.engine.run import Run
from pytest_sipfront.errors import (
    AuthenticationFailed,
    LaunchOutcomeUnknown,
    LaunchSkipped,
    NotFound,
    PlatformBusy,
    PlatformUnavailable,
    RequestRefused,
    SipfrontError,
)
from tests.engine.support import PASSED, TEST, House

UNAVAILABLE = PlatformUnavailable("cannot be reached", arrived=False, evidence={"request": "POST x"}, hint="look")
ERRORS_OF_SINGLE_RUNS = [RequestRefused("no"), NotFound("no"), PlatformBusy("later")]


def _fail(house: House, *errors: SipfrontError) -> None:
    """Make one launch after another end with these errors."""
    for error in errors:
        house.platform.launch_script = [error]
        with pytest.raises(type(error)):
            house.run()


def _is_open(house: House) -> bool:
    """Return whether a launch is skipped without a request, although the platform would answer by now."""
    before = len(house.platform.launched)
    house.platform.launch_script = [None]
    try:
        house.launch(Run(request=TEST, timeout=0))
    except LaunchSkipped:
        assert len(house.platform.launched) == before
        return True
    return False


def test_no_run_is_launched_after_the_credentials_were_refused() -> None:
    """They stay wrong for the whole session, and repeated attempts may lock the account."""
    house = House()
    _fail(house, AuthenticationFailed("401", evidence={"answer": "401"}, hint="check the keys"))
    with pytest.raises(LaunchSkipped, match="not launched because of an earlier error: 401") as caught:
        house.run()
    assert (dict(caught.value.evidence), caught.value.hint) == ({"answer": "401"}, "check the keys")
    assert len(house.platform.launched) == 1


def test_no_run_is_launched_after_the_platform_was_unavailable_for_three_runs_in_a_row() -> None:
    """A suite of hundreds of tests must not wait for each of them."""
    house = House()
    _fail(house, UNAVAILABLE, UNAVAILABLE)
    assert not _is_open(house)
    house = House()
    _fail(house, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE)
    assert _is_open(house)


@pytest.mark.parametrize("error", ERRORS_OF_SINGLE_RUNS, ids=lambda error: type(error).__name__)
def test_an_answer_of_the_platform_resets_the_count(error: SipfrontError) -> None:
    """An error of a single run shows that the platform is available."""
    house = House()
    _fail(house, UNAVAILABLE, UNAVAILABLE, error, UNAVAILABLE, UNAVAILABLE)
    assert not _is_open(house)


@pytest.mark.parametrize("error", ERRORS_OF_SINGLE_RUNS, ids=lambda error: type(error).__name__)
def test_errors_of_single_runs_never_open_the_breaker(error: SipfrontError) -> None:
    """However many there are."""
    house = House()
    _fail(house, *[error] * 10)
    assert not _is_open(house)


def test_a_run_with_a_verdict_resets_the_count() -> None:
    """The limit applies to runs in a row."""
    house = House()
    _fail(house, UNAVAILABLE, UNAVAILABLE)
    house.platform.launch_script = [None]
    house.run()
    _fail(house, UNAVAILABLE, UNAVAILABLE)
    assert not _is_open(house)


def test_a_launch_of_unknown_outcome_counts_if_the_platform_was_unavailable() -> None:
    """A connection reset counts. An unreadable response is an answer."""
    house = House()
    _fail(house, *[LaunchOutcomeUnknown(UNAVAILABLE)] * 3)
    assert _is_open(house)
    house = House()
    _fail(house, *[LaunchOutcomeUnknown(RequestRefused("garbage"))] * 3)
    assert not _is_open(house)


def test_a_platform_that_becomes_unavailable_during_a_run_counts_too() -> None:
    """The launches were accepted, and the polls fail."""
    house = House()
    house.platform.status_script = [UNAVAILABLE]
    for _ in range(3):
        with pytest.raises(PlatformUnavailable):
            house.run()
    house.platform.status_script = [PASSED]
    assert _is_open(house)


def test_the_first_error_is_kept() -> None:
    """Skipped runs add no cause."""
    house = House()
    _fail(house, AuthenticationFailed("first"))
    for _ in range(2):
        with pytest.raises(LaunchSkipped, match=r"earlier error: first$"):
            house.run()
