"""What is known of Sift during one pytest session, in `config.stash`: the line to it, and each test's calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.plugin.sift_options import SiftTarget, account_access, lab_access, read_settings
from pytest_sipfront.plugin.sift_session import SiftSession
from pytest_sipfront.plugin.state import STATE

if TYPE_CHECKING:
    from pytest_sipfront.errors import CallFailed
    from pytest_sipfront.sift.call import Call
    from pytest_sipfront.sift.calls import Calls


class SiftState:
    """The session's line to Sift and, by item, what its latest attempt did.

    Attributes:
        session: Opens the line at first need.
        strays: What workers received for nobody, one line each.
    """

    def __init__(self, session: SiftSession) -> None:
        self.session = session
        self.strays: list[str] = []
        self._calls: dict[pytest.Item, Calls] = {}
        self._failures: dict[pytest.Item, CallFailed] = {}

    def keep(self, item: pytest.Item, calls: Calls) -> None:
        """Remember where the calls of `item` will be found."""
        self._calls[item] = calls

    def keep_failure(self, item: pytest.Item, failure: CallFailed) -> None:
        """Remember that the marked call of `item` was not connected, for when the test itself is called."""
        self._failures[item] = failure

    def calls(self, item: pytest.Item) -> list[Call]:
        """Return the calls of `item` in the order in which they were made."""
        calls = self._calls.get(item)
        return calls.all if calls is not None else []

    def failure(self, item: pytest.Item) -> CallFailed | None:
        """Return why the marked call of `item` was not connected; None if it was."""
        return self._failures.get(item)

    def forget(self, item: pytest.Item) -> None:
        """Drop what is known: each attempt at a test has calls of its own."""
        self._calls.pop(item, None)
        self._failures.pop(item, None)


SIFT = pytest.StashKey[SiftState]()


def start(config: pytest.Config) -> None:
    """Read the settings, so that a wrong one ends the session before anything else happens."""
    settings = read_settings(config)

    def access() -> SiftTarget:
        __tracebackhide__ = True
        lab = config.stash[STATE].lab
        if lab is not None and settings.sources["base_url"] != "command line":
            return lab_access(lab())
        return account_access(settings.base_url)

    session = SiftSession(
        settings, config.stash[STATE].settings, access, dialling=not config.getoption("setuponly", default=False)
    )
    config.stash[SIFT] = SiftState(session)
    config.add_cleanup(session.close)
