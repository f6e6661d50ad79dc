"""What is known during one pytest session, in the stashes of its configuration and its items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.sift.session import SiftSession
from pytest_sipfront.sift.settings import Access, account_access, lab_access, read_settings
from pytest_sipfront.state import STATE

if TYPE_CHECKING:
    from pytest_sipfront.errors import CallFailed
    from pytest_sipfront.sift.calls import Calls

if TYPE_CHECKING:
    from pytest_sipfront.errors import CallFailed
    from pytest_sipfront.sift.calls import Calls

SESSION = pytest.StashKey[SiftSession]()
CALLS: pytest.StashKey[Calls] = pytest.StashKey()
FAILURE: pytest.StashKey[CallFailed] = pytest.StashKey()


def start(config: pytest.Config) -> None:
    """Read the settings, so that a wrong one ends the session before anything else happens."""
    settings = read_settings(config)

    def access() -> Access:
        lab = config.stash[STATE].lab
        if lab is not None and settings.sources["base_url"] != "command line":
            return lab_access(lab())
        return account_access(settings.base_url)

    session = SiftSession(settings, access, dialling=not config.getoption("setuponly", default=False))
    config.stash[SESSION] = session
    config.add_cleanup(session.close)
