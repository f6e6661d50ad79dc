"""What the plugin knows during one pytest session, in `config.stash`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pytest_sipfront.access import Access, OwnLab, lab_access, platform_access
from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.marked import MarkedTests
from pytest_sipfront.options import Settings, read_settings
from pytest_sipfront.reports.heartbeat import Heartbeat, speaker
from pytest_sipfront.reports.properties import Record, recorder
from pytest_sipfront.session import Session

WORKER_LAB = "sipfront_lab"


class State:
    """The session's settings, line to the platform, marked tests, and the test that is at work.

    Attributes:
        settings: What is in force.
        session: Launches runs and waits for them.
        marked: The marked tests.
        lab_in_words: How the session's lab comes to its verdicts; "" where there is none, and on workers.
        lab: Describes the session's lab, starting it at first need; None if runs go to the platform.
        current: The item that is at work; None between tests.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.settings: Settings = read_settings(config)
        self.lab_in_words = ""
        self.lab: Callable[[], Mapping[str, Any]] | None = self._find_lab(config)
        self.session = Session(
            self.settings,
            self._access,
            Heartbeat(speaker(config), self.settings.heartbeat),
            launching=not config.getoption("setuponly", default=False),
        )
        self.marked = MarkedTests(self.session)
        self.current: pytest.Item | None = None
        config.add_cleanup(self.session.close)

    def recorder(self) -> Record:
        """Return what records a run's properties in the test at work."""
        return recorder(self.current.user_properties if self.current else [])

    def _find_lab(self, config: pytest.Config) -> Callable[[], Mapping[str, Any]] | None:
        if not self.settings.lab:
            return None
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        if worker is not None:
            return lambda: worker[WORKER_LAB]
        own = OwnLab(self.settings)
        try:
            self.lab_in_words = own.check()
        except ConfigurationError as error:
            raise pytest.UsageError(str(error)) from None
        config.add_cleanup(own.close)
        return own.describe

    def _access(self) -> Access:
        __tracebackhide__ = True
        return platform_access(self.settings) if self.lab is None else lab_access(self.lab)


STATE = pytest.StashKey[State]()
