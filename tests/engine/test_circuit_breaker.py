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

GONE = PlatformUnavailable("cannot be reached", arrived=False, evidence={"request": "POST x"}, hint="look")
OWN_MISTAKES = [RequestRefused("no"), NotFound("no"), PlatformBusy("later")]


def _fail(house: House, *errors: SipfrontError) -> None:
    """Let one launch after another end in these errors."""
    for error in errors:
        house.platform.launch_script = [error]
        with pytest.raises(type(error)):
            house.run()


def _is_open(house: House) -> bool:
    """Whether a launch is refused without asking the platform, which would answer by now."""
    before = len(house.platform.launched)
    house.platform.launch_script = [None]
    try:
        house.launch(Run(request=TEST, timeout=0))
    except LaunchSkipped:
        assert len(house.platform.launched) == before
        return True
    return False


def test_after_refused_credentials_nothing_is_tried_any_more() -> None:
    """They will not become right within the session, and knocking on may lock the account."""
    house = House()
    _fail(house, AuthenticationFailed("401", evidence={"answer": "401"}, hint="check the keys"))
    with pytest.raises(LaunchSkipped, match="not tried, since an earlier test found: 401") as caught:
        house.run()
    assert (dict(caught.value.evidence), caught.value.hint) == ({"answer": "401"}, "check the keys")
    assert len(house.platform.launched) == 1


def test_after_three_runs_in_a_row_without_a_platform_nothing_is_tried_any_more() -> None:
    """A suite of hundreds must not wait for each."""
    house = House()
    _fail(house, GONE, GONE)
    assert not _is_open(house)
    house = House()
    _fail(house, GONE, GONE, GONE)
    assert _is_open(house)


@pytest.mark.parametrize("mistake", OWN_MISTAKES, ids=lambda error: type(error).__name__)
def test_an_answer_of_the_platform_begins_the_count_anew(mistake: SipfrontError) -> None:
    """A test's own mistake never counts, and shows that the platform is there."""
    house = House()
    _fail(house, GONE, GONE, mistake, GONE, GONE)
    assert not _is_open(house)


@pytest.mark.parametrize("mistake", OWN_MISTAKES, ids=lambda error: type(error).__name__)
def test_own_mistakes_never_open_the_breaker(mistake: SipfrontError) -> None:
    """However many there are."""
    house = House()
    _fail(house, *[mistake] * 10)
    assert not _is_open(house)


def test_a_run_with_a_verdict_begins_the_count_anew() -> None:
    """In a row means in a row."""
    house = House()
    _fail(house, GONE, GONE)
    house.platform.launch_script = [None]
    house.run()
    _fail(house, GONE, GONE)
    assert not _is_open(house)


def test_an_uncertain_launch_counts_where_the_platform_was_gone() -> None:
    """A reset is the platform's; garbage in a 2xx is an answer."""
    house = House()
    _fail(house, *[LaunchOutcomeUnknown(GONE)] * 3)
    assert _is_open(house)
    house = House()
    _fail(house, *[LaunchOutcomeUnknown(RequestRefused("garbage"))] * 3)
    assert not _is_open(house)


def test_a_platform_that_is_gone_while_runs_are_followed_counts_too() -> None:
    """The launches still went through, and then nothing."""
    house = House()
    house.platform.status_script = [GONE]
    for _ in range(3):
        with pytest.raises(PlatformUnavailable):
            house.run()
    house.platform.status_script = [PASSED]
    assert _is_open(house)


def test_the_first_cause_is_kept() -> None:
    """The tests after it add nothing."""
    house = House()
    _fail(house, AuthenticationFailed("first"))
    for _ in range(2):
        with pytest.raises(LaunchSkipped, match=r"found: first$"):
            house.run()
